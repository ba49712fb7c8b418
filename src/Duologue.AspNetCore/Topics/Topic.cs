using Duologue.Peer;

namespace Duologue.AspNetCore;

/// <summary>The subscribers of one topic in this process.</summary>
/// <remarks>
/// Two locks, always in this order: the publish lock, under which connections take the frame, so that all subscribers see one order
/// of messages; then, inside it or inside a <see cref="ConnectionState"/>'s lock, the lock on the set. Neither is held while a frame is handed to a carrier,
/// counted or logged: handlers, listeners and sinks may run there.
/// </remarks>
internal sealed class Topic(string name)
{
    private readonly Lock _publishLock = new();
    private readonly Lock _setLock = new();
    private readonly HashSet<WebSocketConnection> _subscribers = [];
    // What a publish walks through; made at the first publish after a change, so that a change costs no copy.
    private WebSocketConnection[]? _snapshot;
    private bool _retired;

    public string Name { get; } = name;

    public int Count
    {
        get
        {
            lock (_setLock)
            {
                return _subscribers.Count;
            }
        }
    }

    /// <summary>Adds a subscriber; false if the topic has lost its last one and is about to be removed: take a new topic then.</summary>
    public bool TryAdd(WebSocketConnection connection)
    {
        lock (_setLock)
        {
            if (_retired)
            {
                return false;
            }

            if (_subscribers.Add(connection))
            {
                _snapshot = null;
            }

            return true;
        }
    }

    /// <summary>Removes a subscriber; true if it was the last: the topic takes no more and is to be removed.</summary>
    public bool Remove(WebSocketConnection connection)
    {
        lock (_setLock)
        {
            if (!_subscribers.Remove(connection))
            {
                return false;
            }

            _snapshot = null;
            return _retired = _subscribers.Count == 0;
        }
    }

    public FanoutResult Publish(BroadcastFrame frame)
    {
        Fanout.Accepted accepted;
        lock (_publishLock)
        {
            accepted = Fanout.Accept(TakeSnapshot(), frame);
        }

        return accepted.Settle();
    }

    private WebSocketConnection[] TakeSnapshot()
    {
        lock (_setLock)
        {
            return _snapshot ??= [.. _subscribers];
        }
    }
}
