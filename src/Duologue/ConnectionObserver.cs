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

    /// <summary>Each of many connections was sent a message.</summary>
    /// <param name="connection">One of them; the others differ in nothing that is counted.</param>
    /// <param name="connections">How many.</param>
    /// <param name="bytes">Of each message.</param>
    public virtual void MessagesSent(WebSocketConnection connection, int connections, int bytes)
    {
        for (int i = 0; i < connections; i++)
        {
            MessageSent(connection, bytes);
        }
    }

    /// <summary>A message was compressed for sending; it is counted as sent beside that.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="saved">How many bytes of payload fewer go over the wire for it; negative if it grew.</param>
    public virtual void MessageCompressed(WebSocketConnection connection, long saved)
    {
    }

    /// <summary>A message came compressed; it is counted as received beside that.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="saved">How many bytes of payload fewer came over the wire for it; negative if it had grown.</param>
    public virtual void MessageInflated(WebSocketConnection connection, long saved)
    {
    }

    public virtual void MessagesDropped(WebSocketConnection connection, DropReason reason, int count)
    {
    }

    /// <summary>The peer broke a rule of the protocol, or a limit on what is received.</summary>
    public virtual void ProtocolViolated(WebSocketConnection connection, ProtocolViolation violation)
    {
    }

    /// <summary>The application's handler threw, also after the conversation's end.</summary>
    public virtual void HandlerFailed(WebSocketConnection connection, Exception exception)
    {
    }

    /// <summary>Nothing more is read until the application has dealt with what arrived.</summary>
    public virtual void ReadingPaused(WebSocketConnection connection)
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
