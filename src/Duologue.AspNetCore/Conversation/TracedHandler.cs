using System.Diagnostics;

namespace Duologue.AspNetCore;

/// <summary>
/// A handler class whose calls are traced, because its endpoint asks for that (<see cref="DuologueEndpointOptions.TraceMessages"/>): one activity
/// each, which lasts until what the call owes is done. While nobody listens it hands through.
/// </summary>
internal sealed class TracedHandler(MessageHandler handler, string route) : IMessageHandler
{
    public ValueTask OnOpenAsync(Connection connection) => Tracing.HasListeners
        ? RunAsync("duologue.open", ActivityKind.Internal, (WebSocketConnection)connection, null, () => handler.OnOpenAsync(connection))
        : handler.OnOpenAsync(connection);

    public ValueTask OnMessageAsync(Connection connection, Message message) => Tracing.HasListeners
        ? RunAsync("duologue.message", ActivityKind.Consumer, (WebSocketConnection)connection, message, () => handler.OnMessageAsync(connection, message))
        : handler.OnMessageAsync(connection, message);

    public ValueTask OnCloseAsync(Connection connection, CloseInfo info) => Tracing.HasListeners
        ? RunAsync("duologue.close", ActivityKind.Internal, (WebSocketConnection)connection, null, () => handler.OnCloseAsync(connection, info))
        : handler.OnCloseAsync(connection, info);

    // Async even if the handler is not, so that the caller has its own current activity again when this returns.
    private async ValueTask RunAsync(string name, ActivityKind kind, WebSocketConnection connection, Message? message, Func<ValueTask> call)
    {
        Activity.Current = null;
        Activity? activity = Tracing.StartCall(name, kind, connection, route);
        if (message is { } received)
        {
            activity?.SetTag("duologue.message.type", received.Type == MessageType.Text ? "text" : "binary");
            activity?.SetTag("messaging.message.body.size", received.Data.Length);
        }

        try
        {
            await call().ConfigureAwait(false);
        }
        catch (Exception e) when (!connection.IsToldOfEnd(e))
        {
            Tracing.Failed(activity, e);
            throw;
        }
        finally
        {
            Tracing.EndCall(activity);
        }
    }
}
