namespace Duologue.AspNetCore;

/// <summary>What the server keeps with a connection: <see cref="WebSocketConnection.Owner"/>.</summary>
/// <remarks>An idle connection keeps this object: what all connections of an endpoint have in common is in a <see cref="ConnectionOrigin"/>.</remarks>
internal partial class ConnectionState(string? userId, long openedAt)
{
    private const byte Opening = 0;
    private const byte Opened = 1;
    private const byte Closed = 2;

    private byte _phase;
    private byte _transport;

    /// <summary>The name under which the registry finds the connection's user; null if nobody is signed in.</summary>
    public string? UserId { get; } = userId;

    /// <summary>A timestamp of the server's clock.</summary>
    public long OpenedAt { get; } = openedAt;

    /// <summary>Whether the handshake was answered before the connection ended, so that it counts as one; false if it has ended first.</summary>
    public bool TryOpen(Transport transport)
    {
        _transport = (byte)transport;
        return Interlocked.CompareExchange(ref _phase, Opened, Opening) == Opening;
    }

    /// <summary>As what the connection counts.</summary>
    public Transport CountedAs => (Transport)_transport;

    /// <summary>The connection counts as something else from now on; false if it does already, or counts no more.</summary>
    public bool TryMove(Transport now, out Transport before)
    {
        before = CountedAs;
        if (before == now || Volatile.Read(ref _phase) != Opened)
        {
            return false;
        }

        _transport = (byte)now;
        return true;
    }

    /// <summary>The connection has ended; whether it counts as one.</summary>
    public bool Close() => Interlocked.Exchange(ref _phase, Closed) == Opened;

    /// <summary>The state of a connection that a server opened.</summary>
    /// <exception cref="InvalidOperationException">It is a client's connection.</exception>
    public static ConnectionState Of(Connection connection, out WebSocketConnection webSocket)
    {
        webSocket = connection as WebSocketConnection
            ?? throw new InvalidOperationException($"A {connection.GetType().Name} has no topics.");
        return webSocket.Owner as ConnectionState
            ?? throw new InvalidOperationException("The connection was opened by this process as a client; only a server's connections subscribe to the server's topics.");
    }
}

/// <summary>The state of a connection whose endpoint traces its messages.</summary>
internal sealed class TracedConnectionState(string? userId, long openedAt) : ConnectionState(userId, openedAt)
{
    /// <summary>The baggage of the opening request's trace.</summary>
    public required KeyValuePair<string, string?>[] Baggage { get; init; }
}

/// <summary>Where a server's connections come to, one for all of an endpoint: <see cref="ConnectionSetup.Origin"/>.</summary>
/// <param name="Server">The server that opened them.</param>
/// <param name="Endpoint">The endpoint's pattern.</param>
internal sealed record ConnectionOrigin(DuologueServer Server, string Endpoint)
{
    public static ConnectionOrigin Of(WebSocketConnection connection) => (ConnectionOrigin)connection.Setup.Origin!;
}
