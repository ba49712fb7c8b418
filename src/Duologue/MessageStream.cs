namespace Duologue;

/// <summary>One message from the peer, read piecewise as it arrives.</summary>
public abstract class MessageStream : Stream
{
    private protected MessageStream()
    {
    }

    /// <summary>Text or binary.</summary>
    public abstract MessageType Type { get; }
}
