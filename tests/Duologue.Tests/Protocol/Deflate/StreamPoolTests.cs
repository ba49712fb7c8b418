using Duologue.Protocol.Deflate;

namespace Duologue.Tests.Protocol.Deflate;

public sealed class StreamPoolTests
{
    private int _made;

    [Fact]
    public void What_is_given_back_is_borrowed_again()
    {
        using StreamPool<Inflater> pool = Create(2);
        Inflater first = pool.Rent()!;
        pool.Return(first);
        Assert.Same(first, pool.Rent());
        Assert.Equal(1, _made);
        first.Dispose();
    }

    [Fact]
    public void An_empty_pool_makes_more_and_a_full_one_frees_what_is_too_much()
    {
        using StreamPool<Inflater> pool = Create(2);
        Inflater[] all = [pool.Rent()!, pool.Rent()!, pool.Rent()!];
        Assert.Equal(3, _made);
        Array.ForEach(all, pool.Return);
        Assert.Equal(2, pool.Count);
        Assert.Single(all, one => one.IsClosed);
    }

    [Fact]
    public void What_nobody_borrowed_between_two_trims_is_freed()
    {
        using StreamPool<Inflater> pool = Create(2);
        Inflater inflater = pool.Rent()!;
        pool.Return(inflater);
        pool.Trim();
        Assert.Equal(1, pool.Count);
        pool.Trim();
        Assert.Equal(0, pool.Count);
        Assert.True(inflater.IsClosed);
    }

    [Fact]
    public async Task No_two_borrowers_have_the_same_one()
    {
        using StreamPool<Inflater> pool = Create(4);
        var held = new System.Collections.Concurrent.ConcurrentDictionary<Inflater, bool>();
        await Parallel.ForEachAsync(Enumerable.Range(0, 16), TestContext.Current.CancellationToken, (_, _) =>
        {
            for (int i = 0; i < 2000; i++)
            {
                Inflater mine = pool.Rent()!;
                Assert.True(held.TryAdd(mine, true), "Somebody else has it.");
                Assert.False(mine.IsClosed);
                Assert.True(held.TryRemove(mine, out bool _));
                pool.Return(mine);
            }

            return default;
        });
        Assert.InRange(pool.Count, 1, 4);
    }

    private StreamPool<Inflater> Create(int size) => new(size, () =>
    {
        Interlocked.Increment(ref _made);
        return Inflater.TryCreate(9);
    });
}
