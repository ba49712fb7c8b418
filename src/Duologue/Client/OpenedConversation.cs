namespace Duologue.Client;

/// <summary>A conversation whose opening is done and that has not begun. Either start it or abort it.</summary>
internal abstract class OpenedConversation
{
    /// <summary>The agreed subprotocol; null if none is.</summary>
    public abstract string? Subprotocol { get; }

    /// <summary>The agreed extensions as a header's value; "" if there are none.</summary>
    public abstract string Extensions { get; }

    /// <summary>Makes the connection and lets it run in the background until it ends by itself. The handler may be called before this returns.</summary>
    /// <param name="handler">Receives by push; null where the application receives.</param>
    public abstract WebSocketConnection Start(IMessageHandler? handler);

    /// <summary>Ends it without a word.</summary>
    public abstract void Abort();
}
