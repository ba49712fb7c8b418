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

    /// <summary>What <c>Retry-After</c> says to those who were refused for a limit or a drain. Default 5 s; whole seconds, at least 0.</summary>
    public TimeSpan RetryAfter { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// When the server stops, the time over which the closing of its connections (1001) is spread, so that not all come back at
    /// once. Default 10 s; 0 to close all at once. Fewer than 100 connections per second of it take less. It is cut to fit
    /// <c>HostOptions.ShutdownTimeout</c> (default 30 s).
    /// </summary>
    public TimeSpan DrainWindow { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The most connections at a time that hold a compressor or decompressor of their own (<see cref="Compression.Dedicated"/>); 0 for none. Default 256,
    /// which is about 64 MiB. Passed: the connection is opened with <see cref="Compression.Shared"/> instead; that is logged.
    /// </summary>
    public int MaxDedicatedCompressors { get; set; } = 256;

    /// <summary>The most topics with subscribers at a time; 0 for no limit. Default 100,000. Passed: subscribing throws.</summary>
    public int MaxTopics { get; set; } = 100_000;

    /// <summary>The most topics that one connection may subscribe to; 0 for no limit. Default 1,000. Passed: subscribing throws.</summary>
    public int MaxTopicsPerConnection { get; set; } = 1_000;
}
