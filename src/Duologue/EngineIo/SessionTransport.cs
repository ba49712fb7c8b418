namespace Duologue.EngineIo;

/// <summary>
/// How the packets of a session travel at the moment: held requests, a WebSocket, a client's polling. It brings what arrives by the calls of
/// <see cref="SessionCarrier"/>, and takes what is due by <see cref="SessionCarrier.Take{TSink}"/>.
/// </summary>
internal abstract class SessionTransport
{
    /// <summary>What the application is told.</summary>
    public abstract Transport Kind { get; }

    /// <summary>
    /// Something is due to the peer: take it, now or when the way is free. Any thread, no lock held; may be spurious. Must not block.
    /// </summary>
    public abstract void OnPackets();

    /// <summary>The conversation has ended: nothing more is due. Any thread, no lock held; more than once.</summary>
    /// <param name="aborted">What is still under way need not arrive.</param>
    public abstract void OnEnd(bool aborted);
}

/// <summary>
/// What becomes of packets that are due. Called under the carrier's lock: it encodes and does no more. False says that the packet does not fit any
/// more and is to be offered again.
/// </summary>
internal interface IPacketSink
{
    bool Message(MessageType type, ReadOnlySpan<byte> data);

    bool Ping();

    bool Pong();

    /// <summary>The last one.</summary>
    bool Close(ushort code, string reason);
}
