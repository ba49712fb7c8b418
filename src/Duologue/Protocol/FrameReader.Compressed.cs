using System.Diagnostics;
using System.Runtime.CompilerServices;
using Duologue.Protocol.Deflate;

namespace Duologue.Protocol;

// Compressed messages (RFC 7692): inflated as they come, straight into the message's buffer, so that a wrong character is found within a frame
// and a bomb is stopped at the limit.
internal partial struct FrameReader
{
    /// <summary>What is unmasked at a time.</summary>
    private const int ScratchSize = 4096;

    /// <summary>How much longer a piece is guessed to become, when room is made for it.</summary>
    private const int GuessedGrowth = 4;

    /// <summary>The inflater of a message that is told of now, if it came compressed.</summary>
    public readonly MessageInflater? Inflated => _compressed ? _apart!.Inflater : null;

    /// <summary>The end of the connection: what is held is given back.</summary>
    public void Release()
    {
        Body.Release();
        _apart?.Inflater?.Dispose();
    }

    // RFC 7692 §6: RSV1, alone, on the first frame of a data message. The other bits are nobody's.
    private readonly bool MayBeCompressed(byte first) =>
        _apart?.Inflater is not null && (first & 0x70) == FrameHeader.Compressed && (Opcode)(first & 0x0F) is Opcode.Text or Opcode.Binary;

    /// <summary>Takes payload of a compressed message. False if there is no more to take, or no more wanted now.</summary>
    [SkipLocalsInit]
    private bool ReadCompressed<THandler>(ReadOnlySpan<byte> input, ref int at, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        if (_remaining == 0)
        {
            return EndFrame(ref handler);
        }

        Span<byte> scratch = stackalloc byte[ScratchSize];
        MessageInflater inflater = _apart!.Inflater!;
        int available = (int)Math.Min(_remaining, input.Length - at);
        int done = inflater.HoldsByte ? 1 : 0;
        if (available == 0)
        {
            return false;
        }

        while (true)
        {
            // The limit may have come into force since the header was read: somebody now waits for the whole message.
            if (Exceeds(ref handler))
            {
                Fail(ProtocolViolation.MessageTooBig, ref handler);
                return true;
            }

            long allowance = handler.Allowance(Body.Length);
            if (allowance <= 0)
            {
                // More may be to come of what was taken, without a further byte from the peer.
                inflater.HoldsByte = done == available && done > 0;
                Take(inflater.HoldsByte ? done - 1 : done, ref at);
                return false;
            }

            scoped ReadOnlySpan<byte> piece = input.Slice(at + done, Math.Min(available - done, ScratchSize));
            if (_masked)
            {
                Mask.Apply(piece, scratch, _maskKey, (_maskPhase + done) & 3);
                piece = scratch[..piece.Length];
            }

            if (!Inflate(piece, allowance, ref handler, out int consumed, out bool isDrained))
            {
                return true;
            }

            done += consumed;
            if (isDrained && done == available)
            {
                inflater.HoldsByte = false;
                Take(done, ref at);
                return _remaining == 0 && EndFrame(ref handler);
            }
        }
    }

    /// <summary>One call of zlib, and what it made judged and committed. False if the connection failed.</summary>
    private bool Inflate<THandler>(scoped ReadOnlySpan<byte> piece, long allowance, ref THandler handler, out int consumed, out bool isDrained)
        where THandler : struct, IFrameHandler
    {
        // At the limit there is room for one byte that must not come.
        Span<byte> excess = stackalloc byte[1];
        bool discards = handler.Discards;
        long limit = discards ? long.MaxValue : handler.MessageLimit - Body.Length;
        Span<byte> room = limit > 0 ? Body.GetRoom(piece.Length * GuessedGrowth, Math.Min(allowance, limit)) : excess;
        ProtocolViolation? violation = null;
        bool isValid = _apart!.Inflater!.TryInflate(piece, room, out consumed, out int produced);

        // What came before the bytes that are no DEFLATE is judged first: in smaller pieces it would have been.
        if (limit <= 0 && produced > 0)
        {
            violation = ProtocolViolation.MessageTooBig;
        }
        else if (_type == Opcode.Text && !_utf8.Append(room[..produced]))
        {
            violation = ProtocolViolation.InvalidUtf8;
        }
        else if (!isValid)
        {
            violation = ProtocolViolation.InvalidCompressedData;
        }

        // A full room may hide more, and so does a last block: behind it another may begin.
        isDrained = produced < room.Length;
        if (violation is { } broken)
        {
            Fail(broken, ref handler);
            return false;
        }

        if (!discards)
        {
            Body.Commit(produced);
        }

        return true;
    }

    private void Take(int count, ref int at)
    {
        Debug.Assert(count <= _remaining, "Bytes of one frame.");
        at += count;
        _remaining -= count;
        _maskPhase = (byte)((_maskPhase + count) & 3);
    }

    private bool EndFrame<THandler>(ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        _phase = Phase.Header;
        if (!_fin)
        {
            return true;
        }

        if (!_apart!.Inflater!.TryEnd())
        {
            Fail(ProtocolViolation.InvalidCompressedData, ref handler);
        }
        else if (_type == Opcode.Text && !_utf8.IsComplete)
        {
            Fail(ProtocolViolation.InvalidUtf8, ref handler);
        }
        else
        {
            EndMessage(ref handler);
        }

        return true;
    }
}
