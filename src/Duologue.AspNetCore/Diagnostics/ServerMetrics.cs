using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore;

/// <summary>
/// The meter <c>Duologue.AspNetCore</c>. Names and units as in docs/operations.md. No instrument has an attribute per connection, user or
/// topic. An instrument that nobody listens to costs a branch.
/// </summary>
internal sealed class ServerMetrics
{
    public const string MeterName = "Duologue.AspNetCore";

    private static readonly InstrumentAdvice<long> Receivers = new()
    {
        HistogramBucketBoundaries = [0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000],
    };

    private readonly Meter _meter;
    private readonly Counter<long> _handshakeFailures;
    private readonly Counter<long> _upgrades;
    private readonly Counter<long> _compressorsShared;
    private readonly Counter<long> _drainAborted;
    private readonly Counter<long> _suppressedEvents;
    private readonly UpDownCounter<long> _subscriptions;
    private readonly Counter<long> _refusedSubscriptions;
    private readonly Histogram<double> _publishDuration;
    private readonly Histogram<long> _fanout;
    private readonly Counter<long> _refusedPublishes;
    private readonly Counter<long> _repeats;
    private readonly Counter<long> _recoveries;
    private readonly Counter<long> _expirations;
    private readonly Counter<long> _brokerFailures;
    private readonly Counter<long> _feedRequests;
    private readonly Counter<long> _feedRefusals;
    private readonly UpDownCounter<long> _heldRequests;

    public ServerMetrics(IMeterFactory factory, Connections connections)
    {
        _meter = factory.Create(MeterName);
        OfConnections = new ConnectionMetrics(_meter, "duologue.server");
        _handshakeFailures = _meter.CreateCounter<long>("duologue.server.handshake.failures", "{handshake}", "Requests that did not become a connection.");
        _upgrades = _meter.CreateCounter<long>("duologue.server.upgrades", "{upgrade}", "WebSockets that tried to take a session over from polling.");
        _compressorsShared = _meter.CreateCounter<long>("duologue.server.compression.shared_instead", "{connection}", "Connections that share compressors because MaxDedicatedCompressors was reached.");
        _drainAborted = _meter.CreateCounter<long>("duologue.server.drain.aborted", "{connection}", "Connections that did not close in time when the server stopped.");
        _suppressedEvents = _meter.CreateCounter<long>("duologue.server.log.suppressed", "{event}", "Log events that were not logged because there were too many of their kind.");
        _subscriptions = _meter.CreateUpDownCounter<long>("duologue.pubsub.subscriptions", "{subscription}", "Subscriptions of connections to topics.");
        _refusedSubscriptions = _meter.CreateCounter<long>("duologue.pubsub.subscription.refusals", "{subscription}", "Subscriptions that were refused because of a limit.");
        _publishDuration = _meter.CreateHistogram("duologue.pubsub.publish.duration", "s", "How long a publish took, until every subscriber's connection had it.", null, ConnectionMetrics.ShortSeconds);
        _fanout = _meter.CreateHistogram("duologue.pubsub.fanout", "{receiver}", "Connections that a publish was accepted for.", null, Receivers);
        _refusedPublishes = _meter.CreateCounter<long>("duologue.pubsub.publish.refusals", "{publish}", "Publishes over a WebSocket that were not done, or may not have been.");
        _repeats = _meter.CreateCounter<long>("duologue.pubsub.repeats", "{message}", "Publishes whose idempotency key this process's memory knew: nothing was appended.");
        _recoveries = _meter.CreateCounter<long>("duologue.pubsub.recoveries", "{recovery}", "Readers and subscribers that continued a topic after a position, or could not.");
        _expirations = _meter.CreateCounter<long>("duologue.pubsub.expirations", "{topic}", "Topics that were forgotten because nobody used them.");
        _brokerFailures = _meter.CreateCounter<long>("duologue.pubsub.broker.failures", "{failure}", "Calls of the broker that failed.");
        _feedRequests = _meter.CreateCounter<long>("duologue.pubsub.feed.requests", "{request}", "Requests that the feed took.");
        _feedRefusals = _meter.CreateCounter<long>("duologue.pubsub.feed.refusals", "{request}", "Requests that the feed refused.");
        _heldRequests = _meter.CreateUpDownCounter<long>("duologue.pubsub.feed.held", "{request}", "Requests that are held until there is news.");
        _meter.CreateObservableUpDownCounter("duologue.server.send_queue.bytes", () => connections.Open.Sum(connection => connection.BufferedAmount), "By", "Bytes that wait in the send queues of all connections.");
        connections.Metrics = this;
    }

    /// <summary>Those that a client has, too.</summary>
    public ConnectionMetrics OfConnections { get; }

    public void HandshakeFailed(RefusalReason reason)
    {
        if (_handshakeFailures.Enabled)
        {
            _handshakeFailures.AddSteadily(1, new KeyValuePair<string, object?>(TelemetryNames.HandshakeFailure, reason.Name()));
        }
    }

    public void Upgraded(UpgradeOutcome outcome)
    {
        if (_upgrades.Enabled)
        {
            _upgrades.AddSteadily(1, new KeyValuePair<string, object?>(TelemetryNames.UpgradeOutcome, outcome.Name()));
        }
    }

    public void CompressorsShared() => _compressorsShared.AddSteadily(1);

    public void DrainAborted(int count) => _drainAborted.AddSteadily(count);

    public void EventSuppressed(EventId eventId)
    {
        if (_suppressedEvents.Enabled)
        {
            _suppressedEvents.AddSteadily(1, new KeyValuePair<string, object?>(TelemetryNames.LogEvent, eventId.Name));
        }
    }

    public void Subscribed(int change) => _subscriptions.AddSteadily(change);

    /// <param name="limit">The attribute's value: the option in lower case with underscores.</param>
    public void SubscriptionRefused(string limit)
    {
        if (_refusedSubscriptions.Enabled)
        {
            _refusedSubscriptions.AddSteadily(1, new KeyValuePair<string, object?>(TelemetryNames.Limit, limit));
        }
    }

    public void Published(FanoutResult result, TimeSpan duration)
    {
        _publishDuration.RecordSteadily(duration.TotalSeconds);
        _fanout.RecordSteadily(result.Accepted);
    }

    /// <summary>A publish over a WebSocket was not done, or may not have been.</summary>
    /// <param name="reason">The attribute's value, of <see cref="PublishRefusal"/>.</param>
    public void PublishRefused(string reason)
    {
        if (_refusedPublishes.Enabled)
        {
            _refusedPublishes.AddSteadily(1, new KeyValuePair<string, object?>(TelemetryNames.PublishRefusal, reason));
        }
    }

    /// <summary>A publish was a repeat.</summary>
    public void Repeated() => _repeats.AddSteadily(1);

    /// <summary>Somebody continued a topic after a position.</summary>
    public void Recovered(bool isReset)
    {
        if (_recoveries.Enabled)
        {
            _recoveries.AddSteadily(1, new KeyValuePair<string, object?>(TelemetryNames.RecoveryOutcome, isReset ? "reset" : "continued"));
        }
    }

    public void TopicExpired() => _expirations.AddSteadily(1);

    public void BrokerFailed(string operation)
    {
        if (_brokerFailures.Enabled)
        {
            _brokerFailures.AddSteadily(1, new KeyValuePair<string, object?>(TelemetryNames.BrokerOperation, operation));
        }
    }

    public void FeedRequested(string way)
    {
        if (_feedRequests.Enabled)
        {
            _feedRequests.AddSteadily(1, new KeyValuePair<string, object?>(TelemetryNames.FeedWay, way));
        }
    }

    public void FeedRefused(FeedRefusalReason reason)
    {
        if (_feedRefusals.Enabled)
        {
            _feedRefusals.AddSteadily(1, new KeyValuePair<string, object?>(TelemetryNames.FeedRefusal, reason.Name()));
        }
    }

    public void Held(string way, int change)
    {
        if (_heldRequests.Enabled)
        {
            _heldRequests.AddSteadily(change, new KeyValuePair<string, object?>(TelemetryNames.FeedWay, way));
        }
    }

    /// <summary>Shows how many topics there are. Once.</summary>
    public void Observe(TopicHub topics)
    {
        _meter.CreateObservableUpDownCounter("duologue.pubsub.topics", () => topics.Count, "{topic}", "Topics with subscribers.");
        _meter.CreateObservableUpDownCounter("duologue.pubsub.stored_topics", () => topics.StoredTopics, "{topic}", "Topics in this process's memory.");
        _meter.CreateObservableUpDownCounter("duologue.pubsub.history.bytes", () => topics.HistoryBytes, "By", "Payload that the histories in this process's memory hold.");
        _meter.CreateObservableCounter("duologue.pubsub.history.cut", () => topics.HistoryCut, "{message}", "Messages that were let go of early because MaxTopicHistoryBytes was passed.");
    }
}
