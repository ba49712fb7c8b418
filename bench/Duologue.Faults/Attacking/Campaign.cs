using System.Collections.Concurrent;
using System.Diagnostics;
using HdrHistogram;

namespace Duologue.Faults;

/// <summary>Runs faults against a server while the crowd talks, and says what became of the peers, of the server's counts and of the crowd.</summary>
internal sealed class Campaign(ServerHandle server, Crowd crowd, Plan plan)
{
    private const double Percentile = 99;
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(20);

    private long _lost;

    /// <summary>The crowd alone.</summary>
    public async Task<Latency> BeQuietAsync()
    {
        // Code is compiled, caches are filled.
        await Task.Delay(plan.Quiet / 2);
        crowd.TakeLatencies();
        await Task.Delay(plan.Quiet);
        return await TakeLatencyAsync();
    }

    public async Task<FaultResult> RunAsync(Fault fault, int network, Action<int> progress)
    {
        var kept = new ConcurrentBag<IDisposable>();
        var expected = new ConcurrentDictionary<string, int>();
        var surprises = new ConcurrentDictionary<string, int>();
        Dictionary<string, long> before = await server.CountAsync();
        crowd.TakeLatencies();
        long start = Stopwatch.GetTimestamp();
        int survived = 0;
        int done = 0;
        await Parallel.ForAsync(0, fault.Tries, new ParallelOptions { MaxDegreeOfParallelism = fault.AtOnce }, async (i, _) =>
        {
            try
            {
                foreach (string counted in await fault.TryAsync(new Attacker(server, plan, network, i, kept)))
                {
                    expected.AddOrUpdate(counted, 1, (_, count) => count + 1);
                }

                Interlocked.Increment(ref survived);
            }
            catch (Exception e) when (e is UnexpectedException or IOException or System.Net.Sockets.SocketException or OperationCanceledException)
            {
                surprises.AddOrUpdate(e.Message, 1, (_, count) => count + 1);
            }

            progress(Interlocked.Increment(ref done));
        });
        Dictionary<string, long> counted = await WaitForCountsAsync(before, expected);
        foreach (IDisposable resource in kept)
        {
            resource.Dispose();
        }

        TimeSpan took = Stopwatch.GetElapsedTime(start);
        Latency latency = await TakeLatencyAsync();
        long lost = await crowd.CatchUpAsync(plan.Patience);
        (long lostBefore, _lost) = (_lost, lost);
        return new FaultResult
        {
            Name = fault.Name,
            Does = fault.Does,
            Gets = fault.Gets,
            Tries = fault.Tries,
            Survived = survived,
            Expected = new(expected.Select(pair => new KeyValuePair<string, long>(pair.Key, pair.Value))),
            Counted = counted,
            Surprises = new(surprises),
            Lost = lost - lostBefore,
            Latency = latency,
            Seconds = took.TotalSeconds,
        };
    }

    private async Task<Latency> TakeLatencyAsync()
    {
        // Of messages that are on their way the answer belongs to this time too.
        await crowd.CatchUpAsync(plan.Patience);
        HistogramBase latencies = crowd.TakeLatencies();
        if (latencies.TotalCount == 0)
        {
            // A few quick tries may be over before the crowd has said anything.
            return new Latency(0, 0, 0, 0);
        }

        return new Latency(
            latencies.TotalCount,
            TimeSpan.FromTicks(latencies.GetValueAtPercentile(50)).TotalMilliseconds,
            TimeSpan.FromTicks(latencies.GetValueAtPercentile(Percentile)).TotalMilliseconds,
            TimeSpan.FromTicks(latencies.GetValueAtPercentile(100)).TotalMilliseconds);
    }

    /// <summary>What the server has counted since, when it has counted what it should, or the patience is at its end.</summary>
    private async Task<Dictionary<string, long>> WaitForCountsAsync(Dictionary<string, long> before, ConcurrentDictionary<string, int> expected)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            Dictionary<string, long> now = await server.CountAsync();
            var counted = now
                .Select(pair => new KeyValuePair<string, long>(pair.Key, pair.Value - before.GetValueOrDefault(pair.Key)))
                .Where(pair => pair.Value != 0 && IsJudged(pair.Key, expected))
                .ToDictionary();
            bool isComplete = counted.Count == expected.Count && expected.All(pair => counted.GetValueOrDefault(pair.Key) == pair.Value);
            if (isComplete || Stopwatch.GetElapsedTime(start) > plan.Patience)
            {
                return counted;
            }

            await Task.Delay(Glance);
        }
    }

    // Every close and every refusal must be one that was meant; of TCP connections those that end well are of no interest.
    private static bool IsJudged(string key, ConcurrentDictionary<string, int> expected) =>
        expected.ContainsKey(key) || key.StartsWith("close:", StringComparison.Ordinal) || key.StartsWith("handshake:", StringComparison.Ordinal);
}
