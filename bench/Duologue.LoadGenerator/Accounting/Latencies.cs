using System.Diagnostics;
using HdrHistogram;

namespace Duologue.LoadGenerator;

/// <summary>Latencies in a histogram of high dynamic range: three digits from a nanosecond to a minute, at a fixed cost, no outlier lost.</summary>
internal sealed class Latencies
{
    private const long Longest = 60_000_000_000;

    private readonly LongHistogram _histogram = new(Longest, 3);

    public static long Now => Stopwatch.GetTimestamp();

    public long Count => _histogram.TotalCount;

    /// <param name="start">By <see cref="Now"/>.</param>
    public void Add(long start, long now) => _histogram.RecordValue(Math.Clamp((long)Stopwatch.GetElapsedTime(start, now).TotalNanoseconds, 1, Longest));

    public void Clear() => _histogram.Reset();

    /// <summary>In microseconds.</summary>
    public double Percentile(double percent) => Count == 0 ? 0 : _histogram.GetValueAtPercentile(percent) / 1000.0;

    public void AddTo(LoadResult result) => result
        .Add("p50_us", Percentile(50), 2)
        .Add("p90_us", Percentile(90), 2)
        .Add("p99_us", Percentile(99), 2)
        .Add("p999_us", Percentile(99.9), 2)
        .Add("max_us", Percentile(100), 1);
}
