namespace Duologue.AspNetCore;

/// <summary>What the server keeps with a connection: <see cref="WebSocketConnection.Owner"/>.</summary>
internal sealed partial class ConnectionState(DuologueServer server, string endpoint, AddressKey address, string? userId, long openedAt)
{
    private const int Opening = 0;
    private const int Opened = 1;
    private const int Closed = 2;

    // The key in two pieces: as one it would take the room of two numbers.
    private readonly ulong _address = address.Value;
    private readonly bool _addressIsIPv6 = address.IsIPv6;

    private int _phase;

    public DuologueServer Server { get; } = server;

    /// <summary>The pattern of the endpoint that it came to.</summary>
    public string Endpoint { get; } = endpoint;

    /// <summary>Whom the connection counts for, if there is a limit per address.</summary>
    public AddressKey Address => new(_address, _addressIsIPv6);

    /// <summary>The name under which the registry finds the connection's user; null if nobody is signed in.</summary>
    public string? UserId { get; } = userId;

    /// <summary>A timestamp of the server's clock.</summary>
    public long OpenedAt { get; } = openedAt;

    /// <summary>The baggage of the request's trace; empty unless the endpoint traces its messages.</summary>
    public KeyValuePair<string, string?>[] Baggage { get; init; } = [];

    /// <summary>Whether the handshake was answered before the connection ended, so that it counts as one; false if it has ended first.</summary>
    public bool TryOpen() => Interlocked.CompareExchange(ref _phase, Opened, Opening) == Opening;

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
