using Duologue.Cli.Talk;

namespace Duologue.Cli.Tests.Talk;

public sealed class PeopleTests
{
    [Fact]
    public void Who_asks_for_a_name_that_somebody_has_gets_the_smallest_number_behind_it_that_is_free()
    {
        var people = new People();
        Join(people, 1, "Ada");
        Join(people, 2, "ADA");
        Join(people, 3, "ada");
        Assert.Equal(["Ada", "ADA 2", "ada 3"], people.ById.Select(person => person.Name));

        people.Remove("2", out _);
        Assert.Equal("Ada 2", Join(people, 4, "Ada"));
        Assert.Equal("ada", people.Rename("1", "ada").Name);
        Assert.Equal("ada 2", people.Rename("4", "ada").Name);
        Assert.Equal("Grace", people.Rename("4", "Grace").Name);
        Assert.Equal("Ada 2", Join(people, 5, "Ada"));
    }

    [Fact]
    public void The_tenth_of_a_name_was_looked_for_among_all_numbers_and_has_its_id_now()
    {
        var people = new People();
        for (int id = 1; id <= 20_000; id++)
        {
            Join(people, id, "Ada");
        }

        Assert.Equal(20_000, people.ById.Select(person => person.Name).Distinct(StringComparer.OrdinalIgnoreCase).Count());
        Assert.Equal(["Ada 9", "Ada 10", "Ada 11"], people.ById.Skip(8).Take(3).Select(person => person.Name));
        people.Clear();
        Assert.Equal("Ada", Join(people, 1, "Ada"));
        Join(people, 2, "Ada 30");
        for (int id = 3; id < 30; id++)
        {
            Join(people, id, "Ada");
        }

        // The name that its id would make is somebody's.
        Assert.Equal("Ada 31", Join(people, 30, "Ada"));
        Assert.Equal("Ada 32", Join(people, 31, "Ada"));
    }

    [Fact]
    public void A_long_name_is_cut_for_its_number_and_not_through_a_character()
    {
        var people = new People();
        string name = new string('x', TalkLimits.Name - 3) + "🙂x";
        Join(people, 1, name);
        Assert.Equal(new string('x', TalkLimits.Name - 3) + " 2", Join(people, 2, name));
    }

    private static string Join(People people, int id, string name)
    {
        var person = new Person(id, people.FindFree(name, id), Person.Terminal);
        people.Add($"{id}", person);
        return person.Name;
    }
}
