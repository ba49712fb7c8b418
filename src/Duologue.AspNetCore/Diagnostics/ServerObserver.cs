namespace Duologue.AspNetCore;

/// <summary>Hears of all that happens on the server's connections: counts it, and at the end takes the connection out of everything, once.</summary>
internal sealed class ServerObserver(DuologueServer server, ConnectionMetrics metrics, TimeProvider timeProvider) : ConnectionObserver
{
    public override void MessageReceived(WebSocketConnection connection, int bytes) => metrics.MessageReceived(connection, bytes);

    public override void MessageSent(WebSocketConnection connection, int bytes) => metrics.MessagesSent(connection, 1, bytes);

    public override void MessagesSent(WebSocketConnection connection, int connections, int bytes) => metrics.MessagesSent(connection, connections, bytes);

    public override void RoundTrip(WebSocketConnection connection, TimeSpan time) => metrics.RoundTrip(connection.Transport, time);

    public override void MessageCompressed(WebSocketConnection connection, long saved) => metrics.MessageCompressed(saved);

    public override void MessageInflated(WebSocketConnection connection, long saved) => metrics.MessageInflated(saved);

    public override void MessagesDropped(WebSocketConnection connection, DropReason reason, int count) => metrics.Dropped(connection.Transport, reason, count);

    public override void ProtocolViolated(WebSocketConnection connection, ProtocolViolation violation) => metrics.Violated(connection.Transport, violation);

    public override void HandlerFailed(WebSocketConnection connection, Exception exception) => metrics.HandlerFailed(connection.Transport, exception);

    public override void ReadingPaused(WebSocketConnection connection) => metrics.ReadingPaused(connection.Transport);

    public override void Closed(WebSocketConnection connection, CloseInfo info)
    {
        var state = (ConnectionState)connection.Owner;
        server.Connections.Remove(connection, state.UserId);
        server.Topics.Leave(connection, state);
        server.Admission.Leave(connection.Request?.RemoteEndPoint?.Address);
        if (connection.Setup.IsSession)
        {
            server.SessionAdmission.Leave(connection.Request?.RemoteEndPoint?.Address);
        }

        server.Compression.Leave(connection.Setup.Deflate);
        if (state.Close(out Transport transport))
        {
            TimeSpan duration = timeProvider.GetElapsedTime(state.OpenedAt);
            metrics.Closed(transport, info, duration);
            Tracing.Conversation(connection, ConnectionOrigin.Of(connection).Endpoint, info, timeProvider.GetUtcNow(), duration);
        }
    }
}
