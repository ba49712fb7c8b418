using Duologue.Tests.Shared;

namespace Duologue.Backplane;

/// <summary>Something that happens to a cluster.</summary>
/// <param name="Name">On the command line.</param>
/// <param name="Title">In the table.</param>
/// <param name="StrikeAsync">Makes it happen, and ends it.</param>
internal sealed record FaultKind(string Name, string Title, Func<FaultyCluster, Task> StrikeAsync)
{
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(5);

    public static IReadOnlyList<FaultKind> All { get; } =
    [
        new("redis-kill", "Redis is killed (kill -9), and started again with its AOF after 2 s", async cluster =>
        {
            cluster.Redis.Kill();
            await Task.Delay(Short);
            cluster.Redis.Restart();
        }),
        new("redis-pause", "Redis is paused for 5 s", async cluster =>
        {
            cluster.Redis.Pause();
            await Task.Delay(Long);
            cluster.Redis.Continue();
        }),
        new("link-cut", "the link of one node to Redis is cut for 5 s", async cluster =>
        {
            cluster.Links[1].Break();
            await Task.Delay(Long);
            cluster.Links[1].Mend();
        }),
        new("node-kill", "a node is killed (kill -9), and started again after 2 s", async cluster =>
        {
            cluster.KillNode(1);
            await Task.Delay(Short);
            await Task.Run(() => cluster.StartNode(1));
        }),
        new("clients-cut", "all clients are cut", async cluster =>
        {
            cluster.Balancer.Break();
            await Task.Delay(TimeSpan.FromMilliseconds(100));
            cluster.Balancer.Mend();
        }),
    ];
}

/// <summary>Two nodes behind a balancer, each with a link of its own to Redis.</summary>
internal sealed class FaultyCluster : IAsyncDisposable
{
    private readonly Contender _contender;
    private readonly NodeProcess[] _nodes = new NodeProcess[LoadShape.Nodes];
    private readonly int[] _ports = new int[LoadShape.Nodes];

    public FaultyCluster(Contender contender)
    {
        _contender = contender;
        Redis = new RedisProcess(appendOnly: true, core: null);
        Links = [.. Enumerable.Range(0, LoadShape.Nodes).Select(_ => new Relay(Redis.Port))];
        for (int i = 0; i < _nodes.Length; i++)
        {
            _ports[i] = RedisProcess.FreePort();
            StartNode(i);
        }

        Balancer = new Relay(_ports);
    }

    public RedisProcess Redis { get; }

    public IReadOnlyList<Relay> Links { get; }

    public Relay Balancer { get; }

    public Uri Url => Balancer.Url;

    public void KillNode(int index) => _nodes[index].Kill();

    public void StartNode(int index) =>
        _nodes[index] = NodeProcess.Start(new NodeArguments(_contender.Engine, Links[index].Address, _ports[index], _contender.EventLoop), core: null);

    public async ValueTask DisposeAsync()
    {
        await Balancer.DisposeAsync();
        Array.ForEach(_nodes, node => node.Dispose());
        foreach (Relay link in Links)
        {
            await link.DisposeAsync();
        }

        Redis.Dispose();
    }
}
