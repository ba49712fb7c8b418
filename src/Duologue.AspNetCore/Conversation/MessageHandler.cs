namespace Duologue.AspNetCore;

/// <summary>
/// Is told of the messages of all connections of one endpoint. There is one instance per endpoint and subprotocol, made when it is
/// mapped, with services from the application's container: singletons only. Scoped services come from a scope that the
/// handler makes itself (<c>IServiceScopeFactory</c>). If it is disposable, it is disposed when the application ends.
/// </summary>
/// <remarks>
/// Calls for one connection never overlap; calls for different connections do. A handler must not block: await instead. What it
/// throws closes the connection with 1011 and is logged. Data of one connection belongs into <see cref="Connection.Items"/>.
/// </remarks>
public abstract class MessageHandler : IMessageHandler
{
    /// <summary>A connection has opened. No message of it is delivered before this completes.</summary>
    /// <param name="connection">The connection.</param>
    public virtual ValueTask OnOpenAsync(Connection connection) => ValueTask.CompletedTask;

    /// <summary>A message has arrived. The next one is delivered when this completes; pings and closes are handled meanwhile.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="message">The message; its memory is valid until this completes.</param>
    public abstract ValueTask OnMessageAsync(Connection connection, Message message);

    /// <summary>The connection has ended; the last call for it. The connection cannot send any more.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="info">How it ended.</param>
    public virtual ValueTask OnCloseAsync(Connection connection, CloseInfo info) => ValueTask.CompletedTask;
}
