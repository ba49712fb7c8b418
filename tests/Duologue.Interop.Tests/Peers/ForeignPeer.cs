namespace Duologue.Interop.Tests.Peers;

/// <summary>One end of a conversation that another implementation holds, driven by a test.</summary>
internal abstract class ForeignPeer : IAsyncDisposable
{
    /// <summary>The agreed subprotocol as the other implementation sees it; null or "" for none.</summary>
    public abstract string? Subprotocol { get; }

    /// <summary>Completes when the conversation has ended for the other implementation.</summary>
    public abstract Task<ForeignClose> Closed { get; }

    /// <summary>Sends a message in one frame per fragment.</summary>
    public abstract Task SendAsync(MessageType type, params ReadOnlyMemory<byte>[] fragments);

    public abstract Task<ReceivedMessage> ReceiveAsync(CancellationToken cancellationToken);

    /// <summary>Pings and waits until the answer has been seen, as far as the other implementation shows it.</summary>
    public abstract Task PingAsync(CancellationToken cancellationToken);

    /// <summary>Starts the close handshake; null for a Close frame without a code.</summary>
    public abstract Task CloseAsync(ushort? code, string reason);

    /// <summary>Ends the TCP connection without a close handshake.</summary>
    public abstract void Cut();

    public abstract ValueTask DisposeAsync();
}

/// <summary>How a conversation ended for the other implementation. <see cref="Code"/> is 1005 for a Close without a code, 1006 for none.</summary>
internal sealed record ForeignClose(int Code, string Reason);

/// <summary>A message as the other implementation received it.</summary>
internal sealed record ReceivedMessage(MessageType Type, byte[] Data);
