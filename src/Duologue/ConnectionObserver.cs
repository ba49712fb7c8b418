namespace Duologue;

/// <summary>
/// Where a connection reports what is to be counted. Every drop, limit and close passes here. Implementations must not
/// throw and must be thread-safe; the base counts nothing.
/// </summary>
internal class ConnectionObserver
{
    public static readonly ConnectionObserver None = new();

    public virtual void MessageReceived(WebSocketConnection connection, int bytes)
    {
    }

    public virtual void MessageSent(WebSocketConnection connection, int bytes)
    {
    }

    public virtual void MessagesDropped(WebSocketConnection connection, DropReason reason, int count)
    {
    }

    public virtual void RoundTrip(WebSocketConnection connection, TimeSpan time)
    {
    }

    /// <summary>Called exactly once per connection, before <see cref="Connection.Closed"/> completes.</summary>
    public virtual void Closed(WebSocketConnection connection, CloseInfo info)
    {
    }
}
