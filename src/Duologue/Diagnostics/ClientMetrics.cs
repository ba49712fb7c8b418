using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Duologue.Client;

namespace Duologue;

/// <summary>
/// The meter <c>Duologue</c>: connecting, and the connections of clients. One per <see cref="IMeterFactory"/>, and one of the process for those who
/// have none.
/// </summary>
internal sealed class ClientMetrics
{
    public const string MeterName = "Duologue";

    private static readonly Lazy<ClientMetrics> Shared = new(() => new ClientMetrics(new Meter(MeterName)));

    // A factory remembers its meters; this remembers their instruments, for as long as there is a factory.
    private static readonly ConditionalWeakTable<IMeterFactory, ClientMetrics> ByFactory = [];

    private readonly Histogram<double> _connectDuration;
    private readonly Counter<long> _failures;
    private readonly Counter<long> _sendMemoryExceeded;
    private readonly Counter<long> _reconnects;
    private readonly Counter<long> _lost;
    private readonly Counter<long> _unread;
    private readonly Counter<long> _topicResets;
    private readonly Counter<long> _wayChanges;
    private readonly Counter<long> _repeats;

    private ClientMetrics(Meter meter)
    {
        Connections = new ConnectionMetrics(meter, "duologue.client");
        _connectDuration = meter.CreateHistogram("duologue.client.connect.duration", "s", "How long connecting took, from the call to the open connection or the failure.", null, ConnectionMetrics.ShortSeconds);
        _failures = meter.CreateCounter<long>("duologue.client.handshake.failures", "{handshake}", "Attempts to connect that came to nothing.");
        _sendMemoryExceeded = meter.CreateCounter<long>("duologue.client.send_memory.exceeded", "{connection}", "Connections of the browser's class that failed because MaxSendMemory was reached.");
        _reconnects = meter.CreateCounter<long>("duologue.client.reconnects", "{connection}", "Conversations that a client has come back for.");
        _lost = meter.CreateCounter<long>("duologue.client.messages.lost", "{message}", "Messages that a client that comes back did not send, or that may not have arrived.");
        _unread = meter.CreateCounter<long>("duologue.client.messages.unread", "{message}", "Messages that a client that comes back had received, and that nobody read.");
        _topicResets = meter.CreateCounter<long>("duologue.client.topic.resets", "{reset}", "Topics that could not be continued without a gap.");
        _wayChanges = meter.CreateCounter<long>("duologue.client.way.changes", "{change}", "Changes of the way by which topics are had.");
        _repeats = meter.CreateCounter<long>("duologue.client.publish.repeats", "{message}", "Publishes that were repeated with their key because no answer had come.");
    }

    public ConnectionMetrics Connections { get; }

    public static ClientMetrics For(ConnectOptions options) => options.MeterFactory is { } factory
        ? ByFactory.GetValue(factory, static factory => new ClientMetrics(factory.Create(MeterName)))
        : Shared.Value;

    public void Connected(Transport transport, TimeSpan duration)
    {
        if (_connectDuration.Enabled)
        {
            _connectDuration.RecordSteadily(duration.TotalSeconds, TelemetryNames.Of(transport));
        }
    }

    public void Failed(Transport transport, ConnectFailure failure, TimeSpan duration)
    {
        if (_connectDuration.Enabled)
        {
            _connectDuration.RecordSteadily(duration.TotalSeconds, TelemetryNames.Of(transport), new(TelemetryNames.ErrorType, TelemetryNames.Of(failure)));
        }

        Count(transport, failure);
    }

    /// <summary><see cref="Browser.WebSocketOptions.MaxSendMemory"/> was reached.</summary>
    public void SendMemoryExceeded() => _sendMemoryExceeded.AddSteadily(1, TelemetryNames.WebSocket);

    public void Reconnected() => _reconnects.AddSteadily(1);

    public void Lost(MessageFate fate, int count) => _lost.AddSteadily(count, new KeyValuePair<string, object?>(TelemetryNames.MessageFate, TelemetryNames.Of(fate)));

    public void Unread(int count) => _unread.AddSteadily(count);

    public void TopicReset() => _topicResets.AddSteadily(1);

    public void ChangedWay() => _wayChanges.AddSteadily(1);

    public void PublishesRepeated(int count) => _repeats.AddSteadily(count);

    /// <summary>For what fails before or after the exchange with the server, and took no time of its own.</summary>
    public void Failed(ConnectFailure failure) => Count(Transport.WebSocket, failure);

    private void Count(Transport transport, ConnectFailure failure)
    {
        if (_failures.Enabled)
        {
            _failures.AddSteadily(1, TelemetryNames.Of(transport), new(TelemetryNames.HandshakeFailure, TelemetryNames.Of(failure)));
        }
    }
}

/// <summary>Counts what happens on one connection of a client.</summary>
internal sealed class ClientObserver : ConnectionObserver
{
    private readonly ConnectionMetrics _metrics;
    private readonly TimeProvider _timeProvider;
    private readonly long _openedAt;
    private readonly Lock _lock = new();
    private Transport _transport;
    private bool _closed;

    /// <summary>From now on the connection counts as open.</summary>
    public ClientObserver(ConnectionMetrics metrics, TimeProvider timeProvider, Transport transport)
    {
        _transport = transport;
        _metrics = metrics;
        _timeProvider = timeProvider;
        _openedAt = timeProvider.GetTimestamp();
        metrics.Opened(transport);
    }

    /// <summary>See <see cref="OpenedWebSocket.WasMute"/>.</summary>
    public Action? WasMute { get; init; }

    /// <summary>A session goes on over another transport.</summary>
    public void Move(Transport transport)
    {
        lock (_lock)
        {
            if (!_closed)
            {
                _metrics.Moved(_transport, transport);
                _transport = transport;
            }
        }
    }

    public override void MessageReceived(WebSocketConnection connection, int bytes) => _metrics.MessageReceived(connection, bytes);

    public override void MessageSent(WebSocketConnection connection, int bytes) => _metrics.MessagesSent(connection, 1, bytes);

    public override void MessageCompressed(WebSocketConnection connection, long saved) => _metrics.MessageCompressed(saved);

    public override void MessageInflated(WebSocketConnection connection, long saved) => _metrics.MessageInflated(saved);

    public override void MessagesDropped(WebSocketConnection connection, DropReason reason, int count) => _metrics.Dropped(connection.Transport, reason, count);

    public override void ProtocolViolated(WebSocketConnection connection, ProtocolViolation violation) => _metrics.Violated(connection.Transport, violation);

    public override void HandlerFailed(WebSocketConnection connection, Exception exception) => _metrics.HandlerFailed(connection.Transport, exception);

    public override void ReadingPaused(WebSocketConnection connection) => _metrics.ReadingPaused(connection.Transport);

    public override void RoundTrip(WebSocketConnection connection, TimeSpan time) => _metrics.RoundTrip(connection.Transport, time);

    public override void Closed(WebSocketConnection connection, CloseInfo info)
    {
        Transport transport;
        lock (_lock)
        {
            _closed = true;
            transport = _transport;
        }

        TimeSpan lasted = _timeProvider.GetElapsedTime(_openedAt);
        _metrics.Closed(transport, info, lasted);

        // The first ping leaves behind the interval. Where frames get through to one side only, that side gives up and the other sees the line cut.
        TimeSpan interval = connection.Setup.Options.KeepAliveInterval;
        bool wasPinged = interval != Timeout.InfiniteTimeSpan && lasted > interval;
        if (wasPinged && connection.Latency is null && info.Cause is CloseCause.KeepAliveTimeout or CloseCause.ConnectionLost)
        {
            WasMute?.Invoke();
        }
    }
}
