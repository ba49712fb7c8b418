using System.Collections;
using System.Globalization;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>
/// The open connections of this server: a singleton service. Thread-safe. A connection is in it from before its opening
/// handshake is answered until it has closed, so that a client that knows itself connected is found.
/// </summary>
/// <remarks>
/// A user is named by the claim <c>NameIdentifier</c>, else <c>sub</c>, else by the identity's name. Who is not signed in is found by id only.
/// </remarks>
#pragma warning disable CA1710 // "Connections" is the word that reads well where it is injected; a suffix says nothing more.
public sealed class Connections : IReadOnlyCollection<Connection>
#pragma warning restore CA1710
{
    private readonly ConnectionTable _byNumber = new();
    private readonly Dictionary<string, HashSet<WebSocketConnection>> _byUser = new(StringComparer.Ordinal);
    private readonly Lock _usersLock = new();
    private int _count;

    internal Connections()
    {
    }

    /// <summary>How many connections are open.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The connection with an id; null if there is none, or no more.</summary>
    /// <param name="id">See <see cref="Connection.Id"/>.</param>
    public Connection? Find(string id) => FindOpen(id);

    /// <summary>A user's connections at this moment; empty if there is none.</summary>
    /// <param name="userId">The user's name; see the remarks on <see cref="Connections"/>.</param>
    public IReadOnlyList<Connection> FindByUser(string userId) => SnapshotOf(userId);

    /// <summary>How many connections a user has.</summary>
    /// <param name="userId">The user's name.</param>
    public int CountByUser(string userId)
    {
        ArgumentNullException.ThrowIfNull(userId);
        lock (_usersLock)
        {
            return _byUser.TryGetValue(userId, out HashSet<WebSocketConnection>? connections) ? connections.Count : 0;
        }
    }

    /// <summary>Sends text to one connection without waiting.</summary>
    /// <param name="id">The connection's id.</param>
    /// <param name="text">The text.</param>
    /// <returns>As <see cref="Connection.Send(string)"/>; dropped if there is no such connection.</returns>
    public SendResult Send(string id, string text) => Find(id)?.Send(text) ?? NotFound();

    /// <summary>Sends a message to one connection without waiting.</summary>
    /// <param name="id">The connection's id.</param>
    /// <param name="data">The payload; for text, valid UTF-8. Copied before the call returns.</param>
    /// <param name="type">Text or binary.</param>
    /// <returns>As <see cref="Connection.Send(ReadOnlySpan{byte}, MessageType)"/>; dropped if there is no such connection.</returns>
    /// <exception cref="ArgumentException"><paramref name="type"/> is text and <paramref name="data"/> is not UTF-8.</exception>
    public SendResult Send(string id, ReadOnlySpan<byte> data, MessageType type) => Find(id)?.Send(data, type) ?? NotFound();

    /// <summary>Sends text to all connections of a user without waiting; it is encoded once, and compressed once per distinct agreement.</summary>
    /// <param name="userId">The user's name.</param>
    /// <param name="text">The text.</param>
    public FanoutResult SendToUser(string userId, string text) => Fanout.Send(SnapshotOf(userId), Fanout.Encode(text, MessageFlags.None));

    /// <summary>Sends a message to all connections of a user without waiting; it is encoded once, and compressed once per distinct agreement.</summary>
    /// <param name="userId">The user's name.</param>
    /// <param name="data">The payload; for text, valid UTF-8. Copied before the call returns.</param>
    /// <param name="type">Text or binary.</param>
    /// <exception cref="ArgumentException"><paramref name="type"/> is text and <paramref name="data"/> is not UTF-8.</exception>
    public FanoutResult SendToUser(string userId, ReadOnlySpan<byte> data, MessageType type) =>
        Fanout.Send(SnapshotOf(userId), Fanout.Encode(data, type, MessageFlags.None));

    /// <summary>Begins to close one connection, without waiting for its end (<see cref="Connection.Closed"/>).</summary>
    /// <param name="id">The connection's id.</param>
    /// <param name="code">1000 to 1003, 1007 to 1014 without 1010, or 3000 to 4999.</param>
    /// <param name="reason">At most 123 UTF-8 bytes.</param>
    /// <returns>Whether there is such a connection.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The code may not be sent (RFC 6455 §7.4).</exception>
    /// <exception cref="ArgumentException">The reason is too long.</exception>
    public bool Close(string id, ushort code, string reason)
    {
        CloseFrame.ThrowIfUnsendable(code, reason, Role.Server);
        if (FindOpen(id) is not { } connection)
        {
            return false;
        }

        connection.BeginClose(code, reason, CloseCause.LocalClose);
        return true;
    }

    /// <summary>
    /// Begins to close all connections of a user, as after a sign-out, without waiting for their end. The streams and held requests by which the user reads topics (<c>MapTopics</c>) end, too: whoever comes
    /// back is asked anew who it is.
    /// </summary>
    /// <param name="userId">The user's name.</param>
    /// <param name="code">See <see cref="Close(string, ushort, string)"/>.</param>
    /// <param name="reason">At most 123 UTF-8 bytes.</param>
    /// <returns>How many connections there were.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The code may not be sent (RFC 6455 §7.4).</exception>
    /// <exception cref="ArgumentException">The reason is too long.</exception>
    public int CloseByUser(string userId, ushort code, string reason)
    {
        CloseFrame.ThrowIfUnsendable(code, reason, Role.Server);
        WebSocketConnection[] connections = SnapshotOf(userId);
        foreach (WebSocketConnection connection in connections)
        {
            connection.BeginClose(code, reason, CloseCause.LocalClose);
        }

        Held.Stop(userId);
        return connections.Length;
    }

    /// <summary>All connections. Those that open or close meanwhile may be in it or not.</summary>
    public IEnumerator<Connection> GetEnumerator() => Open.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Where a message to nobody is counted; set once, before there are connections.</summary>
    internal ServerMetrics? Metrics { get; set; }

    /// <summary>What users hold beside their connections.</summary>
    internal HeldRequests Held { get; } = new();

    internal IEnumerable<WebSocketConnection> Open => _byNumber.Enumerate();

    internal void Add(WebSocketConnection connection, string? userId)
    {
        if (userId is null)
        {
            AddNumber(connection);
            return;
        }

        // In one step for whoever removes it: from when it is found by its number it may be ended, and nobody would take it out of what it is put into behind that.
        lock (_usersLock)
        {
            AddNumber(connection);
            if (!_byUser.TryGetValue(userId, out HashSet<WebSocketConnection>? connections))
            {
                _byUser.Add(userId, connections = []);
            }

            connections.Add(connection);
        }
    }

    internal void Remove(WebSocketConnection connection, string? userId)
    {
        if (!_byNumber.Remove(connection))
        {
            return;
        }

        Interlocked.Decrement(ref _count);
        if (userId is not null)
        {
            lock (_usersLock)
            {
                if (_byUser.TryGetValue(userId, out HashSet<WebSocketConnection>? connections)
                    && connections.Remove(connection)
                    && connections.Count == 0)
                {
                    _byUser.Remove(userId);
                }
            }
        }
    }

    private void AddNumber(WebSocketConnection connection)
    {
        _byNumber.Add(connection);
        Interlocked.Increment(ref _count);
    }

    // An id is its number as the connection spells it: no sign, no leading zero.
    private WebSocketConnection? FindOpen(string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        return id is not ['0', ..] && long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? _byNumber.Find(number)
            : null;
    }

    private SendResult NotFound()
    {
        Metrics?.OfConnections.Dropped(Transport.WebSocket, DropReason.NotFound, 1);
        return SendResult.Dropped;
    }

    private WebSocketConnection[] SnapshotOf(string userId)
    {
        ArgumentNullException.ThrowIfNull(userId);
        lock (_usersLock)
        {
            return _byUser.TryGetValue(userId, out HashSet<WebSocketConnection>? connections) ? [.. connections] : [];
        }
    }
}
