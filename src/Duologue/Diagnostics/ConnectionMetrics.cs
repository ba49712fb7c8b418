using System.Diagnostics.Metrics;

namespace Duologue;

/// <summary>
/// The instruments of connections, which both roles have: a server's under <c>duologue.server.</c>, a client's under
/// <c>duologue.client.</c>. No attribute names a connection, a user or a topic. An instrument that nobody listens to costs a branch.
/// </summary>
internal sealed class ConnectionMetrics
{
    // The buckets of signalr.server.connection.duration: a conversation may take a moment or a day.
    private static readonly InstrumentAdvice<double> ConnectionSeconds = new()
    {
        HistogramBucketBoundaries = [0.01, 0.1, 1, 10, 60, 300, 1800, 3600, 14400, 86400],
    };

    private readonly UpDownCounter<long> _active;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _messagesReceived;
    private readonly Counter<long> _messagesSent;
    private readonly Counter<long> _bytesReceived;
    private readonly Counter<long> _bytesSent;
    private readonly Counter<long> _compressed;
    private readonly Counter<long> _inflated;
    private readonly UpDownCounter<long> _savedSending;
    private readonly UpDownCounter<long> _savedReceiving;
    private readonly Counter<long> _dropped;
    private readonly Counter<long> _violations;
    private readonly Counter<long> _handlerFailures;
    private readonly Counter<long> _pauses;
    private readonly Histogram<double> _pingRoundTrip;

    /// <param name="meter">Where the instruments belong.</param>
    /// <param name="prefix">What their names begin with, without the last dot.</param>
    public ConnectionMetrics(Meter meter, string prefix)
    {
        _active = meter.CreateUpDownCounter<long>($"{prefix}.active_connections", "{connection}", "Open connections.");
        _duration = meter.CreateHistogram($"{prefix}.connection.duration", "s", "How long connections were open.", null, ConnectionSeconds);
        _messagesReceived = meter.CreateCounter<long>($"{prefix}.messages.received", "{message}", "Messages received whole.");
        _messagesSent = meter.CreateCounter<long>($"{prefix}.messages.sent", "{message}", "Messages given to the carrier.");
        _bytesReceived = meter.CreateCounter<long>($"{prefix}.bytes.received", "By", "Payload of the messages received.");
        _bytesSent = meter.CreateCounter<long>($"{prefix}.bytes.sent", "By", "Payload of the messages sent.");
        _inflated = meter.CreateCounter<long>($"{prefix}.compression.messages.received", "{message}", "Messages that came compressed.");
        _compressed = meter.CreateCounter<long>($"{prefix}.compression.messages.sent", "{message}", "Messages that were compressed for sending.");
        _savedReceiving = meter.CreateUpDownCounter<long>($"{prefix}.compression.saved.received", "By", "Payload of the messages that came compressed, less what came for it.");
        _savedSending = meter.CreateUpDownCounter<long>($"{prefix}.compression.saved.sent", "By", "Payload of the messages that were compressed, less what was sent for it.");
        _dropped = meter.CreateCounter<long>($"{prefix}.messages.dropped", "{message}", "Messages that were not sent, or not given to the application.");
        _violations = meter.CreateCounter<long>($"{prefix}.protocol.violations", "{violation}", "Rules of the protocol, and limits on what is received, that peers broke.");
        _handlerFailures = meter.CreateCounter<long>($"{prefix}.handler.failures", "{failure}", "Exceptions that the application's handlers threw.");
        _pauses = meter.CreateCounter<long>($"{prefix}.receive.pauses", "{pause}", "How often reading stopped because the application was behind.");
        _pingRoundTrip = meter.CreateHistogram($"{prefix}.ping.rtt", "s", "Round trips of pings.", null, ShortSeconds);
    }

    /// <summary>The buckets of what takes from a tenth of a millisecond to some seconds.</summary>
    public static InstrumentAdvice<double> ShortSeconds { get; } = new()
    {
        HistogramBucketBoundaries = [0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    };

    public void Opened(Transport transport) => _active.AddSteadily(1, TelemetryNames.Of(transport));

    /// <summary>A session changed its transport.</summary>
    public void Moved(Transport from, Transport to)
    {
        _active.AddSteadily(-1, TelemetryNames.Of(from));
        _active.AddSteadily(1, TelemetryNames.Of(to));
    }

    public void Closed(Transport transport, CloseInfo info, TimeSpan duration)
    {
        _active.AddSteadily(-1, TelemetryNames.Of(transport));
        if (_duration.Enabled)
        {
            _duration.RecordSteadily(duration.TotalSeconds, TelemetryNames.Of(transport), new(TelemetryNames.CloseCause, TelemetryNames.Of(info.Cause)));
        }
    }

    public void MessageReceived(WebSocketConnection connection, int bytes)
    {
        if (_messagesReceived.Enabled)
        {
            _messagesReceived.AddSteadily(1, TelemetryNames.Of(connection.Transport));
        }

        if (_bytesReceived.Enabled)
        {
            _bytesReceived.AddSteadily(bytes, TelemetryNames.Of(connection.Transport));
        }
    }

    public void MessagesSent(WebSocketConnection connection, int count, int bytes)
    {
        if (_messagesSent.Enabled)
        {
            _messagesSent.AddSteadily(count, TelemetryNames.Of(connection.Transport));
        }

        if (_bytesSent.Enabled)
        {
            _bytesSent.AddSteadily((long)count * bytes, TelemetryNames.Of(connection.Transport));
        }
    }

    /// <param name="saved">Bytes; negative where a message grew.</param>
    public void MessageInflated(long saved)
    {
        if (_inflated.Enabled)
        {
            _inflated.AddSteadily(1, TelemetryNames.WebSocket);
        }

        if (_savedReceiving.Enabled)
        {
            _savedReceiving.AddSteadily(saved, TelemetryNames.WebSocket);
        }
    }

    /// <param name="saved">Bytes; negative where a message grew.</param>
    public void MessageCompressed(long saved)
    {
        if (_compressed.Enabled)
        {
            _compressed.AddSteadily(1, TelemetryNames.WebSocket);
        }

        if (_savedSending.Enabled)
        {
            _savedSending.AddSteadily(saved, TelemetryNames.WebSocket);
        }
    }

    public void Dropped(Transport transport, DropReason reason, int count)
    {
        if (_dropped.Enabled)
        {
            _dropped.AddSteadily(count, TelemetryNames.Of(transport), new(TelemetryNames.DropReason, TelemetryNames.Of(reason)));
        }
    }

    public void Violated(Transport transport, ProtocolViolation violation)
    {
        if (_violations.Enabled)
        {
            _violations.AddSteadily(1, TelemetryNames.Of(transport), new(TelemetryNames.Violation, TelemetryNames.Of(violation)));
        }
    }

    public void HandlerFailed(Transport transport, Exception exception)
    {
        if (_handlerFailures.Enabled)
        {
            _handlerFailures.AddSteadily(1, TelemetryNames.Of(transport), new(TelemetryNames.ErrorType, exception.GetType().FullName));
        }
    }

    public void ReadingPaused(Transport transport)
    {
        if (_pauses.Enabled)
        {
            _pauses.AddSteadily(1, TelemetryNames.Of(transport));
        }
    }

    public void RoundTrip(Transport transport, TimeSpan time)
    {
        if (_pingRoundTrip.Enabled)
        {
            _pingRoundTrip.RecordSteadily(time.TotalSeconds, TelemetryNames.Of(transport));
        }
    }
}
