using System.Runtime.CompilerServices;
using Duologue.Peer;

namespace Duologue.AspNetCore;

/// <summary>
/// Where connections come from that one thread will serve: side by side, so that whoever publishes to a thousand of them walks through some pages and not through a
/// thousand, and apart from those of other threads, so that no two write to the same line of memory. Thread-safe.
/// </summary>
internal sealed class ConnectionStock
{
    private readonly Stock<ConnectionState> _states = new();
    private readonly Stock<WebSocketConnection> _connections = new();

    /// <summary>As its constructor.</summary>
    public ConnectionState TakeState(string? userId, long openedAt)
    {
        ConnectionState state = _states.Take();
        Construct(state, userId, openedAt);
        return state;
    }

    /// <summary>As its constructor.</summary>
    public WebSocketConnection Take(ConnectionSetup setup, RequestInfo request, ConnectionState state)
    {
        WebSocketConnection connection = _connections.Take();
        Construct(connection, setup, request, state);
        return connection;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = ".ctor")]
    private static extern void Construct(ConnectionState made, string? userId, long openedAt);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = ".ctor")]
    private static extern void Construct(WebSocketConnection made, ConnectionSetup setup, RequestInfo? request, object owner);
}
