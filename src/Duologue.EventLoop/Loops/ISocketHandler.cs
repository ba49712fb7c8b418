using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Loops;

/// <summary>
/// What a socket's bytes are for: Kestrel's pipes, or a conversation that was taken out of them. All calls come on the loop's thread and
/// never overlap. None may block.
/// </summary>
internal interface ISocketHandler
{
    /// <summary>The endpoint whose handler may run within these calls, to name it in the log; null if none does, or it is not known. Any thread.</summary>
    string? Endpoint { get; }

    /// <summary>Where the next bytes should be received, if not into the loop's own buffer; valid until the next call.</summary>
    bool TryGetDirect(out Memory<byte> memory);

    /// <summary>Bytes were received into the memory of <see cref="TryGetDirect"/>.</summary>
    void OnReceivedDirect(Memory<byte> memory, int count);

    /// <summary>
    /// Bytes were received. They lie in the loop's buffer, valid for the call. May come once more, or a few times, after
    /// <see cref="Loop.StopReceiving"/>: what was under way then.
    /// </summary>
    void OnReceived(ReadOnlySpan<byte> bytes);

    /// <summary>Nothing more will be received: the peer sent FIN (<paramref name="error"/> is 0), or the connection failed with an errno. Once.</summary>
    void OnReceiveEnded(int error);

    /// <summary>
    /// Says where the bytes lie that are to be sent next, at most as many pieces as fit. The memory must stay where it is until
    /// <see cref="OnSent"/>, which is called once for every call that answered more than zero.
    /// </summary>
    /// <returns>The number of pieces; zero if there is nothing to send.</returns>
    int Gather(Span<IoVector> vectors);

    /// <summary>The bytes of the last <see cref="Gather"/> have left, as many as said; or sending failed with an errno.</summary>
    void OnSent(long count, int error);

    /// <summary>What other threads asked for by <see cref="LoopSocket.Post"/> since the last call.</summary>
    void OnPosted(int requests);

    /// <summary>The time of <see cref="Loop.SetDeadline"/> has come.</summary>
    void OnDeadline();

    /// <summary>The descriptor is closed: the last call. The loop ends, or <see cref="Loop.Close"/> was called.</summary>
    void OnClosed();
}
