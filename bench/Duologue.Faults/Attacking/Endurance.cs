using System.Collections.Concurrent;

namespace Duologue.Faults;

/// <summary>What the server's process holds while peers come, talk and go: how much each of them leaves behind.</summary>
internal sealed class Endurance(ServerHandle server, Plan plan)
{
    private const int Steps = 20;
    private const int AtOnce = 64;
    private const int Network = 200;

    // What comes before is warm-up: the heap finds its size, code is compiled for good.
    private const int WarmUp = Steps / 4;

    public async Task<EnduranceResult> RunAsync(Action<int> progress)
    {
        var points = new List<MemoryPoint> { new(0, await server.MeasureAsync()) };
        var kept = new ConcurrentBag<IDisposable>();
        int failed = 0;
        for (int step = 1; step <= Steps; step++)
        {
            int from = plan.Connects * (step - 1) / Steps;
            int to = plan.Connects * step / Steps;
            long active = (await server.CountAsync()).GetValueOrDefault("active");
            await Parallel.ForAsync(from, to, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (i, _) =>
            {
                try
                {
                    using RawPeer peer = await new Attacker(server, plan, Network, i, kept).OpenAsync(FaultServer.Victim);
                    await peer.SayAsync(RawPeer.Frame(0x82, new byte[1_000]));
                    await peer.SayAsync(RawPeer.Frame(0x88, [0x03, 0xE8]));
                    Attacker.Expect(1000, await peer.HearCloseAsync(), "close code");
                }
                catch (Exception e) when (e is UnexpectedException or IOException or System.Net.Sockets.SocketException or OperationCanceledException)
                {
                    Interlocked.Increment(ref failed);
                }
            });
            while ((await server.CountAsync()).GetValueOrDefault("active") > active)
            {
                await Task.Delay(20);
            }

            points.Add(new(to, await server.MeasureAsync()));
            progress(to);
        }

        MemoryPoint[] warm = [.. points.Skip(WarmUp)];
        return new EnduranceResult
        {
            Connects = plan.Connects,
            Failed = failed,
            Points = points,
            ManagedPerConnect = Slope(warm, point => point.Memory.Managed),
            ResidentPerConnect = Slope(warm, point => point.Memory.Resident),
        };
    }

    /// <summary>The least-squares line through the points, in bytes per connect.</summary>
    internal static double Slope(IReadOnlyCollection<MemoryPoint> points, Func<MemoryPoint, double> of)
    {
        double meanX = points.Average(point => point.Connects);
        double meanY = points.Average(of);
        return points.Sum(point => (point.Connects - meanX) * (of(point) - meanY)) / points.Sum(point => Math.Pow(point.Connects - meanX, 2));
    }
}
