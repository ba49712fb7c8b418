using System.Buffers;
using Duologue.Peer;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Microsoft.Extensions.Logging;

namespace Duologue;

// Compressing: never under the lock, for it takes time. A message that refers to nothing before it is compressed before it is known when it will leave.
// One that does is compressed by whoever owns the output at that moment, so that a compressor's window holds what was sent, in the order in which it
// was, and nothing that was dropped. To own the output is to have set _flushing: everybody else's frames wait in the outbox then.
internal sealed partial class WebSocketConnection
{
    private MessageDeflater? Deflater => _rare?.Deflater;

    /// <summary>Whether a message is to be sent compressed.</summary>
    internal bool Compresses(long length, MessageFlags flags) => Deflater is { } deflater && deflater.Wants(length, flags);

    private SendResult SendCompressed(ReadOnlySpan<byte> data, Opcode opcode)
    {
        MessageDeflater deflater = Deflater!;
        if (deflater.HasContext)
        {
            return Send(data, opcode, default, withContext: true);
        }

        var frame = default(FrameBuilder);
        if (MessageDeflater.TryCompressAlone(data, deflater.WindowBits, ref frame))
        {
            frame.Seal(opcode, fin: true, compressed: true, Role);
            return Send(default, default, QueuedFrame.Compressed(frame, data.Length), withContext: false);
        }

        frame.Release();
        return Send(data, opcode, default, withContext: false);
    }

    /// <summary>Under the lock, while the carrier is free: the caller owns the output until <see cref="WriteCompressed"/>.</summary>
    private void TakeOutput(int size)
    {
        _flushing = true;
        Compressing = size;
    }

    /// <summary>Compresses a frame and writes it; then gives the output back, or flushes.</summary>
    /// <returns>The mark to wait for.</returns>
    private long WriteCompressed(ReadOnlySpan<byte> data, Opcode opcode, bool fin)
    {
        long mark = CompressInto(data, opcode, fin);
        bool flush;
        lock (Gate)
        {
            // Also within a batch: what came meanwhile waits for the owner of the output, and nobody else would send it.
            bool awaited = Waiting > 0 || _reserved || FlushedSource is not null || PendingPong is not null || PendingPing != 0;
            _flushing = Ending is null && awaited;
            flush = _flushing || (Ending is null && TryBeginFlush());
        }

        if (flush)
        {
            Flush();
        }

        return mark;
    }

    /// <summary>By the output's owner: compresses a frame, if it can be, and writes it.</summary>
    /// <returns>The mark to wait for; <see cref="long.MaxValue"/>, which is never reached, if the connection has ended and the frame with it.</returns>
    private long CompressInto(ReadOnlySpan<byte> data, Opcode opcode, bool fin)
    {
        var frame = default(FrameBuilder);
        try
        {
            bool first = opcode != Opcode.Continuation;
            bool compressed = Deflater!.TryCompress(data, first, fin, ref frame);
            if (compressed)
            {
                _rare!.Saved = (first ? 0 : _rare.Saved) + data.Length - frame.PayloadLength;
            }
            else
            {
                frame.Release();
                frame.Append(data);
            }

            // RFC 7692 §6: only a message's first frame says that it is compressed.
            frame.Seal(opcode, fin, compressed && first, Role);
            long mark = 0;
            lock (Gate)
            {
                Compressing = 0;

                // The carrier's output may be completed by now.
                if (Ending is null)
                {
                    _carrier!.Output.Write(frame.Bytes.Span);
                    _written += frame.Bytes.Length;
                    mark = _written;
                }
            }

            if (mark != 0)
            {
                if (compressed && fin)
                {
                    _setup.Observer.MessageCompressed(this, _rare!.Saved);
                }

                return mark;
            }
        }
        catch (Exception e) when (e is OutOfMemoryException or InvalidOperationException)
        {
            // The compressor's context is no longer what the peer's will be: no message can follow. Only the owner of the output knows.
            if (_setup.Logger.IsEnabled(LogLevel.Debug))
            {
                _setup.Logger.TransportFailed(Id, e);
            }

            Abort();
        }
        finally
        {
            frame.Release();
        }

        ReportDropped(DropReason.Unsent, 1);
        return long.MaxValue;
    }

    /// <summary>Under the lock: writes a frame that is ready.</summary>
    private void WriteFrame(in QueuedFrame frame)
    {
        if (frame.IsShared)
        {
            _carrier!.WriteShared(frame.Bytes);
        }
        else
        {
            _carrier!.Output.Write(frame.Bytes.Span);
        }

        if (frame.IsForeign)
        {
            Deflater!.LoseContext();
        }
    }
}
