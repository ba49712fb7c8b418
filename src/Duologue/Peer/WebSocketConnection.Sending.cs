using System.Buffers;
using System.Text;
using System.Text.Unicode;
using Duologue.Peer;
using Duologue.Protocol;
using Microsoft.Extensions.Logging;

namespace Duologue;

// Sending: frames go straight into the carrier's output while it is free, and wait in the outbox while it is not.
internal sealed partial class WebSocketConnection
{
    /// <summary>From this size on a system call of its own costs less than a copy.</summary>
    private const int DirectSize = 8 * 1024;

    // Guarded by Gate.
    private bool _fragmenting;

    // A SendAsync waits for the carrier: its place is behind the frames that waited before it came, and before all others.
    private bool _reserved;

    /// <inheritdoc/>
    public override long BufferedAmount
    {
        get
        {
            lock (Gate)
            {
                return Buffered;
            }
        }
    }

    private long Buffered => _written - _taken + (_rare?.Outbox.Bytes ?? 0) + Compressing;

    private bool IsCarrierFree => !_flushing && !_fragmenting && !_reserved && Waiting == 0;

    private bool MayRefill => !_fragmenting && Waiting > 0 && (!_reserved || Ahead > 0);

    // RFC 6455 §5.5.1: no data frame after a Close frame. Nor after one that there was no room for: who has what came behind it takes the Close for one behind that, too.
    private bool CannotSend => _closeSent || _rare is { Ending: not null } or { HasOverflowed: true };

    /// <inheritdoc/>
    public override SendResult Send(ReadOnlySpan<byte> data, MessageType type, MessageFlags flags)
    {
        CheckText(data, type);
        return Send(data, type.ToOpcode(), flags);
    }

    /// <inheritdoc/>
    public override SendResult Send(string text, MessageFlags flags)
    {
        ArgumentNullException.ThrowIfNull(text);
        byte[] rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        try
        {
            int length = Encoding.UTF8.GetBytes(text, rented);
            return Send(rented.AsSpan(0, length), Opcode.Text, flags);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask SendAsync(string text, MessageFlags flags, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(text);
        byte[] rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        try
        {
            int length = Encoding.UTF8.GetBytes(text, rented);
            await SendBytesAsync(rented.AsMemory(0, length), Opcode.Text, flags, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // Also on an exception: what is still to be sent of a withdrawn message was copied before it was thrown.
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <inheritdoc/>
    public override ValueTask SendAsync(ReadOnlyMemory<byte> data, MessageType type, MessageFlags flags, CancellationToken cancellationToken)
    {
        CheckText(data.Span, type);
        return SendBytesAsync(data, type.ToOpcode(), flags, cancellationToken);
    }

    /// <inheritdoc/>
    public override Stream OpenWrite(MessageType type, MessageFlags flags)
    {
        ThrowIfSessionCannot(true, "send a message in pieces: a packet is a whole message. Send it whole, or as several messages");
        return new MessageWriteStream(this, type, flags);
    }

    private void CheckText(ReadOnlySpan<byte> data, MessageType type)
    {
        if (type == MessageType.Text && !(IsCorked && _handlesText && data == _reader.Body.Memory.Span) && !Utf8.IsValid(data))
        {
            throw new ArgumentException("The data of a text message is not valid UTF-8. Send it as binary, or correct it.", nameof(data));
        }
    }

    private SendResult Send(ReadOnlySpan<byte> data, Opcode opcode, MessageFlags flags)
    {
        if (Compresses(data.Length, flags))
        {
            return SendCompressed(data, opcode);
        }

        // The common case apart, without what the others need. Where the carrier is free, the general way below would do the same.
        bool written;
        bool flush = false;
        lock (Gate)
        {
            int size = FrameWriter.SizeOf(data.Length, Role);
            written = !CannotSend && IsCarrierFree && size <= Options.SendQueueLimit;
            if (written)
            {
                Write(data, opcode, size);
                flush = TryBeginFlush();
            }
        }

        if (!written)
        {
            return Send(data, opcode, default, withContext: false);
        }

        if (flush)
        {
            Flush();
        }

        _setup.Observer.MessageSent(this, data.Length);
        return SendResult.Sent;
    }

    /// <param name="data">The message; none if there is a frame.</param>
    /// <param name="opcode">Its type.</param>
    /// <param name="frame">The message as a frame, which is released here if it does not have to wait.</param>
    /// <param name="withContext">Whether the message is to be compressed when it is written.</param>
    private SendResult Send(ReadOnlySpan<byte> data, Opcode opcode, QueuedFrame frame, bool withContext)
    {
        Acceptance accepted = Accept(data, opcode, frame, withContext);
        if (accepted.OwnsOutput)
        {
            WriteCompressed(data, opcode, fin: true);
        }
        else
        {
            FlushAccepted(accepted);
        }

        if (frame.Bytes.Length != 0 && accepted.Result != SendResult.Queued)
        {
            frame.Release();
        }

        ReportAccepted(accepted);
        return accepted.Result;
    }

    /// <summary>
    /// Sends a message that was encoded for many receivers, in its first part: gives the frame its place among what is sent. It hands nothing to the carrier and runs no foreign
    /// code, so that a publisher may hold a lock over it. <see cref="FlushAccepted"/> and <see cref="ReportAccepted"/> must follow, without the lock.
    /// </summary>
    public Acceptance AcceptFrame(BroadcastFrame frame)
    {
        if (!Compresses(frame.PayloadLength, frame.Flags))
        {
            // The common case of a publisher's thousands, as above.
            lock (Gate)
            {
                if (MayWriteShared(frame.Plain.Length))
                {
                    return WriteShared(frame.Plain, frame.PayloadLength);
                }
            }
        }

        return Accept(default, default, Choose(frame), withContext: false);
    }

    /// <summary>The same for several messages, one behind the other: all of them as they are, in one piece, or none of them (null), if they have to wait or are compressed here.</summary>
    /// <param name="frames">The messages.</param>
    /// <param name="joined">What <see cref="BroadcastFrame.Plain"/> of each is, together; nobody writes to it again.</param>
    public Acceptance? TryAcceptFrames(ReadOnlySpan<BroadcastFrame> frames, ReadOnlyMemory<byte> joined)
    {
        int payload = 0;
        foreach (BroadcastFrame frame in frames)
        {
            if (Compresses(frame.PayloadLength, frame.Flags))
            {
                return null;
            }

            payload += frame.PayloadLength;
        }

        lock (Gate)
        {
            return MayWriteShared(joined.Length) ? WriteShared(joined, payload) : null;
        }
    }

    private bool MayWriteShared(int size) => !CannotSend && IsCarrierFree && size <= Options.SendQueueLimit;

    // Under the lock.
    private Acceptance WriteShared(ReadOnlyMemory<byte> bytes, int payload)
    {
        _carrier!.WriteShared(bytes);
        _written += bytes.Length;
        return new Acceptance(SendResult.Sent, TryBeginFlush(), OwnsOutput: false, payload, Saved: 0, Dropped: 0, default);
    }

    /// <summary>The message as this connection is to have it: compressed if that was agreed.</summary>
    private QueuedFrame Choose(BroadcastFrame frame) =>
        // Also for a connection whose compressor has a context: the shared frame refers to no earlier message, and to compress for each receiver is what a broadcast is to save.
        Compresses(frame.PayloadLength, frame.Flags) && frame.TryGetCompressed(Deflater!.WindowBits, out ReadOnlyMemory<byte> compressed)
            ? QueuedFrame.SharedCompressed(compressed, frame.PayloadLength)
            : QueuedFrame.Shared(frame.Plain, frame.PayloadLength);

    private Acceptance Accept(ReadOnlySpan<byte> data, Opcode opcode, QueuedFrame frame, bool withContext)
    {
        bool isEncoded = frame.Bytes.Length != 0;
        int payload = isEncoded ? frame.PayloadLength : data.Length;
        int size = isEncoded ? frame.Bytes.Length : FrameWriter.SizeOf(payload, Role);
        int dropped = 0;
        DropReason reason = default;
        SendResult result;
        bool flush = false;
        bool owns = false;
        lock (Gate)
        {
            if (CannotSend)
            {
                (result, dropped, reason) = (SendResult.Dropped, 1, DropReason.Closed);
            }
            else if (IsCarrierFree && size <= Options.SendQueueLimit)
            {
                owns = withContext;
                if (owns)
                {
                    TakeOutput(size);
                }
                else
                {
                    Write(data, opcode, frame, size);
                    flush = TryBeginFlush();
                }

                result = SendResult.Sent;
            }
            else
            {
                result = Admit(size, out dropped, out reason);
                if (result == SendResult.Queued)
                {
                    Rare.Outbox.Add(isEncoded ? frame.Compact() : withContext ? QueuedFrame.Uncompressed(opcode, data, size) : Encode(data, opcode, size));
                    flush = MayRefill && TryBeginFlush();
                }
            }
        }

        return new Acceptance(result, flush, owns, payload, frame.Saved, dropped, reason);
    }

    /// <summary>The second part: hands to the carrier what was accepted, if nobody else does.</summary>
    public void FlushAccepted(in Acceptance accepted)
    {
        if (accepted.MustFlush)
        {
            Flush();
        }
    }

    /// <summary>The last part: counts and logs what became of a message, and closes for it. Listeners and sinks run here.</summary>
    public void ReportAccepted(in Acceptance accepted)
    {
        bool closes = accepted is { Result: SendResult.Dropped, Reason: DropReason.QueueFull };
        try
        {
            if (accepted.Dropped != 0)
            {
                ReportDropped(accepted.Reason, accepted.Dropped);
            }

            if (accepted.Result != SendResult.Dropped)
            {
                _setup.Observer.MessageSent(this, accepted.Payload);
                if (accepted.Saved != 0)
                {
                    _setup.Observer.MessageCompressed(this, accepted.Saved);
                }
            }
            else if (closes && _setup.Logger.IsEnabled(LogLevel.Warning))
            {
                _setup.Logger.SendQueueOverflowed(Id, Options.SendQueueLimit);
            }
        }
        finally
        {
            if (closes)
            {
                // Whatever throws: it sends nothing more, and nobody else would say so.
                BeginClose(CloseFrame.TryAgainLater, $"The send queue exceeds {Options.SendQueueLimit} bytes (SendQueueLimit).", CloseCause.SendQueueFull);
            }
        }
    }

    /// <summary>
    /// The last part for many at once: each of so many connections was sent a message, and nothing else is to be told of it. All of them are counted like this one, see
    /// <see cref="IsCountedLike"/>.
    /// </summary>
    public void ReportAlike(int connections, int payload) => _setup.Observer.MessagesSent(this, connections, payload);

    /// <summary>Whether what is counted of this connection is counted with that of another.</summary>
    public bool IsCountedLike(WebSocketConnection other) => _setup.Observer == other._setup.Observer && Transport == other.Transport;

    /// <summary>What became of a message under the connection's lock, and what is still to be done about it.</summary>
    internal readonly record struct Acceptance(SendResult Result, bool MustFlush, bool OwnsOutput, int Payload, int Saved, int Dropped, DropReason Reason)
    {
        /// <summary>Whether the message leaves as it is: it is only to be counted, and flushed if it must be.</summary>
        public bool IsPlain => Result == SendResult.Sent && !OwnsOutput && Saved == 0 && Dropped == 0;
    }

    /// <summary>Asks the policy whether a frame may join the outbox. Under the lock.</summary>
    private SendResult Admit(int size, out int dropped, out DropReason reason)
    {
        dropped = 0;
        reason = default;
        long limit = Options.SendQueueLimit;
        if (Buffered + size <= limit)
        {
            return SendResult.Queued;
        }

        switch (Options.SendQueuePolicy)
        {
            // What the carrier has cannot be taken back. Where dropping all that waits would make no room, only the new message is dropped.
            case SendQueuePolicy.DropOldest when _written - _taken + Compressing + size <= limit:
                dropped = Rare.Outbox.DropOldest(_written - _taken + Compressing, size, limit);
                Ahead = Math.Max(0, Ahead - dropped);
                reason = DropReason.Oldest;
                return SendResult.Queued;
            case SendQueuePolicy.Wait when Buffered <= limit:
                return SendResult.Queued;
            case SendQueuePolicy.Close:
                // The Close comes when it is reported, which others may be faster than.
                Rare.HasOverflowed = true;
                Cause ??= CloseCause.SendQueueFull;
                dropped = 1;
                reason = DropReason.QueueFull;
                return SendResult.Dropped;
            default:
                dropped = 1;
                reason = DropReason.Newest;
                return SendResult.Dropped;
        }
    }

    private QueuedFrame Encode(ReadOnlySpan<byte> data, Opcode opcode, int size)
    {
        byte[] array = ArrayPool<byte>.Shared.Rent(size);
        bool masked = Role == Role.Client;
        uint key = masked ? Mask.NewKey() : 0;
        int header = FrameHeader.Write(array, opcode, true, data.Length, masked, key);
        if (masked)
        {
            Mask.Apply(data, array.AsSpan(header), key, 0);
        }
        else
        {
            data.CopyTo(array.AsSpan(header));
        }

        return QueuedFrame.Rented(array, size, data.Length);
    }

    private void Write(ReadOnlySpan<byte> data, Opcode opcode, in QueuedFrame frame, int size)
    {
        if (frame.Bytes.Length == 0)
        {
            Write(data, opcode, size);
            return;
        }

        WriteFrame(frame);
        _written += size;
    }

    private void Write(ReadOnlySpan<byte> data, Opcode opcode, int size)
    {
        if (size >= DirectSize && Role == Role.Server && _written == _taken)
        {
            _taken += WriteDirect(opcode, data);
        }
        else
        {
            FrameWriter.Write(_carrier!.Output, opcode, true, data, Role);
        }

        _written += size;
    }

    /// <summary>Lets the carrier send from the caller's memory what it can, and writes the rest. Returns how much has left. Under the lock.</summary>
    private int WriteDirect(Opcode opcode, ReadOnlySpan<byte> data)
    {
        Span<byte> header = stackalloc byte[FrameHeader.MaxSize];
        header = header[..FrameHeader.Write(header, opcode, true, data.Length, false, 0)];
        int gone = _carrier!.TrySend(header, data);
        FrameWriter.WriteRest(_carrier.Output, header, data, gone);
        return gone;
    }

    private ValueTask SendBytesAsync(ReadOnlyMemory<byte> data, Opcode opcode, MessageFlags flags, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        int size = FrameWriter.SizeOf(data.Length, Role);
        long mark = 0;
        bool flush = false;
        bool compress = Compresses(data.Length, flags);
        bool owns = false;
        lock (Gate)
        {
            if (CannotSend)
            {
                return ValueTask.FromException(ClosedException(isUnsent: true));
            }

            if (IsCarrierFree && size <= Options.SendQueueLimit && TurnOrNull is null or { CurrentCount: > 0 })
            {
                owns = compress;
                if (owns)
                {
                    TakeOutput(size);
                }
                else
                {
                    Write(data.Span, opcode, size);
                    mark = _written;
                    flush = TryBeginFlush();
                }
            }
        }

        if (owns)
        {
            mark = WriteCompressed(data.Span, opcode, fin: true);
            if (mark != long.MaxValue)
            {
                _setup.Observer.MessageSent(this, data.Length);
            }

            return WaitUntilTakenAsync(mark, cancellationToken);
        }

        if (mark == 0)
        {
            return SendInTurnAsync(data, opcode, size, compress, cancellationToken);
        }

        _setup.Observer.MessageSent(this, data.Length);
        if (!flush)
        {
            // Corked: the bytes are the carrier's already, and leave when the batch ends.
            return default;
        }

        Flush();
        lock (Gate)
        {
            return _taken >= mark ? default : WaitUntilTakenAsync(mark, cancellationToken);
        }
    }
}
