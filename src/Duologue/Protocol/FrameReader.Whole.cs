using System.Buffers.Binary;
using System.Text.Unicode;

namespace Duologue.Protocol;

// Whole: a small message of one frame that lies in the input as a whole, as most do where many are in flight. What is told of it is what the
// long way tells; only what that way keeps between two pieces is neither set nor looked at.
internal partial struct FrameReader
{
    // RFC 6455 §5.2: two bytes, and the key.
    private const int WholeHeader = 6;

    private const byte FinalText = 0x80 | (byte)Opcode.Text;
    private const byte FinalBinary = 0x80 | (byte)Opcode.Binary;
    private const byte MaskBit = 0x80;
    private const byte LongestShortLength = 125;

    /// <summary>Takes the next frame at once, if it is such a message. False, and nothing was done, if it is not.</summary>
    /// <param name="input">What has come.</param>
    /// <param name="at">Where the frame begins; moved behind it.</param>
    /// <param name="allowance">How many bytes may be taken.</param>
    /// <param name="handler">Whom to tell.</param>
    private bool TryReadWhole<THandler>(ReadOnlySpan<byte> input, ref int at, long allowance, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        ReadOnlySpan<byte> rest = input[at..];
        if (!_expectsMask || rest.Length < WholeHeader || _type != 0 || _apart is { HeadCount: not 0 } || rest[0] is not (FinalText or FinalBinary))
        {
            return false;
        }

        int length = rest[1] - MaskBit;
        if (length is < 0 or > LongestShortLength || length > rest.Length - WholeHeader || length > allowance || handler.Discards)
        {
            return false;
        }

        _type = (Opcode)(rest[0] & 0x0F);
        _compressed = false;
        ProtocolViolation? violation = handler.OnMessageStart((MessageType)_type) ?? (length > handler.MessageLimit ? ProtocolViolation.MessageTooBig : null);
        if (violation is { } broken)
        {
            at += WholeHeader;
            Fail(broken, ref handler);
            _remaining = length;
            return true;
        }

        at += WholeHeader + length;
        Span<byte> target = Body.GetSpan(length, length);
        Mask.Apply(rest.Slice(WholeHeader, length), target, BinaryPrimitives.ReadUInt32LittleEndian(rest[2..]), 0);

        // RFC 6455 §8.1.
        if (_type == Opcode.Text && !Utf8.IsValid(target))
        {
            _remaining = 0;
            Fail(ProtocolViolation.InvalidUtf8, ref handler);
            return true;
        }

        Body.Commit(length);
        EndMessage(ref handler);
        return true;
    }
}
