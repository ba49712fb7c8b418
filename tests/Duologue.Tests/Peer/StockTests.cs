using System.Collections.Concurrent;
using Duologue.Peer;

namespace Duologue.Tests.Peer;

public sealed class StockTests
{
    [Fact]
    public async Task Each_object_is_given_once_whoever_takes()
    {
        const int Takers = 4;
        const int Each = 5 * Stock<Thing>.Batch;
        var stock = new Stock<Thing>();
        var taken = new ConcurrentQueue<Thing>();
        await Task.WhenAll(Enumerable.Range(0, Takers).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < Each; i++)
            {
                taken.Enqueue(stock.Take());
            }
        })));

        Assert.Equal(Takers * Each, taken.Distinct(ReferenceEqualityComparer.Instance).Count());
    }

    [Fact]
    public void No_constructor_runs_before_the_callers() => Assert.Equal(0, new Stock<Thing>().Take().Number);

    [Fact]
    public void They_are_made_a_batch_at_a_time()
    {
        var stock = new Stock<Thing>();
        for (int i = 0; i < Stock<Thing>.Batch; i++)
        {
            stock.Take();
        }

        for (int batch = 0; batch < 3; batch++)
        {
            Assert.InRange(AllocatedByTaking(stock, 1), Stock<Thing>.Batch * IntPtr.Size, long.MaxValue);
            Assert.Equal(0, AllocatedByTaking(stock, Stock<Thing>.Batch - 1));
        }
    }

    private static long AllocatedByTaking(Stock<Thing> stock, int count)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < count; i++)
        {
            stock.Take();
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private sealed class Thing
    {
        public int Number { get; } = 7;
    }
}
