using Duologue.Protocol;
using Duologue.Protocol.Deflate;

namespace Duologue.Tests.Protocol;

/// <summary>A <see cref="FrameReader"/> whose events are written down.</summary>
internal sealed class RecordingReader(Role role, int maxFragments = 0, MessageInflater? inflater = null)
{
    private FrameReader _reader = new(role, maxFragments, inflater);

    public List<string> Events { get; } = [];

    public long MessageLimit { get; set; } = long.MaxValue;

    public long Allowance { get; set; } = long.MaxValue;

    public bool Discards { get; set; }

    /// <summary>Refuses the control frame or the message of this number.</summary>
    public int RefusedControl { get; set; } = -1;

    public int RefusedMessage { get; set; } = -1;

    public bool InMessage => _reader.InMessage;

    public int BodyLength => _reader.Body.Length;

    public int SmallFragments { get; private set; }

    private int Controls { get; set; }

    private int Messages { get; set; }

    public static List<string> All(Role role, byte[] bytes)
    {
        var reader = new RecordingReader(role);
        reader.Receive(bytes);
        return reader.Events;
    }

    public int Receive(ReadOnlySpan<byte> bytes)
    {
        var sink = new Sink(this);
        return _reader.Receive(bytes, ref sink);
    }

    public void ReceiveByteByByte(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            Receive([b]);
        }
    }

    /// <summary>Takes bytes the direct way, if the reader offers it. Returns how many.</summary>
    public int ReceiveDirect(ReadOnlySpan<byte> bytes, int atLeast, int atMost)
    {
        var sink = new Sink(this);
        if (bytes.IsEmpty || !_reader.TryGetDirect(atLeast, ref sink, out Memory<byte> memory))
        {
            return 0;
        }

        int count = Math.Min(Math.Min(bytes.Length, memory.Length), atMost);
        bytes[..count].CopyTo(memory.Span);
        _reader.CommitDirect(memory, count, ref sink);
        return count;
    }

    private readonly struct Sink(RecordingReader owner) : IFrameHandler
    {
        public long MessageLimit => owner.MessageLimit;

        public bool LimitsFragments => true;

        public bool Discards => owner.Discards;

        public long Allowance(int buffered) => owner.Allowance == long.MaxValue ? long.MaxValue : owner.Allowance - buffered;

        public ProtocolViolation? OnSmallFragment()
        {
            owner.SmallFragments++;
            return null;
        }

        public ProtocolViolation? OnMessageStart(MessageType type)
        {
            owner.Events.Add($"start {type}");
            return owner.Messages++ == owner.RefusedMessage ? ProtocolViolation.TooManyMessages : null;
        }

        public void OnMessage(MessageType type, ref MessageBuffer body) =>
            owner.Events.Add($"{type} {Convert.ToHexString(body.Memory.Span)}");

        public ProtocolViolation? OnControl(Opcode opcode, ReadOnlySpan<byte> payload)
        {
            owner.Events.Add($"{opcode} {Convert.ToHexString(payload)}");
            return owner.Controls++ == owner.RefusedControl ? ProtocolViolation.TooManyControlFrames : null;
        }

        public void OnClose(ushort code, string reason) => owner.Events.Add($"Close {code} {reason}");

        public void OnViolation(ProtocolViolation violation) => owner.Events.Add($"violation {violation}");

        public void OnClosedAfterViolation() => owner.Events.Add("closed after violation");
    }
}
