using System.Globalization;
using Duologue.Tests.Shared;

namespace Duologue.Soak;

/// <summary>Makes faults happen to a cluster, by a seed. What it breaks it mends: at its end all is up again.</summary>
internal sealed class FaultPlay(Cluster cluster, SoakPlan plan, Action<string> tell)
{
    private static readonly TimeSpan SlowDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan SlowTime = TimeSpan.FromSeconds(5);

    private readonly Random _random = new(plan.Seed);
    private readonly SemaphoreSlim[] _nodes = [.. cluster.Nodes.Select(_ => new SemaphoreSlim(1))];
    private readonly SemaphoreSlim[] _links = [.. cluster.Links.Select(_ => new SemaphoreSlim(1))];
    private readonly SemaphoreSlim _redis = new(1);
    private readonly List<Task> _underWay = [];

    public Dictionary<FaultKinds, int> Counts { get; } = Enum.GetValues<FaultKinds>().Where(IsOne).ToDictionary(kind => kind, _ => 0);

    /// <summary>SIGTERMs that did not end with 0, and why.</summary>
    public List<string> BadEnds { get; } = [];

    /// <summary>Each kind once, in some order, then again in another; until it is told to stop.</summary>
    public async Task RunAsync(CancellationToken stop, CancellationToken cancellationToken)
    {
        FaultKinds[] kinds = [.. Counts.Keys.Where(kind => plan.Faults.HasFlag(kind))];
        while (!stop.IsCancellationRequested && kinds.Length > 0)
        {
            _random.Shuffle(kinds);
            foreach (FaultKinds kind in kinds)
            {
                await Task.Delay(plan.Pause * (0.5 + _random.NextDouble()), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (stop.IsCancellationRequested)
                {
                    break;
                }

                Counts[kind]++;

                // All that is random is drawn here, in one order: what happens may overlap with what has not been mended yet.
                _underWay.Add(Draw(kind, cancellationToken));
            }
        }

        await Task.WhenAll(_underWay);
    }

    private static bool IsOne(FaultKinds kind) => int.IsPow2((int)kind);

    private Task Draw(FaultKinds kind, CancellationToken cancellationToken)
    {
        int node = _random.Next(cluster.Nodes.Length);
        double share = _random.NextDouble();
        TimeSpan time = TimeSpan.FromSeconds(_random.NextDouble() * 3);
        return kind switch
        {
            FaultKinds.KillNode => KillNodeAsync(node, time, cancellationToken),
            FaultKinds.KillRedis => KillRedisAsync(time, cancellationToken),
            FaultKinds.PauseRedis => PauseRedisAsync(cancellationToken),
            FaultKinds.CutLink => CutLinkAsync(node, share < 0.5 ? TimeSpan.Zero : time, cancellationToken),
            FaultKinds.SlowLink => SlowLinkAsync(node, cancellationToken),
            FaultKinds.CutClients => CutClients(share),
            _ => RollAsync(node, cancellationToken),
        };
    }

    private async Task KillNodeAsync(int node, TimeSpan away, CancellationToken cancellationToken)
    {
        await _nodes[node].WaitAsync(cancellationToken);
        try
        {
            Tell($"kill -9 of node {cluster.Nodes[node].Name}, which is away for {away.TotalSeconds:0.0} s");
            await cluster.Nodes[node].KillAsync();
            await Task.Delay(away, cancellationToken);
            await cluster.Nodes[node].RestartAsync(cancellationToken);
        }
        finally
        {
            _nodes[node].Release();
        }
    }

    private async Task KillRedisAsync(TimeSpan away, CancellationToken cancellationToken)
    {
        await _redis.WaitAsync(cancellationToken);
        try
        {
            Tell($"kill -9 of Redis, which is away for {away.TotalSeconds:0.0} s");
            await cluster.Redis.KillAsync();
            await Task.Delay(away, cancellationToken);
            await cluster.Redis.RestartAsync(cancellationToken);
        }
        finally
        {
            _redis.Release();
        }
    }

    private async Task PauseRedisAsync(CancellationToken cancellationToken)
    {
        await _redis.WaitAsync(cancellationToken);
        try
        {
            Tell($"Redis stands still for 5 s");
            await cluster.Redis.PauseAsync();
            await Task.Delay(TimeSpan.FromSeconds(5), cancellationToken);
            await cluster.Redis.ResumeAsync();
        }
        finally
        {
            _redis.Release();
        }
    }

    private async Task CutLinkAsync(int node, TimeSpan away, CancellationToken cancellationToken)
    {
        Tell($"the link of node {cluster.Nodes[node].Name} to Redis is cut, for {away.TotalSeconds:0.0} s");
        Relay link = cluster.Links[node];
        link.Break();
        await Task.Delay(away, cancellationToken);
        link.Mend();
    }

    private async Task SlowLinkAsync(int node, CancellationToken cancellationToken)
    {
        Tell($"the link of node {cluster.Nodes[node].Name} to Redis takes {SlowDelay.TotalMilliseconds:0} ms more each way, for {SlowTime.TotalSeconds:0} s");
        await _links[node].WaitAsync(cancellationToken);
        try
        {
            cluster.Links[node].Delay = SlowDelay;
            await Task.Delay(SlowTime, cancellationToken);
        }
        finally
        {
            cluster.Links[node].Delay = TimeSpan.Zero;
            _links[node].Release();
        }
    }

    private Task CutClients(double share)
    {
        Tell($"{share * 100:0} % of the clients' connections are cut, of {cluster.Front.Open}");
        cluster.Front.Cut(id => (id * 0.6180339887) % 1 < share);
        return Task.CompletedTask;
    }

    private async Task RollAsync(int first, CancellationToken cancellationToken)
    {
        Tell($"all nodes are restarted by SIGTERM, one after the other");
        for (int i = 0; i < cluster.Nodes.Length; i++)
        {
            int node = (first + i) % cluster.Nodes.Length;
            await _nodes[node].WaitAsync(cancellationToken);
            try
            {
                int code = await cluster.Nodes[node].TerminateAsync(cancellationToken);
                if (code != 0)
                {
                    BadEnds.Add($"Node {cluster.Nodes[node].Name} ended with {code} on SIGTERM: {cluster.Nodes[node].Said}");
                }

                Tell($"node {cluster.Nodes[node].Name} took {cluster.Nodes[node].LastStop.TotalSeconds:0.0} s to stop");
                await cluster.Nodes[node].RestartAsync(cancellationToken);
            }
            finally
            {
                _nodes[node].Release();
            }
        }
    }

    private void Tell(FormattableString what) => tell(what.ToString(CultureInfo.InvariantCulture));
}
