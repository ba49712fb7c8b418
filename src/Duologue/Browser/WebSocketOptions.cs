namespace Duologue.Browser;

/// <summary>
/// What a page gives a browser's WebSocket without saying: its address, its origin, its network settings, its console.
/// Immutable; vary with <c>with</c>.
/// </summary>
public sealed record WebSocketOptions
{
    /// <summary>
    /// The defaults of <see cref="ConnectOptions"/>, except that messages of up to 64 MiB are received, in any number of
    /// fragments: browsers know neither limit. And, as browsers do, <c>permessage-deflate; client_max_window_bits</c> is offered
    /// (<see cref="Compression.Dedicated"/> of 15 bits): if the server accepts it, the connection may hold some 300 KiB for it.
    /// </summary>
    public static ConnectOptions DefaultConnection { get; } = new()
    {
        MaxMessageSize = 64 * 1024 * 1024,
        MaxFragments = 0,
        Compression = Compression.Dedicated(15),
    };

    // After DefaultConnection, which it uses.
    internal static WebSocketOptions Default { get; } = new();

    /// <summary>The address against which relative URLs resolve: ws, wss, http or https. Default null: only absolute URLs are taken.</summary>
    public string? BaseUrl { get; init; }

    /// <summary>The subprotocols to ask for, the preferred one first. Default none.</summary>
    public IReadOnlyList<string> Protocols { get; init; } = [];

    /// <summary>
    /// Origin, headers, cookies, credentials, proxy, TLS, limits, timings and the clock of the connection. Default
    /// <see cref="DefaultConnection"/>; vary that with <c>with</c>. Its subprotocols must be empty: <see cref="Protocols"/> gives them.
    /// </summary>
    public ConnectOptions Connection { get; init; } = DefaultConnection;

    /// <summary>
    /// The bytes that texts and buffers given to Send may hold in memory until they have left; a Blob holds none. Default
    /// 256 MiB; at least 1. Passed: the connection fails, as the standard has it for a full buffer (WHATWG WebSockets §3.1).
    /// </summary>
    public long MaxSendMemory { get; init; } = 256 * 1024 * 1024;

    /// <summary>
    /// Takes what a listener throws, which stops neither the other listeners nor the connection. Default null: written
    /// to standard error, the console of a page. Called on any thread.
    /// </summary>
    public Action<Exception>? UnhandledListenerException { get; init; }

    /// <summary>
    /// Takes the reason for which a connection failed, just before <c>error</c> fires, which by the standard tells nothing:
    /// a browser shows it on its console. Default null. Called as listeners are.
    /// </summary>
    public Action<Exception>? ConnectionFailed { get; init; }

    /// <exception cref="ArgumentException">A value is wrong; the message names the option.</exception>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Protocols);
        ArgumentNullException.ThrowIfNull(Connection);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxSendMemory, 1);
        if (Connection.Subprotocols.Count > 0)
        {
            throw new ArgumentException("WebSocketOptions.Connection names subprotocols; name them in WebSocketOptions.Protocols instead.");
        }
    }
}
