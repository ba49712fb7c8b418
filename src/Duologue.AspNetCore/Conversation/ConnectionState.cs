namespace Duologue.AspNetCore;

/// <summary>What the server keeps with a connection: <see cref="WebSocketConnection.Owner"/>.</summary>
/// <remarks>An idle connection keeps this object: what all connections of an endpoint have in common is in a <see cref="ConnectionOrigin"/>.</remarks>
internal partial class ConnectionState(string? userId, long openedAt)
{
    private const int PhaseMask = 3;
    private const int TransportShift = 2;
    private const byte Opening = 0;
    private const byte Opened = 1;
    private const byte Closed = 2;

    // The phase, and above it the transport, in one piece: else a move and the end, or two moves, could take the connection out of the same count.
    private byte _counted;

    /// <summary>The name under which the registry finds the connection's user; null if nobody is signed in.</summary>
    public string? UserId { get; } = userId;

    /// <summary>A timestamp of the server's clock.</summary>
    public long OpenedAt { get; } = openedAt;

    /// <summary>Whether the handshake was answered before the connection ended, so that it counts as one; false if it has ended first.</summary>
    public bool TryOpen(Transport transport) => Interlocked.CompareExchange(ref _counted, Join(Opened, transport), Opening) == Opening;

    /// <summary>The connection counts as something else from now on; false if it does already, or counts no more.</summary>
    public bool TryMove(Transport now, out Transport before)
    {
        byte seen = Volatile.Read(ref _counted);
        while (true)
        {
            before = TransportOf(seen);
            if (before == now || PhaseOf(seen) != Opened)
            {
                return false;
            }

            byte found = Interlocked.CompareExchange(ref _counted, Join(Opened, now), seen);
            if (found == seen)
            {
                return true;
            }

            seen = found;
        }
    }

    /// <summary>The connection has ended; whether it counted as one, and as what.</summary>
    public bool Close(out Transport transport)
    {
        byte seen = Interlocked.Exchange(ref _counted, Closed);
        transport = TransportOf(seen);
        return PhaseOf(seen) == Opened;
    }

    /// <summary>The state of a connection that a server opened.</summary>
    /// <exception cref="InvalidOperationException">It is a client's connection.</exception>
    public static ConnectionState Of(Connection connection, out WebSocketConnection webSocket)
    {
        webSocket = connection as WebSocketConnection
            ?? throw new InvalidOperationException($"A {connection.GetType().Name} has no topics.");
        return webSocket.Owner as ConnectionState
            ?? throw new InvalidOperationException("The connection was opened by this process as a client; only a server's connections subscribe to the server's topics.");
    }

    private static byte Join(byte phase, Transport transport) => (byte)(phase | ((int)transport << TransportShift));

    private static byte PhaseOf(byte counted) => (byte)(counted & PhaseMask);

    private static Transport TransportOf(byte counted) => (Transport)(counted >> TransportShift);
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
