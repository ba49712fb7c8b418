using Duologue.Peer;

namespace Duologue.Tests.Peer;

internal static class Broadcasting
{
    /// <summary>Sends a frame that was encoded for many to one of them, as a topic does.</summary>
    public static SendResult SendFrame(this WebSocketConnection connection, BroadcastFrame frame)
    {
        WebSocketConnection.Acceptance accepted = connection.AcceptFrame(frame);
        connection.FlushAccepted(accepted);
        connection.ReportAccepted(accepted);
        return accepted.Result;
    }
}
