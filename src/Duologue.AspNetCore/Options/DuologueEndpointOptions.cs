namespace Duologue.AspNetCore;

/// <summary>
/// What one endpoint may set for its connections: limits, timings, origins, captured headers and subprotocols. An endpoint
/// starts with the values of <see cref="DuologueOptions"/>. Not thread-safe; read once, when the endpoint is mapped.
/// </summary>
public class DuologueEndpointOptions
{
    internal const string AnyOrigin = "*";

    private protected DuologueEndpointOptions()
    {
    }

    /// <summary>The largest message to receive whole, in bytes. Default 1 MiB; at least 1. Passed: close 1009.</summary>
    public int MaxMessageSize { get; set; } = 1024 * 1024;

    /// <summary>The most fragments of one message; 0 for no limit. Default 4,096. Passed: close 1008.</summary>
    public int MaxFragments { get; set; } = 4096;

    /// <summary>The bytes that may wait to be sent on one connection. Default 1 MiB; at least 1. Passed: see <see cref="SendQueuePolicy"/>.</summary>
    public int SendQueueLimit { get; set; } = 1024 * 1024;

    /// <summary>What happens when the send queue is full. Default <see cref="Duologue.SendQueuePolicy.Close"/>, with 1013.</summary>
    public SendQueuePolicy SendQueuePolicy { get; set; } = SendQueuePolicy.Close;

    /// <summary>How often the peer is pinged, which also measures <see cref="Connection.Latency"/>. Default 20 s; <see cref="Timeout.InfiniteTimeSpan"/> for never.</summary>
    public TimeSpan KeepAliveInterval { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// How long after such a ping some sign of life may take. Default 20 s; <see cref="Timeout.InfiniteTimeSpan"/> for ever.
    /// Passed: the connection ends with <see cref="CloseCause.KeepAliveTimeout"/>.
    /// </summary>
    public TimeSpan KeepAliveTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// How long the answer to an opening handshake may take to be handed to the server. Default 10 s;
    /// <see cref="Timeout.InfiniteTimeSpan"/> for ever. Passed: the connection is aborted. How long a client may take to send its
    /// request is Kestrel's <c>Limits.RequestHeadersTimeout</c>.
    /// </summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the peer may take to answer a Close frame. Default 5 s; <see cref="Timeout.InfiniteTimeSpan"/> for ever. Passed: the connection is aborted.</summary>
    public TimeSpan CloseTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long a peer may take nothing while something waits to be sent to it; of a large message, for each 64 KiB. Default 30 s;
    /// <see cref="Timeout.InfiniteTimeSpan"/> for ever. Passed: the connection is aborted, with <see cref="CloseCause.SendTimeout"/>. Keep-alive alone would let a peer that
    /// sends and does not read hold its queue for ever.
    /// </summary>
    public TimeSpan SendTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a message may take from its first byte to its last. Default 2 min; <see cref="Timeout.InfiniteTimeSpan"/> for ever.
    /// Passed: close 1008. The time in which the server does not read counts for nothing, and the limit does not apply to a message that is
    /// read piecewise.
    /// </summary>
    public TimeSpan MessageTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>The most control frames received in one second; 0 for no limit. Default 200. Passed: close 1008.</summary>
    public int MaxControlFramesPerSecond { get; set; } = 200;

    /// <summary>
    /// The most fragments with fewer than 64 bytes received in one second; 0 for no limit. Default 4,096. Passed: close 1008. A message in
    /// one frame has none, however short it is.
    /// </summary>
    public int MaxSmallFragmentsPerSecond { get; set; } = 4096;

    /// <summary>The most messages received in one second; 0, the default, for no limit. Passed: close 1008.</summary>
    public int MaxMessagesPerSecond { get; set; }

    /// <summary>
    /// How messages are compressed where the client offers it. Default <see cref="Duologue.Compression.Off"/>. In configuration: <c>off</c>,
    /// <c>shared</c>, <c>dedicated</c>, or with window bits <c>dedicated:12</c>. Source: RFC 7692.
    /// </summary>
    public Compression Compression { get; set; } = Compression.Off;

    /// <summary>
    /// Whether the endpoint takes sessions over Engine.IO v4, beside WebSockets: for clients that a WebSocket does not reach. Default true. Its
    /// heartbeat is <see cref="KeepAliveInterval"/> and <see cref="KeepAliveTimeout"/>, each at most a day.
    /// </summary>
    public bool Sessions { get; set; } = true;

    /// <summary>
    /// The most bytes that one polled request of a session, or one message of it on a WebSocket, may bring, and about the most that an answer holds. Default 1,000,000; at
    /// least 1. Passed: 413, and the session lives on; on a WebSocket, close 1009.
    /// </summary>
    public int MaxSessionPayload { get; set; } = 1_000_000;

    /// <summary>
    /// How long a session's client may take from opening a WebSocket to changing to it. Default 10 s; <see cref="Timeout.InfiniteTimeSpan"/> for ever. Passed: that WebSocket is
    /// closed, and the session goes on by polling.
    /// </summary>
    public TimeSpan SessionUpgradeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Where the endpoint's handler runs. Default <see cref="HandlerScheduling.Inline"/>: a handler that may block wants <see cref="HandlerScheduling.ThreadPool"/>.</summary>
    public HandlerScheduling HandlerScheduling { get; set; } = HandlerScheduling.Inline;

    /// <summary>
    /// Whether each call of a handler class (open, message, close) is an activity of its own, where somebody listens to the source
    /// <c>Duologue.AspNetCore</c>. Default false: a trace per message is much. A delegate receives by itself, and traces what it likes.
    /// </summary>
    public bool TraceMessages { get; set; }

    /// <summary>
    /// The origins whose pages may connect, beside the server's own: scheme, host and, if it is not the scheme's, port, as in
    /// <c>https://app.example.com</c>. Default none. <c>*</c> stands for all; see <see cref="AllowAnyOrigin"/>. Others get 403.
    /// </summary>
    public IList<string> AllowedOrigins { get; } = [];

    /// <summary>
    /// The names of the request headers to keep in <see cref="RequestInfo.Headers"/> for as long as the connection lives.
    /// Default none: each costs memory per connection.
    /// </summary>
    public IList<string> CapturedHeaders { get; } = [];

    /// <summary>
    /// The subprotocols that the endpoint's handler speaks, most preferred first. Default none. A client that offers none of them is
    /// accepted without one; a browser that had offered any then closes the connection, unless it is Firefox.
    /// </summary>
    public IList<string> Subprotocols { get; } = [];

    /// <summary>
    /// Lets the pages of every origin connect, with the cookies of their visitors. Only for endpoints that give nothing to a
    /// cookie. The same as <c>*</c> among <see cref="AllowedOrigins"/>.
    /// </summary>
    public void AllowAnyOrigin()
    {
        if (!AllowedOrigins.Contains(AnyOrigin))
        {
            AllowedOrigins.Add(AnyOrigin);
        }
    }

    private protected void CopyFrom(DuologueEndpointOptions other)
    {
        MaxMessageSize = other.MaxMessageSize;
        MaxFragments = other.MaxFragments;
        SendQueueLimit = other.SendQueueLimit;
        SendQueuePolicy = other.SendQueuePolicy;
        KeepAliveInterval = other.KeepAliveInterval;
        KeepAliveTimeout = other.KeepAliveTimeout;
        HandshakeTimeout = other.HandshakeTimeout;
        CloseTimeout = other.CloseTimeout;
        MaxControlFramesPerSecond = other.MaxControlFramesPerSecond;
        MaxMessagesPerSecond = other.MaxMessagesPerSecond;
        Compression = other.Compression;
        HandlerScheduling = other.HandlerScheduling;
        Sessions = other.Sessions;
        MaxSessionPayload = other.MaxSessionPayload;
        SessionUpgradeTimeout = other.SessionUpgradeTimeout;
        SendTimeout = other.SendTimeout;
        MessageTimeout = other.MessageTimeout;
        MaxSmallFragmentsPerSecond = other.MaxSmallFragmentsPerSecond;
        TraceMessages = other.TraceMessages;
        Copy(other.AllowedOrigins, AllowedOrigins);
        Copy(other.CapturedHeaders, CapturedHeaders);
        Copy(other.Subprotocols, Subprotocols);
    }

    /// <summary>What an endpoint's <c>WithOptions</c> works on.</summary>
    internal sealed class Copied : DuologueEndpointOptions
    {
        public Copied(DuologueEndpointOptions source) => CopyFrom(source);
    }

    private static void Copy(IList<string> from, IList<string> to)
    {
        foreach (string item in from)
        {
            to.Add(item);
        }
    }
}
