namespace Duologue;

/// <summary>The transports that a client may use, together: <c>Transports.WebSocket | Transports.LongPolling</c>.</summary>
[Flags]
public enum Transports
{
    /// <summary>None; connecting needs at least one.</summary>
    None = 0,

    /// <inheritdoc cref="Transport.WebSocket"/>
    WebSocket = 1,

    /// <inheritdoc cref="Transport.LongPolling"/>
    LongPolling = 2,

    /// <inheritdoc cref="Transport.Polling"/>
    Polling = 4,
}
