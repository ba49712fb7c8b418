using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore;

/// <summary>Runs the async delegate shape of a handler: its end is the conversation's end.</summary>
internal static class DelegateConversation
{
    /// <summary>Completes when the delegate has. Never throws: what the delegate throws is logged, and closes the connection.</summary>
    public static async Task RunAsync(WebSocketConnection connection, Func<Connection, Task> handler, ILogger logger)
    {
        try
        {
            await handler(connection).ConfigureAwait(false);
            connection.BeginClose(1000, "", CloseCause.LocalClose);
        }
        catch (Exception error) when (connection.IsToldOfEnd(error))
        {
            // It waited for a message when the line was cut, or sent when somebody else had begun to close.
            Log.DelegateEndedWithConnection(logger, connection.Id);
        }
#pragma warning disable CA1031 // Whatever user code throws ends its own connection only; it is logged with its stack.
        catch (Exception error)
#pragma warning restore CA1031
        {
            connection.Setup.Observer.HandlerFailed(connection, error);
            Log.DelegateFailed(logger, error, connection.Id, connection.Request?.Path);
            connection.CloseForFailure();
        }

        connection.EndReceiver();
    }
}
