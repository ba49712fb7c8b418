using Duologue.Comparison;

namespace Duologue.Backplane;

/// <summary>
/// What a cluster costs, from what its parts cost. CPU in microseconds, memory in KiB, bandwidth in bytes. Docs/scale.md says where each default comes from.
/// </summary>
internal sealed record ScaleModel
{
    /// <summary>Node CPU of a publish that travels alone, from its request to its answer.</summary>
    public double PublishCpu { get; init; } = 51;

    /// <summary>Node CPU of hearing of a publish that travels alone, on every node.</summary>
    public double HearCpu { get; init; } = 39.5;

    /// <summary>The same of publishes that travel together, under a full load.</summary>
    public double PublishTogetherCpu { get; init; }

    /// <summary>And of hearing of such publishes.</summary>
    public double HearTogetherCpu { get; init; } = 1.8;

    /// <summary>Node CPU of a delivery, whatever it leaves with.</summary>
    public double DeliveryCpu { get; init; } = 0.13;

    /// <summary>Node CPU of a TCP segment with deliveries.</summary>
    public double SegmentCpu { get; init; } = 3;

    /// <summary>Processors that a node takes as long as it is busy at all, however much it does.</summary>
    public double BusyCores { get; init; } = 0.15;

    /// <summary>The same of a node that is published on, beside the other.</summary>
    public double PublishingCores { get; init; } = 0.12;

    /// <summary>Node CPU of a client that comes: handshake and subscription.</summary>
    public double JoinCpu { get; init; } = 300;

    /// <summary>Redis CPU of a publish that travels alone, telling excluded.</summary>
    public double RedisCpu { get; init; } = 37;

    /// <summary>Redis CPU of telling one node of a publish.</summary>
    public double RedisTellCpu { get; init; } = 4.6;

    /// <summary>Memory of a connection at rest, in the process.</summary>
    public double Memory { get; init; } = 1.8;

    /// <summary>Bytes of a delivery, TCP and IP included.</summary>
    public double DeliveryBytes { get; init; } = 330;

    /// <summary>Bytes by which Redis tells a node of a publish.</summary>
    public double TellBytes { get; init; } = 255;

    /// <summary>Subscribers of a topic.</summary>
    public double Fanout { get; init; } = 50;

    /// <summary>Messages that each client gets, a second.</summary>
    public double Rate { get; init; } = 0.1;

    /// <summary>Milliseconds: the option of that name.</summary>
    public double GatherTime { get; init; } = 10;

    public double NodeCores { get; init; } = 8;

    /// <summary>GiB that may be connections'.</summary>
    public double NodeMemory { get; init; } = 16;

    /// <summary>Gbit/s.</summary>
    public double NodeBandwidth { get; init; } = 10;

    /// <summary>Connections that one node is to have at most, whatever it could carry: what dies with it comes back at once.</summary>
    public double NodeConnections { get; init; } = 250_000;

    /// <summary>How full a processor or a link is to be at most.</summary>
    public double Fill { get; init; } = 0.5;

    /// <summary>Predicts how many TCP segments a delivery takes on a node: one, unless messages of a topic leave together.</summary>
    /// <param name="topics">Of which messages come.</param>
    /// <param name="rate">Publishes that the node hears of, a second, spread over the topics.</param>
    /// <param name="receivers">Of each topic, on the node.</param>
    /// <param name="cores">The node's processors.</param>
    /// <param name="depth">The most messages of a topic that may be on their way at a time.</param>
    public double SegmentsPerDelivery(double topics, double rate, double receivers, double cores, double depth)
    {
        // FanoutPace: a delivery holds the next hand-out back by 20 µs, shared by the processors, so that the waits last where there are more.
        if (rate * receivers * 20e-6 < cores || GatherTime < 1)
        {
            return 1;
        }

        // Inbox: 64 messages at most leave at a time. A timer of whole milliseconds ends up to one late.
        double together = Math.Min(rate * (GatherTime + 1) / 1000, 64) / topics;
        return 1 / Math.Max(1, Math.Min(together, depth));
    }

    /// <summary>Predicts a publish on two nodes: the CPU of each.</summary>
    public (double First, double Second) PublishOnTwoNodes(TwoNodeRun run) => (Predict(run, isFirst: true), Predict(run, isFirst: false));

    /// <summary>The parts that come nearest to these runs under a full load; each node of each counts for the same.</summary>
    public ScaleModel Fit(IReadOnlyList<TwoNodeRun> runs)
    {
        // No part is less than nothing, though one that is near to it may come out so.
        double[] parts = LeastSquares.Solve([.. runs.SelectMany(run => new[] { Of(run, isFirst: true, run.First), Of(run, isFirst: false, run.Second) })])
            ?? throw new RunException("The runs are too much alike to tell the parts of a cost from each other.");
        parts = [.. parts.Select(part => Math.Max(0, part))];
        return this with { PublishTogetherCpu = parts[0], HearTogetherCpu = parts[1], DeliveryCpu = parts[2], SegmentCpu = parts[3], BusyCores = parts[4], PublishingCores = parts[5] };

        double[] Of(TwoNodeRun run, bool isFirst, double measured) => [.. Terms(run, isFirst).Select(term => term / measured)];
    }

    /// <summary>What a publish costs that travels alone: what this run at a fixed rate costs more.</summary>
    public ScaleModel FitAlone(TwoNodeRun run)
    {
        (double first, double second) = (this with { PublishTogetherCpu = 0, HearTogetherCpu = 0 }).PublishOnTwoNodes(run);
        return this with { HearCpu = run.Second - second, PublishCpu = run.First - first - (run.Second - second) };
    }

    /// <summary>How many nodes so many connections need, and why so many.</summary>
    public ScalePlan Plan(double connections)
    {
        double deliveries = connections * Rate;
        double publishes = deliveries / Fanout;
        double fillOfCores = ((NodeCores * Fill) - BusyCores - PublishingCores) * 1e6;

        // Every node hears of every publish: what is left of a node's processors is for its clients.
        double ownCores = fillOfCores - (publishes * HearCpu);
        double byCpu = ownCores > 0 ? ((deliveries * (DeliveryCpu + SegmentCpu)) + (publishes * PublishCpu)) / ownCores : double.PositiveInfinity;
        double byMemory = connections * Memory / (NodeMemory * 1024 * 1024);
        double fillOfLink = NodeBandwidth * Fill / 8 * 1e9;
        double ownLink = fillOfLink - (publishes * TellBytes);
        double byBandwidth = ownLink > 0 ? deliveries * DeliveryBytes / ownLink : double.PositiveInfinity;
        double byConnections = connections / NodeConnections;
        (double need, string why) = new[] { (byCpu, "processors"), (byMemory, "memory"), (byBandwidth, "bandwidth"), (byConnections, "connections per node") }.MaxBy(one => one.Item1);
        double nodes = Math.Max(2, Math.Ceiling(need));
        double segments = SegmentsPerDelivery(connections / Fanout, publishes, Fanout / nodes, NodeCores, depth: double.PositiveInfinity);
        double redisCores = publishes * (RedisCpu + (nodes * RedisTellCpu)) / 1e6;
        return new ScalePlan(connections, deliveries, publishes, nodes, why)
        {
            NodeLoad = ((((deliveries * (DeliveryCpu + (segments * SegmentCpu))) + (publishes * PublishCpu)) / nodes / 1e6) + BusyCores + PublishingCores) / NodeCores,
            HearLoad = publishes * HearCpu / 1e6 / NodeCores,
            Memory = connections / nodes * Memory / 1024 / 1024,
            Sent = deliveries / nodes * DeliveryBytes * 8 / 1e9,
            RedisCores = redisCores,
            RedisSent = publishes * nodes * TellBytes * 8 / 1e9,
            Shards = Math.Max(1, Math.Ceiling(redisCores / Fill)),
            JoinSeconds = connections / nodes * JoinCpu / 1e6 / NodeCores,
        };
    }

    // What each of the parts of Fit is multiplied by, in its order.
    private static double[] Terms(TwoNodeRun run, bool isFirst)
    {
        double time = 1e6 / run.Rate; // microseconds to a publish
        return [isFirst ? 1 : 0, 1, run.Receivers, run.Receivers * run.Segments, time, isFirst ? time : 0];
    }

    private double Predict(TwoNodeRun run, bool isFirst) =>
        Terms(run, isFirst).Zip([PublishTogetherCpu, HearTogetherCpu, DeliveryCpu, SegmentCpu, BusyCores, PublishingCores], (term, part) => term * part).Sum();
}

/// <summary>A run on two nodes, of which the first has the publishers.</summary>
/// <param name="Receivers">Of a topic, on each node.</param>
/// <param name="Rate">Publishes a second.</param>
/// <param name="Segments">TCP segments of a delivery.</param>
/// <param name="First">CPU of the first node per publish, in microseconds.</param>
/// <param name="Second">Of the second.</param>
internal readonly record struct TwoNodeRun(double Receivers, double Rate, double Segments, double First, double Second);

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
