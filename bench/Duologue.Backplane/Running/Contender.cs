namespace Duologue.Backplane;

/// <summary>Whom a run compares.</summary>
internal sealed record Contender(string Name, string Title, Engine Engine, bool EventLoop)
{
    public static Contender SignalR { get; } = new("signalr", "SignalR", Engine.SignalR, EventLoop: false);

    public static IReadOnlyList<Contender> All { get; } =
    [
        SignalR,
        new("duologue", "Duologue", Engine.Duologue, EventLoop: false),
        new("duologue-loop", "Duologue, event loop", Engine.Duologue, EventLoop: true),
    ];
}

/// <summary>Two nodes and the Redis that makes them one.</summary>
internal sealed class Cluster : IDisposable
{
    private readonly List<NodeProcess> _nodes = [];
    private readonly List<Listener> _listeners = [];

    /// <param name="nodeCore">The processor that the nodes share; null for any.</param>
    /// <param name="restCore">That of Redis.</param>
    public Cluster(Contender contender, BackplaneOptions options, int? nodeCore, int? restCore)
    {
        Contender = contender;
        Redis = new RedisProcess(options.AppendOnly, restCore);
        try
        {
            for (int i = 0; i < LoadShape.Nodes; i++)
            {
                _nodes.Add(NodeProcess.Start(new NodeArguments(contender.Engine, Redis.Address, Port: 0, contender.EventLoop), nodeCore));
            }

            // The channel is there now: whoever is a node hears of everything in it.
            _listeners.AddRange(Enumerable.Range(0, options.Listeners).Select(_ => new Listener(Redis.Port)));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Contender Contender { get; }

    public RedisProcess Redis { get; }

    public IReadOnlyList<NodeProcess> Nodes => _nodes;

    public void Dispose()
    {
        _listeners.ForEach(listener => listener.Dispose());
        _nodes.ForEach(node => node.Dispose());
        Redis.Dispose();
    }
}
