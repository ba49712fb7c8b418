namespace Duologue.Backplane;

/// <summary>
/// What a cluster costs, from what its parts cost. CPU in microseconds, memory in KiB, bandwidth in bytes. Docs/scale.md says where each default comes from.
/// </summary>
internal sealed record ScaleModel
{
    /// <summary>Node CPU of a publish, from its request to its answer.</summary>
    public double PublishCpu { get; init; } = 9.8;

    /// <summary>Node CPU of hearing of a publish, on every node.</summary>
    public double HearCpu { get; init; } = 20.9;

    /// <summary>Node CPU of a delivery.</summary>
    public double DeliveryCpu { get; init; } = 1.8;

    /// <summary>Node CPU of a client that comes: handshake and subscription.</summary>
    public double JoinCpu { get; init; } = 200;

    /// <summary>Redis CPU of a publish, hearing excluded.</summary>
    public double RedisCpu { get; init; } = 16.3;

    /// <summary>Redis CPU of telling one node of a publish. Assumed: `--listeners` of the run measures it.</summary>
    public double RedisTellCpu { get; init; } = 2;

    /// <summary>Memory of a connection at rest, in the process.</summary>
    public double Memory { get; init; } = 1.8;

    /// <summary>Bytes of a delivery, TCP and IP included.</summary>
    public double DeliveryBytes { get; init; } = 330;

    /// <summary>Bytes by which Redis tells a node of a publish.</summary>
    public double TellBytes { get; init; } = 300;

    /// <summary>Subscribers of a topic.</summary>
    public double Fanout { get; init; } = 50;

    /// <summary>Messages that each client gets, a second.</summary>
    public double Rate { get; init; } = 0.1;

    public double NodeCores { get; init; } = 8;

    /// <summary>GiB that may be connections'.</summary>
    public double NodeMemory { get; init; } = 16;

    /// <summary>Gbit/s.</summary>
    public double NodeBandwidth { get; init; } = 10;

    /// <summary>Connections that one node is to have at most, whatever it could carry: what dies with it comes back at once.</summary>
    public double NodeConnections { get; init; } = 250_000;

    /// <summary>How full a processor or a link is to be at most.</summary>
    public double Fill { get; init; } = 0.5;

    /// <summary>Predicts a publish on two nodes: the CPU of each.</summary>
    /// <param name="receivers">Of the topic, on each of two nodes.</param>
    public (double First, double Second) PublishOnTwoNodes(double receivers) =>
        (PublishCpu + HearCpu + (receivers * DeliveryCpu), HearCpu + (receivers * DeliveryCpu));

    /// <summary>The parts, from two runs with unlike numbers of receivers; each value in microseconds per publish on that node.</summary>
    public ScaleModel Fit(TwoNodeRun few, TwoNodeRun many)
    {
        double delivery = (many.Second - few.Second) / (many.Receivers - few.Receivers);
        double hear = Math.Max(0, few.Second - (few.Receivers * delivery));
        return this with { DeliveryCpu = delivery, HearCpu = hear, PublishCpu = few.First - few.Second };
    }

    /// <summary>How many nodes so many connections need, and why so many.</summary>
    public ScalePlan Plan(double connections)
    {
        double deliveries = connections * Rate;
        double publishes = deliveries / Fanout;
        double fillOfCores = NodeCores * Fill * 1e6;

        // Every node hears of every publish: what is left of a node's processors is for its clients.
        double ownCores = fillOfCores - (publishes * HearCpu);
        double byCpu = ownCores > 0 ? ((deliveries * DeliveryCpu) + (publishes * PublishCpu)) / ownCores : double.PositiveInfinity;
        double byMemory = connections * Memory / (NodeMemory * 1024 * 1024);
        double fillOfLink = NodeBandwidth * Fill / 8 * 1e9;
        double ownLink = fillOfLink - (publishes * TellBytes);
        double byBandwidth = ownLink > 0 ? deliveries * DeliveryBytes / ownLink : double.PositiveInfinity;
        double byConnections = connections / NodeConnections;
        (double need, string why) = new[] { (byCpu, "processors"), (byMemory, "memory"), (byBandwidth, "bandwidth"), (byConnections, "connections per node") }.MaxBy(one => one.Item1);
        double nodes = Math.Max(2, Math.Ceiling(need));
        double redisCores = publishes * (RedisCpu + (nodes * RedisTellCpu)) / 1e6;
        return new ScalePlan(connections, deliveries, publishes, nodes, why)
        {
            NodeLoad = ((deliveries * DeliveryCpu) + (publishes * PublishCpu)) / nodes / 1e6 / NodeCores,
            HearLoad = publishes * HearCpu / 1e6 / NodeCores,
            Memory = connections / nodes * Memory / 1024 / 1024,
            Sent = deliveries / nodes * DeliveryBytes * 8 / 1e9,
            RedisCores = redisCores,
            RedisSent = publishes * nodes * TellBytes * 8 / 1e9,
            Shards = Math.Max(1, Math.Ceiling(redisCores / Fill)),
            JoinSeconds = connections / nodes * JoinCpu / 1e6 / NodeCores,
        };
    }
}

/// <summary>CPU per publish of the two nodes of a run; the publishers are on the first.</summary>
/// <param name="Receivers">On each.</param>
internal readonly record struct TwoNodeRun(double Receivers, double First, double Second);

/// <summary>What so many connections need.</summary>
/// <param name="Why">What the number of nodes comes from.</param>
internal sealed record ScalePlan(double Connections, double Deliveries, double Publishes, double Nodes, string Why)
{
    /// <summary>The part of a node's processors that its own clients take.</summary>
    public double NodeLoad { get; init; }

    /// <summary>The part that hearing of all publishes takes.</summary>
    public double HearLoad { get; init; }

    /// <summary>GiB of connections on each node.</summary>
    public double Memory { get; init; }

    /// <summary>Gbit/s from each node.</summary>
    public double Sent { get; init; }

    public double RedisCores { get; init; }

    /// <summary>Gbit/s.</summary>
    public double RedisSent { get; init; }

    /// <summary>Servers of one core each: a Redis runs its scripts on one.</summary>
    public double Shards { get; init; }

    /// <summary>For how long all processors of a node are busy when all its clients come back.</summary>
    public double JoinSeconds { get; init; }
}
