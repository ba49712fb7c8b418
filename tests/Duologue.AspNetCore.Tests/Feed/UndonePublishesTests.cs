using Duologue.Tests.Shared;

namespace Duologue.AspNetCore.Tests.Feed;

public class UndonePublishesTests
{
    [Fact]
    public async Task The_last_of_many_are_remembered_and_no_more()
    {
        await using MemoryPair pair = MemoryPair.Create(new ConnectionOptions());
        for (int i = 0; i < UndonePublishes.Most + 10; i++)
        {
            UndonePublishes.Add(pair.Server, $"{i}");
        }

        Assert.False(UndonePublishes.Has(pair.Server, "9"));
        Assert.All(Enumerable.Range(10, UndonePublishes.Most), i => Assert.True(UndonePublishes.Has(pair.Server, $"{i}")));
    }

    [Fact]
    public async Task A_repeat_that_was_refused_again_is_remembered_once_and_as_the_last()
    {
        await using MemoryPair pair = MemoryPair.Create(new ConnectionOptions());
        UndonePublishes.Add(pair.Server, "c");
        UndonePublishes.Add(pair.Server, "c");
        UndonePublishes.Remove(pair.Server, "c");
        Assert.False(UndonePublishes.Has(pair.Server, "c"));

        UndonePublishes.Add(pair.Server, "a");
        UndonePublishes.Add(pair.Server, "b");
        UndonePublishes.Add(pair.Server, "a");
        for (int i = 0; i < UndonePublishes.Most - 1; i++)
        {
            UndonePublishes.Add(pair.Server, $"{i}");
        }

        Assert.True(UndonePublishes.Has(pair.Server, "a"));
        Assert.False(UndonePublishes.Has(pair.Server, "b"));
    }
}
