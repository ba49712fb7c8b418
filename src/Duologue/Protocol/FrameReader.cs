using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Unicode;
using Duologue.Protocol.Deflate;

namespace Duologue.Protocol;

/// <summary>
/// The receiving half of the protocol: bytes go in, events come out. It does no I/O, has no clock and never throws on
/// what a peer sends: it reports a violation. Fed byte by byte or all at once, the events are the same.
/// </summary>
/// <remarks>A mutable struct that lives in its connection, so that what an idle one needs not lies apart; not thread-safe.</remarks>
internal partial struct FrameReader
{
    /// <summary>The payload below which a fragment costs more to handle than it brings.</summary>
    public const int SmallFragment = 64;

    private readonly bool _expectsMask;
    private readonly int _maxFragments;

    // Null until a frame's header or a control frame's payload comes in pieces, and where no compression was agreed.
    private Apart? _apart;

    // Framing state: of the frame under way what its payload needs, and how much of that is to come.
    private Phase _phase;
    private Opcode _opcode;
    private bool _fin;
    private bool _masked;
    private bool _isFresh;
    private byte _maskPhase;
    private uint _maskKey;
    private long _remaining;

    // Message state. Zero: no message is under way.
    private Opcode _type;
    private bool _compressed;
    private int _fragments;
    private Utf8Validator _utf8;

    public FrameReader(Role role, int maxFragments)
        : this(role, maxFragments, null)
    {
    }

    /// <param name="role">Whose side this is.</param>
    /// <param name="maxFragments">The most fragments of a message; 0 for no limit.</param>
    /// <param name="inflater">Decompresses; null where no compression was agreed.</param>
    public FrameReader(Role role, int maxFragments, MessageInflater? inflater)
    {
        _expectsMask = role == Role.Server;
        _maxFragments = maxFragments;
        _apart = inflater is null ? null : new Apart { Inflater = inflater };
    }

    /// <summary>What has arrived of the current message and was not taken.</summary>
    public MessageBuffer Body;

    private enum Phase : byte
    {
        Header,
        Data,
        Control,
        Skimming,
        Closed,
    }

    /// <summary>The type of the message under way; meaningful only if <see cref="InMessage"/>.</summary>
    public readonly MessageType CurrentType => (MessageType)_type;

    /// <summary>Whether a message has begun and not ended.</summary>
    public readonly bool InMessage => _type != 0;

    /// <summary>Whether the connection has no further use for data: the peer closed, or broke the protocol.</summary>
    public readonly bool IsFinished => _phase is Phase.Closed or Phase.Skimming;

    /// <summary>How long the message under way is with the frame whose payload is arriving, as far as it was not taken; 0 between data frames.</summary>
    /// <remarks>What a compressed frame will become nobody says.</remarks>
    public readonly long Announced => _phase == Phase.Data ? Body.Length + (_compressed ? 0 : Math.Min(_remaining, long.MaxValue / 2)) : 0;

    /// <summary>Judges the frame under way by a limit that has come into force since its header was read.</summary>
    public void JudgeAgain<THandler>(ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        if (_phase == Phase.Data && Exceeds(ref handler))
        {
            Fail(ProtocolViolation.MessageTooBig, ref handler);
        }
    }

    /// <summary>Takes bytes and tells the handler.</summary>
    /// <returns>How many bytes were taken: fewer than given only where <see cref="IFrameHandler.Allowance"/> ran out.</returns>
    public int Receive<THandler>(ReadOnlySpan<byte> input, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        int at = 0;
        while (true)
        {
            switch (_phase)
            {
                case Phase.Header:
                    // Checked before every frame, so that messages of no bytes cannot pile up either.
                    long allowance = at == input.Length ? 0 : handler.Allowance(Body.Length);
                    if (allowance <= 0 || (!TryReadWhole(input, ref at, allowance, ref handler) && !ReadHeader(input, ref at, ref handler)))
                    {
                        return at;
                    }

                    break;
                case Phase.Data:
                    if (!ReadData(input, ref at, ref handler))
                    {
                        return at;
                    }

                    break;
                case Phase.Control:
                    if (!ReadControl(input, ref at, ref handler))
                    {
                        return at;
                    }

                    break;
                case Phase.Skimming:
                    Skim(input[at..], ref handler);
                    return input.Length;
                default:
                    return input.Length;
            }
        }
    }

    /// <summary>
    /// Where the carrier may put the next bytes itself, if they are the payload of a large frame: it saves a copy.
    /// </summary>
    /// <returns>False if there is no such frame or it is not wanted now.</returns>
    public bool TryGetDirect<THandler>(int atLeast, ref THandler handler, out Memory<byte> memory)
        where THandler : struct, IFrameHandler
    {
        memory = default;
        if (_phase != Phase.Data || _compressed || _remaining < atLeast || handler.Discards || handler.Allowance(Body.Length) < atLeast
            || Exceeds(ref handler))
        {
            return false;
        }

        memory = Body.GetMemory(_remaining);
        return memory.Length >= atLeast;
    }

    /// <summary>The carrier has put <paramref name="count"/> bytes into the memory from <see cref="TryGetDirect"/>.</summary>
    public void CommitDirect<THandler>(Memory<byte> memory, int count, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        Debug.Assert(_phase == Phase.Data && count <= _remaining, "Direct bytes belong to a data frame.");
        Span<byte> fresh = memory.Span[..count];
        if (_masked)
        {
            _maskPhase = (byte)Mask.Apply(fresh, _maskKey, _maskPhase);
        }

        TakeChunk(fresh, ref handler);
    }

    private bool ReadHeader<THandler>(ReadOnlySpan<byte> input, ref int at, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        if (_apart is null or { HeadCount: 0 })
        {
            ReadOnlySpan<byte> rest = input[at..];
            if (FrameHeader.TryRead(rest, out FrameHeader frame, out int size) == OperationStatus.Done)
            {
                at += size;
                return Enter(frame, rest[0], rest[1], size, ref handler);
            }
        }

        return CollectHeader(input, ref at, ref handler);
    }

    /// <summary>The header is cut: collects it, judging each byte as it comes.</summary>
    private bool CollectHeader<THandler>(ReadOnlySpan<byte> input, ref int at, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        Apart apart = _apart ??= new Apart();
        Span<byte> head = apart.Head;
        while (at < input.Length)
        {
            int count = apart.Collect(input[at++]);
            ProtocolViolation? early = count == 1 ? JudgeFirst(head[0]) : count == 2 ? JudgeSecond(head[0], head[1]) : null;
            if (early is { } violation)
            {
                // What is left of this header is skimmed over with the rest.
                Fail(violation, ref handler);
                SkimHeader(ref handler);
                return true;
            }

            if (FrameHeader.TryRead(head[..count], out FrameHeader frame, out int size) == OperationStatus.Done)
            {
                apart.HeadCount = 0;
                return Enter(frame, head[0], head[1], size, ref handler);
            }
        }

        return false;
    }

    // RFC 6455 §5.2, §5.4, §5.5: what the first byte tells.
    private readonly ProtocolViolation? JudgeFirst(byte first)
    {
        var opcode = (Opcode)(first & 0x0F);
        bool fin = (first & 0x80) != 0;
        if ((first & 0x70) != 0 && !MayBeCompressed(first))
        {
            return ProtocolViolation.ReservedBitSet;
        }

        if (!opcode.IsAssigned())
        {
            return ProtocolViolation.ReservedOpcode;
        }

        if (opcode.IsControl())
        {
            return fin ? null : ProtocolViolation.FragmentedControlFrame;
        }

        if (opcode == Opcode.Continuation)
        {
            return InMessage ? null : ProtocolViolation.UnexpectedContinuation;
        }

        return InMessage ? ProtocolViolation.ExpectedContinuation : null;
    }

    // RFC 6455 §5.1: who masks; §5.5: how long a control frame may be.
    private readonly ProtocolViolation? JudgeSecond(byte first, byte second)
    {
        bool masked = (second & 0x80) != 0;
        if (masked != _expectsMask)
        {
            return masked ? ProtocolViolation.MaskedFrame : ProtocolViolation.UnmaskedFrame;
        }

        return ((Opcode)(first & 0x0F)).IsControl() && (second & 0x7F) > FrameHeader.MaxControlPayload
            ? ProtocolViolation.OversizedControlFrame
            : null;
    }

    // RFC 6455 §5.2: "the minimal number of bytes MUST be used", "the most significant bit MUST be 0".
    private static ProtocolViolation? JudgeLength(in FrameHeader frame, int headerSize) => frame.LengthSize(headerSize) switch
    {
        2 when frame.Length < 126 => ProtocolViolation.NonMinimalLength,
        8 when frame.Length <= ushort.MaxValue => ProtocolViolation.NonMinimalLength,
        8 when frame.Length > long.MaxValue => ProtocolViolation.LengthOutOfRange,
        _ => null,
    };

    private bool Enter<THandler>(in FrameHeader frame, byte first, byte second, int headerSize, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        ProtocolViolation? violation = JudgeFirst(first) ?? JudgeSecond(first, second) ?? JudgeLength(frame, headerSize);
        _opcode = frame.Opcode;
        _fin = frame.Fin;
        _masked = frame.Masked;
        _maskKey = frame.MaskKey;
        _remaining = frame.Length > long.MaxValue ? long.MaxValue : (long)frame.Length;
        _isFresh = true;
        _maskPhase = 0;
        if (violation is null && !frame.Opcode.IsControl())
        {
            violation = EnterData(frame, ref handler);
        }

        if (violation is { } broken)
        {
            Fail(broken, ref handler);
            PassOver(frame, ref handler);
            return true;
        }

        _phase = frame.Opcode.IsControl() ? Phase.Control : Phase.Data;
        return true;
    }

    private ProtocolViolation? EnterData<THandler>(in FrameHeader frame, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        if (frame.Opcode != Opcode.Continuation)
        {
            _type = frame.Opcode;
            _compressed = frame.Reserved != 0;
            _fragments = 0;
            _utf8 = default;
            if (handler.OnMessageStart((MessageType)_type) is { } violation)
            {
                return violation;
            }
        }

        _fragments++;
        if (_maxFragments != 0 && _fragments > _maxFragments && handler.LimitsFragments)
        {
            return ProtocolViolation.TooManyFragments;
        }

        if ((!frame.Fin || frame.Opcode == Opcode.Continuation) && frame.Length < SmallFragment
            && handler.OnSmallFragment() is { } flood)
        {
            return flood;
        }

        return Exceeds(ref handler) ? ProtocolViolation.MessageTooBig : null;
    }

    // Judged on the header's word, before a byte of it is stored; a compressed one by what it has become.
    private readonly bool Exceeds<THandler>(ref THandler handler)
        where THandler : struct, IFrameHandler
        => !handler.Discards && (_compressed ? 0 : _remaining) > handler.MessageLimit - Body.Length;

    private bool ReadData<THandler>(ReadOnlySpan<byte> input, ref int at, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        if (_compressed)
        {
            return ReadCompressed(input, ref at, ref handler);
        }

        int count = (int)Math.Min(Math.Min(_remaining, input.Length - at), Math.Max(0, handler.Allowance(Body.Length)));
        if (count == 0 && _remaining != 0)
        {
            return false;
        }

        // The limit may have come into force since the header was read: somebody now waits for the whole message.
        if (Exceeds(ref handler))
        {
            Fail(ProtocolViolation.MessageTooBig, ref handler);
            return true;
        }

        ReadOnlySpan<byte> chunk = input.Slice(at, count);
        at += count;
        Span<byte> target = Body.GetSpan(count, _remaining);
        if (_masked)
        {
            _maskPhase = (byte)Mask.Apply(chunk, target, _maskKey, _maskPhase);
        }
        else
        {
            chunk.CopyTo(target);
        }

        return TakeChunk(target, ref handler);
    }

    /// <summary>Validates and commits bytes that lie unmasked at the end of the body. False if the frame goes on.</summary>
    private bool TakeChunk<THandler>(ReadOnlySpan<byte> chunk, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        _remaining -= chunk.Length;
        bool endsMessage = _remaining == 0 && _fin;

        // RFC 6455 §8.1; the first branch is the common case, a message in one frame in one chunk.
        if (_type == Opcode.Text)
        {
            bool valid = endsMessage && _fragments == 1 && _isFresh
                ? Utf8.IsValid(chunk)
                : _utf8.Append(chunk) && (!endsMessage || _utf8.IsComplete);
            if (!valid)
            {
                Fail(ProtocolViolation.InvalidUtf8, ref handler);
                return true;
            }
        }

        _isFresh = false;
        if (!handler.Discards)
        {
            Body.Commit(chunk.Length);
        }

        if (_remaining != 0)
        {
            return false;
        }

        _phase = Phase.Header;
        if (endsMessage)
        {
            EndMessage(ref handler);
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void EndMessage<THandler>(ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        var type = (MessageType)_type;
        _type = 0;
        handler.OnMessage(type, ref Body);
        Body.Clear();
    }

    private bool ReadControl<THandler>(ReadOnlySpan<byte> input, ref int at, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        int count = (int)Math.Min(_remaining, input.Length - at);
        ReadOnlySpan<byte> chunk = input.Slice(at, count);
        at += count;
        if (_isFresh && count == _remaining)
        {
            Span<byte> whole = stackalloc byte[FrameHeader.MaxControlPayload];
            Unmask(chunk, whole);
            _remaining = 0;
            _phase = Phase.Header;
            HandleControl(whole[..count], ref handler);
            return true;
        }

        Apart apart = _apart ??= new Apart();
        byte[] payload = apart.Control ??= new byte[FrameHeader.MaxControlPayload];
        Unmask(chunk, payload.AsSpan(apart.ControlCount));
        apart.ControlCount += count;
        _remaining -= count;
        _isFresh = false;
        if (_remaining != 0)
        {
            return false;
        }

        int length = apart.ControlCount;
        apart.Control = null;
        apart.ControlCount = 0;
        _phase = Phase.Header;
        HandleControl(payload.AsSpan(0, length), ref handler);
        return true;
    }

    private void Unmask(ReadOnlySpan<byte> chunk, Span<byte> target)
    {
        if (_masked)
        {
            _maskPhase = (byte)Mask.Apply(chunk, target, _maskKey, _maskPhase);
        }
        else
        {
            chunk.CopyTo(target);
        }
    }

    private void HandleControl<THandler>(ReadOnlySpan<byte> payload, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        if (_opcode != Opcode.Close)
        {
            if (handler.OnControl(_opcode, payload) is { } refused)
            {
                Fail(refused, ref handler);
            }

            return;
        }

        if (CloseFrame.Read(payload, out ushort code, out string reason) is { } violation)
        {
            Fail(violation, ref handler);

            // The bad Close is the peer's last frame all the same.
            _phase = Phase.Closed;
            handler.OnClosedAfterViolation();
            return;
        }

        // RFC 6455 §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame": nothing follows.
        _phase = Phase.Closed;
        _type = 0;
        Release();
        handler.OnClose(code, reason);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Fail<THandler>(ProtocolViolation violation, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        // What came before the violation stands; the broken message is not delivered. RFC 6455 §7.1.7.
        _type = 0;
        Release();
        _phase = Phase.Skimming;
        handler.OnViolation(violation);
    }

    /// <summary>
    /// After a violation frames are no longer judged, only passed over: their shape still shows where the peer's Close is,
    /// and after that the TCP connection can end without a reset (RFC 6455 §7.1.1).
    /// </summary>
    private void Skim<THandler>(ReadOnlySpan<byte> input, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        Apart apart = _apart ??= new Apart();
        int at = 0;
        while (at < input.Length && _phase == Phase.Skimming)
        {
            if (_remaining > 0 && apart.HeadCount == 0)
            {
                int count = (int)Math.Min(_remaining, input.Length - at);
                _remaining -= count;
                at += count;
                continue;
            }

            apart.Collect(input[at++]);
            SkimHeader(ref handler);
        }
    }

    /// <summary>Looks whether the header collected so far is whole.</summary>
    private void SkimHeader<THandler>(ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        Apart apart = _apart!;
        ReadOnlySpan<byte> head = apart.Head;
        if (FrameHeader.TryRead(head[..apart.HeadCount], out FrameHeader frame, out _) == OperationStatus.Done)
        {
            apart.HeadCount = 0;
            PassOver(frame, ref handler);
        }
    }

    /// <summary>A frame that is not judged any more. A Close, even one that breaks a rule, is the peer's last frame.</summary>
    private void PassOver<THandler>(in FrameHeader frame, ref THandler handler)
        where THandler : struct, IFrameHandler
    {
        _remaining = frame.Length > long.MaxValue ? long.MaxValue : (long)frame.Length;
        if (frame.Opcode == Opcode.Close)
        {
            _phase = Phase.Closed;
            handler.OnClosedAfterViolation();
        }
    }

    /// <summary>What only some connections need, or only now and then. Once made it stays: what is cut once will be again.</summary>
    private sealed class Apart
    {
        // Null where no compression was agreed.
        public MessageInflater? Inflater;

        // What has come of a header.
        public HeaderBytes Head;
        public byte HeadCount;

        // What has come of a control frame's payload.
        public byte[]? Control;
        public int ControlCount;

        /// <summary>Takes a header's next byte. Returns how many there are.</summary>
        public int Collect(byte value)
        {
            Head[HeadCount++] = value;
            return HeadCount;
        }
    }

    [InlineArray(FrameHeader.MaxSize)]
    private struct HeaderBytes
    {
        private byte _first;
    }
}
