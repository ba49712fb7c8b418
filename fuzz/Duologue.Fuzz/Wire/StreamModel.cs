using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Duologue.Fuzz.Wire;

/// <summary>What a stream of frames means, or which rule it breaks.</summary>
/// <param name="Opcode">Text or Binary for a message, Ping, Pong or Close; -1 for a violation.</param>
/// <param name="Data">The message or the control frame's payload.</param>
/// <param name="Violation">The name of the broken rule, as <see cref="ProtocolViolation"/> has it.</param>
internal sealed record StreamEvent(int Opcode, byte[] Data, string? Violation);

/// <summary>The limits that a receiver may have beyond the protocol.</summary>
/// <param name="MaxMessage">In bytes.</param>
/// <param name="MaxFragments">0 for none.</param>
internal sealed record StreamLimits(long MaxMessage, int MaxFragments)
{
    public static StreamLimits None { get; } = new(long.MaxValue, 0);
}

/// <summary>
/// A second reading of RFC 6455 §5 to §8, whole streams at once and slowly, that shares no line with the first: what both
/// read alike is right, or misread twice. It judges as early as the bytes allow.
/// </summary>
internal static class StreamModel
{
    /// <summary>The first close, violation or incomplete frame ends the list.</summary>
    /// <param name="stream">From the first byte after the handshake.</param>
    /// <param name="toServer">Whether the receiver is the server.</param>
    /// <param name="limits">The receiver's.</param>
    /// <param name="complete">Whether the stream ends between two frames (after a Close or a violation: true).</param>
    public static List<StreamEvent> Read(ReadOnlySpan<byte> stream, bool toServer, StreamLimits limits, out bool complete) =>
        Read(stream, toServer, limits, Dialect.None, out complete);

    /// <inheritdoc cref="Read(ReadOnlySpan{byte}, bool, StreamLimits, out bool)"/>
    /// <param name="dialect">How another implementation reads it.</param>
    public static List<StreamEvent> Read(ReadOnlySpan<byte> stream, bool toServer, StreamLimits limits, Dialect dialect, out bool complete)
    {
        var events = new List<StreamEvent>();
        var message = new List<byte>();
        var carried = new List<byte>();
        int type = 0;
        int fragments = 0;
        complete = true;
        while (!stream.IsEmpty)
        {
            string? violation = JudgeHeader(stream, toServer, type != 0, dialect, out int headerSize, out ulong length);
            if (violation is null && length > (ulong)(limits.MaxMessage - message.Count) && (stream[0] & 0x0F) < 8 && dialect.HasFlag(Dialect.LengthBeforeKey))
            {
                violation = "MessageTooBig";
            }

            if (violation is not null)
            {
                events.Add(new StreamEvent(-1, [], violation));
                return events;
            }

            if (headerSize == 0)
            {
                complete = false;
                return events;
            }

            int opcode = stream[0] & 0x0F;
            bool final = stream[0] >= 0x80;
            if (opcode < 8)
            {
                fragments = opcode == Frame.Continuation ? fragments + 1 : 1;
                type = opcode == Frame.Continuation ? type : opcode;
                if (limits.MaxFragments != 0 && fragments > limits.MaxFragments)
                {
                    events.Add(new StreamEvent(-1, [], "TooManyFragments"));
                    return events;
                }

                if (length > (ulong)(limits.MaxMessage - message.Count))
                {
                    events.Add(new StreamEvent(-1, [], "MessageTooBig"));
                    return events;
                }
            }

            byte[] payload = Unmask(stream, headerSize, length, toServer);
            bool whole = (ulong)payload.Length == length;
            if (opcode < 8)
            {
                message.AddRange(payload);
                bool judged = (!dialect.HasFlag(Dialect.TextWhenWhole) || (final && whole))
                    && (!dialect.HasFlag(Dialect.TextByFrame) || whole)
                    && !(length == 0 && dialect.HasFlag(Dialect.EmptyEndUnjudged));
                if (type == Frame.Text && judged && !IsText([.. carried, .. message], final && whole, dialect))
                {
                    events.Add(new StreamEvent(-1, [], "InvalidUtf8"));
                    return events;
                }
            }

            if (!whole)
            {
                complete = false;
                return events;
            }

            stream = stream[(headerSize + payload.Length)..];
            if (opcode == Frame.Close)
            {
                events.Add(JudgeClose(payload) is { } broken ? new StreamEvent(-1, [], broken) : new StreamEvent(opcode, payload, null));
                return events;
            }

            if (opcode >= 8)
            {
                events.Add(new StreamEvent(opcode, payload, null));
            }
            else if (final)
            {
                events.Add(new StreamEvent(type, [.. message], null));
                bool carries = type == Frame.Text && length == 0 && dialect.HasFlag(Dialect.EmptyEndUnjudged);
                carried = carries ? [.. carried, .. message] : type == Frame.Text ? [] : carried;
                message.Clear();
                type = 0;
            }
        }

        return events;
    }

    /// <summary>The size of the header, 0 if it is not all there yet.</summary>
    private static string? JudgeHeader(ReadOnlySpan<byte> bytes, bool toServer, bool inMessage, Dialect dialect, out int size, out ulong length)
    {
        size = 0;
        length = 0;
        int needed = HeaderSize(bytes, out int extended);
        if ((dialect.HasFlag(Dialect.TwoBytesTogether) && bytes.Length < 2) || (dialect.HasFlag(Dialect.WholeHeader) && bytes.Length < 2 + extended + (toServer ? 4 : 0)))
        {
            return null;
        }

        bool final = bytes[0] >= 0x80;
        int opcode = bytes[0] & 0x0F;
        int reserved = dialect.HasFlag(Dialect.FirstBitInControl) && opcode >= 8 ? 0b0011_0000 : 0b0111_0000;
        if ((bytes[0] & reserved) != 0)
        {
            return "ReservedBitSet";
        }

        string? violation = opcode switch
        {
            Frame.Text or Frame.Binary => inMessage ? "ExpectedContinuation" : null,
            Frame.Continuation => inMessage ? null : "UnexpectedContinuation",
            Frame.Close or Frame.Ping or Frame.Pong => final ? null : "FragmentedControlFrame",
            _ => "ReservedOpcode",
        };
        if (violation is not null || bytes.Length == 1)
        {
            return violation;
        }

        bool masked = bytes[1] >= 0x80;
        if (masked != toServer)
        {
            return masked ? "MaskedFrame" : "UnmaskedFrame";
        }

        int shortLength = bytes[1] & 0x7F;
        bool judgesForm = !dialect.HasFlag(Dialect.AnyLengthForm);
        if (opcode >= 8 && shortLength > 125 && (judgesForm || !dialect.HasFlag(Dialect.WholeHeader)))
        {
            return "OversizedControlFrame";
        }

        bool announced = opcode == Frame.Close && shortLength == 1 && dialect.HasFlag(Dialect.CloseLengthAnnounced);
        if (!announced && bytes.Length < (dialect.HasFlag(Dialect.LengthBeforeKey) ? 2 + extended : needed))
        {
            return null;
        }

        size = bytes.Length < needed ? 0 : needed;
        length = extended switch
        {
            2 => BinaryPrimitives.ReadUInt16BigEndian(bytes.Slice(2, 2)),
            8 => BinaryPrimitives.ReadUInt64BigEndian(bytes.Slice(2, 8)),
            _ => (ulong)shortLength,
        };
        if (length >> 63 != 0)
        {
            return dialect.HasFlag(Dialect.HighBitIsTooBig) ? "MessageTooBig" : "LengthOutOfRange";
        }

        if (opcode >= 8 && length > 125)
        {
            return "OversizedControlFrame";
        }

        if (opcode == Frame.Close && length == 1 && dialect.HasFlag(Dialect.CloseLengthAnnounced))
        {
            return "TruncatedCloseCode";
        }

        return judgesForm && size != 0 && ((extended == 2 && length <= 125) || (extended == 8 && length <= 65535)) ? "NonMinimalLength" : null;
    }

    private static int HeaderSize(ReadOnlySpan<byte> bytes, out int extended)
    {
        extended = bytes.Length < 2 ? 0 : (bytes[1] & 0x7F) switch { 126 => 2, 127 => 8, _ => 0 };
        return 2 + extended + (bytes.Length > 1 && bytes[1] >= 0x80 ? 4 : 0);
    }

    private static byte[] Unmask(ReadOnlySpan<byte> stream, int headerSize, ulong length, bool masked)
    {
        ReadOnlySpan<byte> rest = stream[headerSize..];
        byte[] payload = rest[..(int)Math.Min((ulong)rest.Length, length)].ToArray();
        for (int i = 0; masked && i < payload.Length; i++)
        {
            payload[i] ^= stream[headerSize - 4 + (i % 4)];
        }

        return payload;
    }

    /// <summary>Whether bytes are text, or if not final, could become text.</summary>
    public static bool IsText(ReadOnlySpan<byte> bytes, bool final) => IsText(bytes, final, Dialect.None);

    private static bool IsText(ReadOnlySpan<byte> bytes, bool final, Dialect dialect)
    {
        while (!bytes.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf8(bytes, out _, out int size);
            if (status == OperationStatus.InvalidData && !final && dialect.HasFlag(Dialect.LateCharacters) && IsSeenLate(bytes))
            {
                return true;
            }

            if (status != OperationStatus.Done)
            {
                return status == OperationStatus.NeedMoreData && !final;
            }

            bytes = bytes[size..];
        }

        return true;
    }

    // C0, C1, E0 80 to E0 9F, F0 80 to F0 8F: too long a form; F5 to F7: beyond U+10FFFF.
    private static bool IsSeenLate(ReadOnlySpan<byte> bytes) => bytes switch
    {
        [0xC0 or 0xC1 or (>= 0xF5 and <= 0xF7)] => true,
        [0xE0, >= 0x80 and <= 0x9F] => true,
        [0xF0, >= 0x80 and <= 0x8F] or [0xF0, >= 0x80 and <= 0x8F, >= 0x80 and <= 0xBF] => true,
        _ => false,
    };

    private static string? JudgeClose(byte[] body)
    {
        if (body.Length == 0)
        {
            return null;
        }

        if (body.Length == 1)
        {
            return "TruncatedCloseCode";
        }

        int code = (body[0] * 256) + body[1];
        bool allowed = code is 1000 or 1001 or 1002 or 1003 or 1007 or 1008 or 1009 or 1010 or 1011 or 1012 or 1013 or 1014 || code / 1000 is 3 or 4;
        return !allowed ? "InvalidCloseCode" : IsText(body.AsSpan(2), final: true) ? null : "InvalidCloseReason";
    }
}
