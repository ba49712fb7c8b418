using System.Diagnostics.Metrics;

namespace Duologue.Redis;

/// <summary>The meter <c>Duologue.Redis</c>. Names and units as in docs/redis.md.</summary>
internal sealed class RedisMetrics
{
    public const string MeterName = "Duologue.Redis";

    private readonly Meter _meter;
    private readonly Counter<long> _interruptions;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _refusals;
    private readonly Counter<long> _letGo;
    private readonly Counter<long> _missed;
    private readonly Counter<long> _forwards;
    private readonly Counter<long> _marks;

    public RedisMetrics(IMeterFactory factory)
    {
        _meter = factory.Create(MeterName);
        _interruptions = _meter.CreateCounter<long>("duologue.redis.interruptions", "{interruption}", "How often the link to Redis was interrupted.");
        _retries = _meter.CreateCounter<long>("duologue.redis.publish.retries", "{publish}", "Publishes that were sent again because their outcome was not known.");
        _refusals = _meter.CreateCounter<long>("duologue.redis.publish.refusals", "{publish}", "Publishes that were refused because Redis was away, or too many waited for it, or the one that they were to come behind was refused.");
        _letGo = _meter.CreateCounter<long>("duologue.redis.notifications.dropped", "{message}", "Messages that were heard of faster than they were handed out; their topics are read from the log.");
        _missed = _meter.CreateCounter<long>("duologue.redis.notifications.missed", "{message}", "Messages that were let go of and whose topics are not remembered: subscribers by pattern only miss them.");
        _forwards = _meter.CreateCounter<long>("duologue.redis.forwards", "{request}", "Requests of other nodes' sessions, by what came of them: answered, node_gone, node_away, failed.");
        _marks = _meter.CreateCounter<long>("duologue.redis.forward.marks.refused", "{request}", "Requests that claim to be forwarded by a node, and were not believed.");
    }

    /// <summary>A request of another node's session was sent there, or could not be.</summary>
    public void Forwarded(string outcome) => _forwards.AddSteadily(1, new KeyValuePair<string, object?>("duologue.redis.forward.outcome", outcome));

    /// <summary>A request says that a node has forwarded it, and it is not so.</summary>
    public void MarkRefused() => _marks.AddSteadily(1);

    public void Observe(SessionForwarder forwarder) =>
        _meter.CreateObservableUpDownCounter("duologue.redis.forwards.active", () => forwarder.Active, "{request}", "Requests and WebSockets of other nodes' sessions that go through this one.");

    public void Interrupted() => _interruptions.AddSteadily(1);

    public void Retried() => _retries.AddSteadily(1);

    public void Refused() => _refusals.AddSteadily(1);

    public void LetGo(long messages) => _letGo.AddSteadily(messages);

    public void Missed(long messages) => _missed.AddSteadily(messages);

    /// <summary>Shows what a broker has. Once.</summary>
    public void Observe(RedisBroker broker)
    {
        _meter.CreateObservableGauge("duologue.redis.connected", () => broker.IsConnected ? 1 : 0, "{link}", "1 while the link to Redis stands, else 0.");
        _meter.CreateObservableGauge("duologue.redis.nodes", () => broker.Nodes.Count, "{node}", "Nodes that live and stay, as the registry has them, this one included.");
        _meter.CreateObservableGauge("duologue.redis.nodes.other_layout", () => broker.Strangers, "{node}", "Nodes that this one hears of, and shares no topics with: their version has another layout of keys.");
        _meter.CreateObservableGauge("duologue.redis.lag", () => broker.Lag.TotalSeconds, "s", "How long the last heartbeat took through Redis and back.");
        _meter.CreateObservableUpDownCounter("duologue.redis.publish.pending", () => broker.PendingPublishes, "{publish}", "Publishes that wait for Redis or its answer.");
    }
}
