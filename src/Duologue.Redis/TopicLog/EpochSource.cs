namespace Duologue.Redis;

/// <summary>
/// Epochs for topics that may turn out to be new. Time first, so that one who looks at cursors sees order; then what makes those of two nodes, or of two lives of one, differ. Thread-safe.
/// </summary>
internal sealed class EpochSource(TimeProvider time)
{
    private const int RandomBits = 20;

    // Each append takes one, so that a millisecond has many: those behind its first go on from that, and never wait for the next.
    private const int Step = 1 << 8;

    private long _last;

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
