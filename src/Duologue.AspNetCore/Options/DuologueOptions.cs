namespace Duologue.AspNetCore;

/// <summary>
/// The options of the whole server; those it inherits are the defaults of every endpoint. Bindable from configuration, validated
/// when the application starts. The defaults are safe on the open internet.
/// </summary>
public sealed class DuologueOptions : DuologueEndpointOptions
{
    /// <summary>The most connections at a time; 0, the default, for no limit. Passed: 503 with <c>Retry-After</c>.</summary>
    public int MaxConnections { get; set; }

    /// <summary>
    /// The most connections at a time from one address, or from one /64 network of IPv6; 0, the default, for no limit. Passed:
    /// 503 with <c>Retry-After</c>. Behind a proxy, configure forwarded headers, or all share the proxy's address.
    /// </summary>
    public int MaxConnectionsPerAddress { get; set; }

    /// <summary>
    /// The most opening handshakes accepted in one second, and at once after a second of rest; 0, the default, for no limit. Passed: 503
    /// with <c>Retry-After</c>. When a network comes back, all its honest clients come at once: set it to what the server can bear.
    /// </summary>
    public int MaxHandshakesPerSecond { get; set; }

    /// <summary>
    /// The most opening handshakes accepted in one second from one address, or from one /64 network of IPv6; 0, the default, for
    /// no limit. Passed: 429 with <c>Retry-After</c>. Behind a proxy, configure forwarded headers, or all share the proxy's address.
    /// </summary>
    public int MaxHandshakesPerSecondPerAddress { get; set; }

    /// <summary>
    /// The most sessions over Engine.IO at a time from one address, or from one /64 network of IPv6; 0 for no limit. Default 1,000: a session that nobody polls
    /// lives for a while. Passed: 503 with <c>Retry-After</c>. Behind a proxy, configure forwarded headers, or all share the proxy's address.
    /// </summary>
    public int MaxSessionsPerAddress { get; set; } = 1_000;

    /// <summary>
    /// What the ids of this server's sessions begin with, before the dot, so that a proxy can send each request to the server that has the session: 1 to 64 letters, digits,
    /// hyphens and underscores. Default null: a random name for each start.
    /// </summary>
    public string? NodeName { get; set; }

    /// <summary>What <c>Retry-After</c> says to those who were refused for a limit or a drain. Default 5 s; whole seconds, 0 to a day.</summary>
    public TimeSpan RetryAfter { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// When the server stops, the time over which the closing of its connections (1001) is spread, so that not all come back at
    /// once. Default 10 s; at most a day, 0 to close all at once. Fewer than 100 connections per second of it take less. It is cut to fit
    /// <c>HostOptions.ShutdownTimeout</c> (default 30 s).
    /// </summary>
    public TimeSpan DrainWindow { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The most connections at a time that hold a compressor or decompressor of their own (<see cref="Compression.Dedicated"/>); 0 for none. Default 256,
    /// which is about 64 MiB. Passed: the connection is opened with <see cref="Compression.Shared"/> instead; that is logged.
    /// </summary>
    public int MaxDedicatedCompressors { get; set; } = 256;

    /// <summary>
    /// The most topics at a time, whether they have subscribers or only a history; 0 for no limit. Default 100,000. Passed: subscribing and publishing to a new topic throw; by
    /// HTTP, 503 with <c>Retry-After</c>.
    /// </summary>
    public int MaxTopics { get; set; } = 100_000;

    /// <summary>The most topics and patterns that one connection may subscribe to; 0 for no limit. Default 1,000. Passed: subscribing throws.</summary>
    public int MaxTopicsPerConnection { get; set; } = 1_000;

    /// <summary>
    /// How long a topic lives that nobody publishes to, reads or subscribes to. Default 10 min; at least 1 s. Passed: it is forgotten with its history, which is counted, logged and told by
    /// <see cref="Topics.Expired"/>; whoever comes back to it is told so by a reset.
    /// </summary>
    public TimeSpan TopicIdleLifetime { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How much a topic keeps for those who come back, where no pattern of <see cref="TopicHistories"/> says otherwise.</summary>
    public TopicHistory TopicHistory { get; set; } = new();

    /// <summary>
    /// How much the topics keep that a pattern stands for, such as <c>news/*</c> or <c>chat/**</c>. Of several the one with the most literal characters decides. Default none.
    /// </summary>
    public IDictionary<string, TopicHistory> TopicHistories { get; } = new Dictionary<string, TopicHistory>(StringComparer.Ordinal);

    /// <summary>
    /// The payload that all histories in this process's memory hold together. Default 256 MiB; at least 0. Passed: a topic that is published to keeps nothing but its newest
    /// message until others have aged.
    /// </summary>
    public long MaxTopicHistoryBytes { get; set; } = 256L * 1024 * 1024;
}
