namespace Duologue.Redis;

/// <summary>
/// Epochs for topics that may turn out to be new. Time first, so that one who looks at cursors sees order; then what makes those of two nodes, or of two lives of one, differ. Thread-safe.
/// </summary>
internal sealed class EpochSource(TimeProvider time)
{
    private const int RandomBits = 20;

    // Each append takes one, so that a millisecond has many: those behind its first go on from that, and never wait for the next.
    private const int Step = 1 << 8;

    // What is further ahead of this clock is no clock's.
    private const long MostAhead = 24L * 60 * 60 * 1000;

    private long _last;

    /// <summary>From here on those that it gives are greater than this one, also if another node's clock is ahead.</summary>
    public void Observe(long epoch)
    {
        long last;
        while (epoch > (last = Interlocked.Read(ref _last)) && epoch >> RandomBits < time.GetUtcNow().ToUnixTimeMilliseconds() + MostAhead)
        {
            Interlocked.CompareExchange(ref _last, epoch, last);
        }
    }

    /// <summary>Greater than all before it.</summary>
    public long Next()
    {
        while (true)
        {
            long last = Interlocked.Read(ref _last);
            long first = (time.GetUtcNow().ToUnixTimeMilliseconds() << RandomBits) | (uint)Random.Shared.Next(1 << RandomBits);
            long next = Math.Max(first, last + 1 + Random.Shared.Next(Step));
            if (Interlocked.CompareExchange(ref _last, next, last) == last)
            {
                return next;
            }
        }
    }
}
