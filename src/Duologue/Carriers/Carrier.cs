using System.Buffers;

namespace Duologue.Carriers;

/// <summary>
/// What brings a WebSocket its bytes. It pushes: <see cref="WebSocketConnection.OnReceived"/> for bytes,
/// <see cref="WebSocketConnection.OnBatchEnd"/> when no more are at hand, <see cref="WebSocketConnection.OnEnd"/> once, last.
/// These three never overlap. After the end of what it brings a carrier goes on taking bytes, if it can, until it is completed.
/// </summary>
internal abstract class Carrier
{
    /// <summary>What the application is told that carries the conversation.</summary>
    public virtual Transport Transport => Transport.WebSocket;

    /// <summary>Where frames are written. Used by one thread at a time, never while a flush is under way.</summary>
    public abstract IBufferWriter<byte> Output { get; }

    /// <summary>
    /// Sends a frame from where its payload lies, at once and without waiting, if nothing has to leave before it: it saves a copy of much. Used
    /// like <see cref="Output"/>, when all that was written there has been flushed.
    /// </summary>
    /// <returns>How many bytes of header and payload have left; the caller writes the rest to <see cref="Output"/>.</returns>
    public virtual int TrySend(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) => 0;

    /// <summary>Writes a frame that others are sent as well, and whose memory nobody writes to again. Used like <see cref="Output"/>.</summary>
    public virtual void WriteShared(ReadOnlyMemory<byte> frame) => Output.Write(frame.Span);

    /// <summary>
    /// Takes what was written to <see cref="Output"/>, if it is to be had without waiting, a system call or anybody else's code: under the connection's lock, and
    /// with no flush under way. If it says no, a flush is due.
    /// </summary>
    public virtual bool TryTake() => false;

    /// <summary>
    /// Completes when the carrier has taken all that was written to <see cref="Output"/>; false if it is dead.
    /// Never throws. One flush at a time.
    /// </summary>
    public abstract ValueTask<bool> FlushAsync();

    /// <summary>Whether bytes still reach a peer that has ended its own direction. Any thread.</summary>
    public virtual bool OutlivesInput => true;

    /// <summary>The connection takes bytes again after <see cref="WebSocketConnection.OnReceived"/> left some. Any thread; may be spurious.</summary>
    public abstract void ResumeReading();

    /// <summary>
    /// Nothing more will be written: let what was flushed leave, end the outgoing direction (FIN) and then the whole.
    /// Idempotent, any thread, returns at once.
    /// </summary>
    public abstract void Complete();

    /// <summary>End at once, dropping what has not left. Idempotent, any thread.</summary>
    public abstract void Abort();
}
