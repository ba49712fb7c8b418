using System.Diagnostics.Metrics;

namespace Duologue.AspNetCore;

/// <summary>
/// The meter <c>Duologue.AspNetCore</c>. Names and units as in docs/server.md. No instrument has an attribute per connection, user or
/// topic. An instrument that nobody listens to costs a branch.
/// </summary>
internal sealed class ServerMetrics
{
    public const string MeterName = "Duologue.AspNetCore";

    // The buckets of signalr.server.connection.duration: a conversation may take a moment or a day.
    private static readonly InstrumentAdvice<double> ConnectionSeconds = new()
    {
        HistogramBucketBoundaries = [0.01, 0.1, 1, 10, 60, 300, 1800, 3600, 14400, 86400],
    };

    private static readonly InstrumentAdvice<double> ShortSeconds = new()
    {
        HistogramBucketBoundaries = [0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    };

    private static readonly InstrumentAdvice<long> Receivers = new()
    {
        HistogramBucketBoundaries = [0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000],
    };

    private static readonly KeyValuePair<string, object?> WebSocket = new("duologue.transport", "websocket");

    private readonly UpDownCounter<long> _activeConnections;
    private readonly Histogram<double> _connectionDuration;
    private readonly Counter<long> _handshakeFailures;
    private readonly Counter<long> _messagesReceived;
    private readonly Counter<long> _messagesSent;
    private readonly Counter<long> _bytesReceived;
    private readonly Counter<long> _bytesSent;
    private readonly Counter<long> _dropped;
    private readonly Histogram<double> _pingRoundTrip;
    private readonly UpDownCounter<long> _subscriptions;
    private readonly Histogram<double> _publishDuration;
    private readonly Histogram<long> _fanout;

    public ServerMetrics(IMeterFactory factory, Connections connections)
    {
        Meter meter = factory.Create(MeterName);
        _activeConnections = meter.CreateUpDownCounter<long>("duologue.server.active_connections", "{connection}", "Open connections.");
        _connectionDuration = meter.CreateHistogram("duologue.server.connection.duration", "s", "How long connections were open.", null, ConnectionSeconds);
        _handshakeFailures = meter.CreateCounter<long>("duologue.server.handshake.failures", "{handshake}", "Requests that did not become a connection.");
        _messagesReceived = meter.CreateCounter<long>("duologue.server.messages.received", "{message}", "Messages received whole.");
        _messagesSent = meter.CreateCounter<long>("duologue.server.messages.sent", "{message}", "Messages given to the carrier.");
        _bytesReceived = meter.CreateCounter<long>("duologue.server.bytes.received", "By", "Payload of the messages received.");
        _bytesSent = meter.CreateCounter<long>("duologue.server.bytes.sent", "By", "Payload of the messages sent.");
        _dropped = meter.CreateCounter<long>("duologue.server.messages.dropped", "{message}", "Messages that were not sent, or not given to the application.");
        _pingRoundTrip = meter.CreateHistogram("duologue.server.ping.rtt", "s", "Round trips of pings.", null, ShortSeconds);
        _subscriptions = meter.CreateUpDownCounter<long>("duologue.pubsub.subscriptions", "{subscription}", "Subscriptions of connections to topics.");
        _publishDuration = meter.CreateHistogram("duologue.pubsub.publish.duration", "s", "How long a publish took, until every subscriber's connection had it.", null, ShortSeconds);
        _fanout = meter.CreateHistogram("duologue.pubsub.fanout", "{receiver}", "Connections that a publish was accepted for.", null, Receivers);
        meter.CreateObservableUpDownCounter("duologue.server.send_queue.bytes", () => connections.Open.Sum(connection => connection.BufferedAmount), "By", "Bytes that wait in the send queues of all connections.");
    }

    public void Opened() => _activeConnections.Add(1, WebSocket);

    public void Closed(CloseInfo info, TimeSpan duration)
    {
        _activeConnections.Add(-1, WebSocket);
        if (_connectionDuration.Enabled)
        {
            _connectionDuration.Record(duration.TotalSeconds, WebSocket, new("duologue.close.cause", NameOf(info.Cause)));
        }
    }

    public void HandshakeFailed(RefusalReason reason)
    {
        if (_handshakeFailures.Enabled)
        {
            _handshakeFailures.Add(1, new KeyValuePair<string, object?>("duologue.handshake.failure", reason.Name()));
        }
    }

    public void MessageReceived(int bytes)
    {
        if (_messagesReceived.Enabled)
        {
            _messagesReceived.Add(1, WebSocket);
        }

        if (_bytesReceived.Enabled)
        {
            _bytesReceived.Add(bytes, WebSocket);
        }
    }

    public void MessageSent(int bytes)
    {
        if (_messagesSent.Enabled)
        {
            _messagesSent.Add(1, WebSocket);
        }

        if (_bytesSent.Enabled)
        {
            _bytesSent.Add(bytes, WebSocket);
        }
    }

    public void Dropped(DropReason reason, int count)
    {
        if (_dropped.Enabled)
        {
            _dropped.Add(count, WebSocket, new KeyValuePair<string, object?>("duologue.drop.reason", NameOf(reason)));
        }
    }

    public void RoundTrip(TimeSpan time)
    {
        if (_pingRoundTrip.Enabled)
        {
            _pingRoundTrip.Record(time.TotalSeconds, WebSocket);
        }
    }

    public void Subscribed(int change) => _subscriptions.Add(change);

    public void Published(FanoutResult result, TimeSpan duration)
    {
        _publishDuration.Record(duration.TotalSeconds);
        _fanout.Record(result.Accepted);
    }

    internal static string NameOf(CloseCause cause) => cause switch
    {
        CloseCause.PeerClosed => "peer_closed",
        CloseCause.LocalClose => "local_close",
        CloseCause.Aborted => "aborted",
        CloseCause.ConnectionLost => "connection_lost",
        CloseCause.ProtocolViolation => "protocol_violation",
        CloseCause.MessageTooBig => "message_too_big",
        CloseCause.LimitExceeded => "limit_exceeded",
        CloseCause.SendQueueFull => "send_queue_full",
        CloseCause.KeepAliveTimeout => "keep_alive_timeout",
        CloseCause.CloseTimeout => "close_timeout",
        CloseCause.HandlerFailed => "handler_failed",
        CloseCause.ServerDraining => "server_draining",
        CloseCause.SendTimeout => "send_timeout",
        _ => "other",
    };

    internal static string NameOf(DropReason reason) => reason switch
    {
        DropReason.Closed => "closed",
        DropReason.QueueFull => "queue_full",
        DropReason.Oldest => "oldest",
        DropReason.Newest => "newest",
        DropReason.Unsent => "unsent",
        DropReason.Unreceived => "unreceived",
        _ => "other",
    };
}
