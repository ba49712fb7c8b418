using System.Collections;
using System.Reflection;
using CsCheck;

namespace Duologue.AspNetCore.Tests.Pubsub;

public class PatternIndexTests
{
    private static readonly string[] Words = ["a", "b", "ab"];

    [Fact]
    public void What_is_found_is_what_each_pattern_says_whoever_comes_and_goes()
    {
        Gen<string> word = Gen.Int[0, Words.Length - 1].Select(i => Words[i]);
        Gen<string> segment = Gen.Frequency((3, word), (2, Gen.Const("*")));
        Gen<string> pattern = Gen.Select(segment.Array[0, 4], Gen.Int[0, 2], (segments, end) => string.Join('/', end == 0 || segments.Length == 0 ? [.. segments, "**"] : segments));
        Gen<string> name = word.Array[1, 5].Select(segments => string.Join('/', segments));

        // Of so few words most patterns come again, and then they go: the index grows and shrinks.
        Gen.Select(pattern.Array[0, 120], name.Array[1, 10]).Sample((changes, names) =>
        {
            var index = new PatternIndex();
            HashSet<string> all = [];
            foreach (string changed in changes)
            {
                if (all.Add(changed))
                {
                    index.Add(changed);
                }
                else
                {
                    all.Remove(changed);
                    index.Remove(changed);
                }

                CheckAll(index, all, names);
            }

            foreach (string left in all.Order(StringComparer.Ordinal).ToArray())
            {
                all.Remove(left);
                index.Remove(left);
                CheckAll(index, all, names);
            }
        });
    }

    [Fact]
    public void Patterns_of_the_most_segments_that_begin_alike()
    {
        string deep = string.Concat(Enumerable.Repeat("*/", 127));
        string name = string.Concat(Enumerable.Repeat("a/", 127)) + "7";
        var index = new PatternIndex();
        string[] all = [.. Enumerable.Range(0, 10).Select(i => deep + i), .. Enumerable.Range(1, 100).Select(i => deep[..(2 * i)] + "**")];
        foreach (string pattern in all)
        {
            index.Add(pattern);
        }

        CheckAll(index, all, [name]);
        foreach (string pattern in all[..9])
        {
            index.Remove(pattern);
        }

        CheckAll(index, all[9..], [name]);
    }

    [Fact]
    public void Nothing_is_kept_of_patterns_that_came_and_went()
    {
        var index = new PatternIndex();
        string[] stay = [.. Enumerable.Range(0, 20).Select(i => $"stays{i}/*")];
        Array.ForEach(stay, index.Add);
        string[] go = ["goes/**", "*/goes", "goes/*/there", "*/*", "**"];
        Array.ForEach(go, index.Add);
        Array.ForEach(go, index.Remove);

        Assert.Single(ShapesOf(index));
        CheckAll(index, stay, ["stays7/a", "goes/a"]);
    }

    [Fact]
    public void Of_many_patterns_the_one_is_found_and_where_there_is_none_nothing_is_allocated()
    {
        var index = new PatternIndex();
        for (int i = 0; i < 10_000; i++)
        {
            index.Add($"*/{i}/**");
        }

        Assert.Equal(["*/4711/**"], index.Find("a/4711/b")!);
        Assert.Null(index.Find("a/x/b"));

        long before = GC.GetAllocatedBytesForCurrentThread();
        index.Find("a/x/b");
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void A_name_of_more_segments_than_a_name_may_have_threw()
    {
        var index = new PatternIndex();
        index.Add("**");
        string longest = string.Join('/', Enumerable.Repeat("a", (TopicName.MaxLength + 1) / 2));
        Assert.Equal(["**"], index.Find(longest)!);
        Assert.Null(index.Find(longest + "/a"));
        Assert.Null(index.Find(longest + "/"));
    }

    private static ICollection ShapesOf(PatternIndex index) =>
        (ICollection)typeof(PatternIndex).GetField("_shapes", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(index)!;

    private static void CheckAll(PatternIndex index, IReadOnlyCollection<string> all, string[] names)
    {
        foreach (string name in names)
        {
            Assert.Equal(
                all.Where(pattern => TopicName.Matches(pattern, name)).Order(StringComparer.Ordinal),
                (index.Find(name) ?? []).Order(StringComparer.Ordinal));
        }
    }
}
