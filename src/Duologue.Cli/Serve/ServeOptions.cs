using System.CommandLine;
using Duologue.AspNetCore;
using Duologue.Cli.Terminal;
using StackExchange.Redis;

namespace Duologue.Cli.Serve;

/// <summary>The options of <c>serve</c>: every limit and policy of the server, with the server's own defaults.</summary>
internal sealed class ServeOptions
{
    /// <summary>What the talk takes for a file unless told otherwise: a picture from a phone goes through.</summary>
    public static readonly ByteSize TalkMessageSize = new(8 * 1024 * 1024);

    /// <summary>How long such a file may be under way.</summary>
    public static readonly Duration TalkMessageTimeout = new(TimeSpan.FromMinutes(15));

    private static readonly DuologueOptions Defaults = new();

    public Option<string[]> Urls { get; } = CliOption.Create<string[]>("--urls", "URL", "Addresses to listen on, separated by ; or repeated. Default http://localhost:8080, with --tls https://localhost:8080. Use http://0.0.0.0:8080 to be reached from other machines, port 0 for a free one.");

    public Option<bool> Tls { get; } = CliOption.Switch("--tls", "Serve https and wss with a development certificate: the one of `dotnet dev-certs` if there is one, otherwise one made for this run.");

    public Option<string[]> Echo { get; } = CliOption.Create<string[]>("--echo", "PATH", "Map the echo to this path too, besides /echo. Repeatable.");

    public Option<ByteSize?> MaxMessageSize { get; } = CliOption.Size("--max-message-size", $"The largest message to receive, in bytes or with a unit (64KiB, 64MiB). Passed: close 1009. Default {new ByteSize(Defaults.MaxMessageSize)}; {TalkMessageSize} for the talk, whose files are messages.");

    public Option<int> MaxFragments { get; } = CliOption.Count("--max-fragments", "The most fragments of one message; 0 for no limit. Passed: close 1008.", Defaults.MaxFragments);

    public Option<ByteSize?> SendQueueLimit { get; } = CliOption.Size("--send-queue-limit", $"The bytes that may wait to be sent to one peer. Passed: --send-queue-policy. Default {new ByteSize(Defaults.SendQueueLimit)}; for the talk at least four of its largest messages.");

    public Option<SendQueuePolicy> SendQueuePolicy { get; } = CliOption.Choice("--send-queue-policy", "What happens when the send queue is full; at /topics always Close (1013).", Defaults.SendQueuePolicy);

    public Option<Compression> Compression { get; } = CliOption.Compression("--compression", "How messages are compressed for clients that offer it: shared holds no memory between messages, dedicated shrinks alike messages more and holds a compressor and a decompressor per connection.");

    public Option<ByteSize?> Threshold { get; } = CliOption.Size("--threshold", $"The smallest message to compress, in bytes. Default {Duologue.Compression.Shared.Threshold}; 0 for all.", 0);

    public Option<Duration> PingInterval { get; } = CliOption.Time("--ping-interval", "How often a peer is pinged; none for never. Also the pingInterval of sessions.", Defaults.KeepAliveInterval);

    public Option<Duration> PingTimeout { get; } = CliOption.Time("--ping-timeout", "How long after a ping some sign of life may take; none for any time. Passed: the connection ends.", Defaults.KeepAliveTimeout);

    public Option<Duration> HandshakeTimeout { get; } = CliOption.Time("--handshake-timeout", "How long a client may take for its opening request; none for any time.", Defaults.HandshakeTimeout);

    public Option<Duration> CloseTimeout { get; } = CliOption.Time("--close-timeout", "How long a peer may take to answer a Close; none for any time. Passed: the connection is aborted.", Defaults.CloseTimeout);

    public Option<Duration> SendTimeout { get; } = CliOption.Time("--send-timeout", "How long a peer may take nothing of what waits for it; none for any time. Passed: the connection is aborted.", Defaults.SendTimeout);

    public Option<Duration?> MessageTimeout { get; } = CliOption.OptionalTime("--message-timeout", $"How long a message may take to arrive; none for any time. Passed: close 1008. Default {new Duration(Defaults.MessageTimeout)}; {TalkMessageTimeout} for the talk, whose files are messages.", null);

    public Option<int> MaxControlFrames { get; } = CliOption.Count("--max-control-frames", "The most control frames per second and connection; 0 for no limit. Passed: close 1008.", Defaults.MaxControlFramesPerSecond);

    public Option<int> MaxSmallFragments { get; } = CliOption.Count("--max-small-fragments", "The most fragments of fewer than 64 bytes per second and connection; 0 for no limit. Passed: close 1008.", Defaults.MaxSmallFragmentsPerSecond);

    public Option<int> MaxMessages { get; } = CliOption.Count("--max-messages", "The most messages per second and connection; 0 for no limit. Passed: close 1008.", Defaults.MaxMessagesPerSecond);

    public Option<int> MaxConnections { get; } = CliOption.Count("--max-connections", "The most connections of the server; 0 for no limit. Passed: 503 with Retry-After.", Defaults.MaxConnections);

    public Option<int> MaxConnectionsPerAddress { get; } = CliOption.Count("--max-connections-per-address", "The most connections from one address; 0 for no limit. Passed: 503 with Retry-After.", Defaults.MaxConnectionsPerAddress);

    public Option<int> MaxSessionsPerAddress { get; } = CliOption.Count("--max-sessions-per-address", "The most sessions over Engine.IO from one address; 0 for no limit. Passed: 503 with Retry-After.", Defaults.MaxSessionsPerAddress);

    public Option<ConfigurationOptions?> Redis { get; } = RedisChoice.Create();

    public Option<string?> Node { get; } = CliOption.NodeName("--node", "This server's name among the nodes, with which the ids of its sessions begin, so that a proxy can send their requests here: 1 to 64 letters, digits, - and _. Default a random name.");

    public Option<NodeAddressChoice?> NodeAddress { get; } = NodeAddressChoice.Create();

    public Option<int> MaxHandshakes { get; } = CliOption.Count("--max-handshakes", "The most handshakes accepted per second; 0 for no limit. Passed: 503 with Retry-After.", Defaults.MaxHandshakesPerSecond);

    public Option<int> MaxHandshakesPerAddress { get; } = CliOption.Count("--max-handshakes-per-address", "The most handshakes per second accepted from one address; 0 for no limit. Passed: 429 with Retry-After.", Defaults.MaxHandshakesPerSecondPerAddress);

    public Option<Duration> RetryAfter { get; } = CliOption.FiniteTime("--retry-after", "What a refused client is told to wait, in whole seconds, rounded up; 0s to 24h.", Defaults.RetryAfter);

    public Option<int> MaxTopics { get; } = CliOption.Count("--max-topics", "The most topics, with subscribers or a history; 0 for no limit. Passed: 503 with Retry-After, on a socket a refusal.", Defaults.MaxTopics);

    public Option<int> MaxTopicsPerConnection { get; } = CliOption.Count("--max-topics-per-connection", "The most topics and patterns of one connection; 0 for no limit. Passed: the topic is refused.", Defaults.MaxTopicsPerConnection);

    public Option<Duration> DrainWindow { get; } = CliOption.FiniteTime("--drain-window", "The time over which connections are closed (1001) when the server stops; 0s for all at once. Stopping takes 30s at most: a longer window is cut.", TimeSpan.FromSeconds(1));

    public Option<string[]> AllowOrigin { get; } = CliOption.Create<string[]>("--allow-origin", "ORIGIN", "A web origin besides the page's own whose pages may connect, such as https://app.example.com; * for all. Repeatable. /echo takes all in any case.");

    public Option<string> EventLoop { get; } = EventLoopChoice.Create();

    public Option<int> Loops { get; } = CliOption.Count("--loops", "How many event loops there are, each with a thread, at most 1024; 0 for one per core.", 0, 0, 1024);

    public Option<MetricsAccess> Metrics { get; } = CliOption.Choice("--metrics", "Who may read /metrics, in Prometheus' text format: programs on this machine (not through a proxy), all, or nobody.", MetricsAccess.Local);

    public Option<LogLevel> LogLevel { get; } = CliOption.Choice("--log-level", "How much of the server's log goes to standard error.", Microsoft.Extensions.Logging.LogLevel.Warning);

    public Option<bool> Json { get; } = CliOption.Switch("--json", "One JSON object per line on standard output; the log as JSON too.");

    public IEnumerable<Option> All =>
    [
        Urls, Tls, Echo, AllowOrigin, MaxMessageSize, MaxFragments, SendQueueLimit, SendQueuePolicy, Compression, Threshold, PingInterval, PingTimeout, HandshakeTimeout,
        CloseTimeout, SendTimeout, MessageTimeout, MaxControlFrames, MaxSmallFragments, MaxMessages, MaxConnections, MaxConnectionsPerAddress,
        MaxSessionsPerAddress, Redis, Node, NodeAddress,
        MaxHandshakes, MaxHandshakesPerAddress, RetryAfter, MaxTopics, MaxTopicsPerConnection,
        DrainWindow, Metrics, EventLoop, Loops, LogLevel, Json,
    ];

    /// <summary>Sets the server's options from the command line.</summary>
    public void Apply(ParseResult command, DuologueOptions options)
    {
        options.MaxMessageSize = command.GetValue(MaxMessageSize)?.Bytes ?? options.MaxMessageSize;
        options.MaxFragments = command.GetValue(MaxFragments);
        options.SendQueueLimit = command.GetValue(SendQueueLimit)?.Bytes ?? options.SendQueueLimit;
        options.SendQueuePolicy = command.GetValue(SendQueuePolicy);
        Compression compression = command.GetRequiredValue(Compression);
        options.Compression = command.GetValue(Threshold) is { } threshold ? compression with { Threshold = threshold.Bytes } : compression;
        options.KeepAliveInterval = command.GetValue(PingInterval).Value;
        options.KeepAliveTimeout = command.GetValue(PingTimeout).Value;
        options.HandshakeTimeout = command.GetValue(HandshakeTimeout).Value;
        options.CloseTimeout = command.GetValue(CloseTimeout).Value;
        options.MaxControlFramesPerSecond = command.GetValue(MaxControlFrames);
        options.MaxMessagesPerSecond = command.GetValue(MaxMessages);
        options.SendTimeout = command.GetValue(SendTimeout).Value;
        options.MessageTimeout = command.GetValue(MessageTimeout)?.Value ?? options.MessageTimeout;
        options.MaxSmallFragmentsPerSecond = command.GetValue(MaxSmallFragments);
        options.MaxHandshakesPerSecond = command.GetValue(MaxHandshakes);
        options.MaxHandshakesPerSecondPerAddress = command.GetValue(MaxHandshakesPerAddress);
        options.MaxConnections = command.GetValue(MaxConnections);
        options.MaxConnectionsPerAddress = command.GetValue(MaxConnectionsPerAddress);
        options.MaxSessionsPerAddress = command.GetValue(MaxSessionsPerAddress);
        options.NodeName = command.GetValue(Node);
        options.RetryAfter = command.GetValue(RetryAfter).Value;
        options.MaxTopics = command.GetValue(MaxTopics);
        options.MaxTopicsPerConnection = command.GetValue(MaxTopicsPerConnection);
        options.DrainWindow = command.GetValue(DrainWindow).Value;
        foreach (string origin in command.GetValue(AllowOrigin) ?? [])
        {
            options.AllowedOrigins.Add(origin);
        }
    }

    /// <summary>Puts the server on event loops, unless the command line says off.</summary>
    public void ApplyEventLoop(ParseResult command, IWebHostBuilder host) => EventLoopChoice.Apply(command.GetValue(EventLoop)!, command.GetValue(Loops), host);

    /// <summary>How long a message of the talk may be under way.</summary>
    public TimeSpan GetTalkMessageTimeout(ParseResult command) => (command.GetValue(MessageTimeout) ?? TalkMessageTimeout).Value;

    /// <summary>The largest message of the talk.</summary>
    public int GetTalkMessageSize(ParseResult command) => (command.GetValue(MaxMessageSize) ?? TalkMessageSize).Bytes;
}
