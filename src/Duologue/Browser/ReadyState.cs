namespace Duologue.Browser;

/// <summary>The stages of a <see cref="WebSocket"/>. Source: WHATWG WebSockets §3.1.</summary>
public enum ReadyState
{
    /// <summary>The connection has not yet been established.</summary>
    Connecting = 0,

    /// <summary>The connection is established and communication is possible.</summary>
    Open = 1,

    /// <summary>The connection is going through the closing handshake, or <see cref="WebSocket.Close()"/> was called.</summary>
    Closing = 2,

    /// <summary>The connection has been closed or could not be opened.</summary>
    Closed = 3,
}
