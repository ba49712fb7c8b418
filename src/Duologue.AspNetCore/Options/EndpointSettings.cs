using System.Collections.Concurrent;

namespace Duologue.AspNetCore;

/// <summary>An endpoint's options as they are used: checked, immutable, in the form that the handshake needs.</summary>
internal sealed class EndpointSettings
{
    public EndpointSettings(DuologueEndpointOptions options, TimeProvider timeProvider)
    {
        Connection = new ConnectionOptions
        {
            MaxMessageSize = options.MaxMessageSize,
            MaxFragments = options.MaxFragments,
            SendQueueLimit = options.SendQueueLimit,
            SendQueuePolicy = options.SendQueuePolicy,
            KeepAliveInterval = options.KeepAliveInterval,
            KeepAliveTimeout = options.KeepAliveTimeout,
            CloseTimeout = options.CloseTimeout,
            MaxControlFramesPerSecond = options.MaxControlFramesPerSecond,
            MaxMessagesPerSecond = options.MaxMessagesPerSecond,
            Compression = options.Compression,
            SendTimeout = options.SendTimeout,
            MessageTimeout = options.MessageTimeout,
            MaxSmallFragmentsPerSecond = options.MaxSmallFragmentsPerSecond,
            TimeProvider = timeProvider,
        };
        Origins = new OriginPolicy(options.AllowedOrigins);
        CapturedHeaders = [.. options.CapturedHeaders.Distinct(StringComparer.OrdinalIgnoreCase)];
        Subprotocols = [.. options.Subprotocols];
        HandshakeTimeout = options.HandshakeTimeout;
        TraceMessages = options.TraceMessages;
        OnThreadPool = options.HandlerScheduling == HandlerScheduling.ThreadPool;
        Sessions = options.Sessions;
        MaxSessionPayload = options.MaxSessionPayload;
        SessionUpgradeTimeout = options.SessionUpgradeTimeout;
        PingInterval = AtMostADay(options.KeepAliveInterval);
        PingTimeout = AtMostADay(options.KeepAliveTimeout);
    }

    public ConnectionOptions Connection { get; }

    /// <summary>What connections of one handler and subprotocol have in common; "" is none.</summary>
    public ConcurrentDictionary<(HandlerChoice Handler, string Subprotocol), ConnectionSetup> Setups { get; } = new();

    public OriginPolicy Origins { get; }

    public string[] CapturedHeaders { get; }

    public string[] Subprotocols { get; }

    public TimeSpan HandshakeTimeout { get; }

    public bool TraceMessages { get; }

    public bool OnThreadPool { get; }

    public bool Sessions { get; }

    public int MaxSessionPayload { get; }

    public TimeSpan SessionUpgradeTimeout { get; }

    /// <summary>A session's heartbeat.</summary>
    public TimeSpan PingInterval { get; }

    /// <inheritdoc cref="PingInterval"/>
    public TimeSpan PingTimeout { get; }

    // The handshake names them in milliseconds, whose sum a browser's timer must take: it counts them in 31 bits.
    private static TimeSpan AtMostADay(TimeSpan time) =>
        time == Timeout.InfiniteTimeSpan || time > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : time;
}
