namespace Duologue.Cli.Compare;

/// <summary>Delays in buckets that are 2 % wide, from 10 µs to an hour; the largest is kept as it is. Thread-safe to record.</summary>
internal sealed class DelayHistogram
{
    private const double Least = 0.01;
    private const double Growth = 1.02;

    // log(3,600,000 ms / 0.01 ms) / log(1.02), and one below.
    private readonly long[] _buckets = new long[996];
    private long _maxTicks;

    public long Count => _buckets.Sum();

    public double MaxMilliseconds => TimeSpan.FromTicks(Interlocked.Read(ref _maxTicks)).TotalMilliseconds;

    public void Record(TimeSpan delay)
    {
        double steps = Math.Log(Math.Max(delay.TotalMilliseconds, Least) / Least) / Math.Log(Growth);
        Interlocked.Increment(ref _buckets[Math.Min((int)Math.Ceiling(steps), _buckets.Length - 1)]);
        long known = Interlocked.Read(ref _maxTicks);
        while (delay.Ticks > known)
        {
            long before = Interlocked.CompareExchange(ref _maxTicks, delay.Ticks, known);
            if (before == known)
            {
                break;
            }

            known = before;
        }
    }

    /// <summary>The delay that this share of all messages does not pass, in milliseconds; 0 if there are none.</summary>
    public double Percentile(double share)
    {
        long wanted = Math.Max(1, (long)Math.Ceiling(share * Count));
        long seen = 0;
        for (int i = 0; i < _buckets.Length; i++)
        {
            seen += _buckets[i];
            if (seen >= wanted)
            {
                return Math.Min(Least * Math.Pow(Growth, i), MaxMilliseconds);
            }
        }

        return 0;
    }
}
