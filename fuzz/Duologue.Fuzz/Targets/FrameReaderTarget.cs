using System.Text;
using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Wire;
using Duologue.Protocol;

namespace Duologue.Fuzz.Targets;

/// <summary>
/// The frame reader of both roles. Input: flags (1 client, 2 small limits), two bytes that decide the cuts, the stream.
/// </summary>
internal sealed class FrameReaderTarget : FuzzTarget
{
    private const int SmallMessage = 200;
    private const int SmallFragments = 4;

    public override string Name => "frame-reader";

    public override string Invariant =>
        "The same bytes give the same events however they are cut, those that a second reading of the RFC gives; nothing is thrown; "
        + "no array is larger than limits and arrivals allow, and all are given back.";

    public override IEnumerable<byte[]> Seeds => WireInputs.Seeds(3);

    public override IReadOnlyList<byte[]> Dictionary => WireInputs.Dictionary;

    public override byte[] Generate(Random random)
    {
        byte flags = (byte)random.Next(4);
        byte[] stream = FrameStreams.ToBytes(FrameStreams.Generate(random, masked: (flags & 1) == 0, faults: random.Next(4) != 0));
        return [flags, (byte)random.Next(256), (byte)random.Next(256), .. stream];
    }

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        var decisions = new InputReader(input);
        byte flags = decisions.Byte();
        Role role = (flags & 1) == 0 ? Role.Server : Role.Client;
        bool small = (flags & 2) != 0;
        int seed = (decisions.Byte() << 8) | decisions.Byte();
        ReadOnlySpan<byte> stream = decisions.Rest;
        RentedArrays.BeginHere();

        EventRecorder whole = New();
        int taken = whole.Receive(stream);
        InvariantException.Require(taken == stream.Length, "all bytes are taken", () => $"{taken}");
        CompareWithModel(whole, stream, role, small);

        EventRecorder single = New();
        for (int i = 0; i < stream.Length; i++)
        {
            single.Receive(stream.Slice(i, 1));
        }

        Same(whole, single, "byte by byte");
        Same(whole, Cut(stream, New(), new Random(seed)), "in random cuts");
        Same(whole, Direct(stream, New(), new Random(seed)), "received directly");
        Same(whole, Stopped(stream, New(), new Random(seed)), "stopped again and again");

        // What is announced is believed up to 64 KiB, and doubled as it arrives; the pool rounds up to a power of two.
        int bound = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(64 * 1024, 2 * Math.Max(stream.Length, 1)));
        InvariantException.Require(RentedArrays.LargestRentedHere <= bound, "arrays are bounded", () => $"{RentedArrays.LargestRentedHere} of {bound}");
        InvariantException.Require(RentedArrays.MissingHere == 0, "arrays are given back", () => $"{RentedArrays.MissingHere} are missing");
        return whole.Signature;

        EventRecorder New() => new(role, small ? SmallMessage : long.MaxValue, small ? SmallFragments : 0);
    }

    private static EventRecorder Cut(ReadOnlySpan<byte> stream, EventRecorder reader, Random random)
    {
        for (int at = 0; at < stream.Length;)
        {
            int count = Math.Min(Cuts.SizeOf((byte)random.Next(16)), stream.Length - at);
            at += reader.Receive(stream.Slice(at, count));
        }

        return reader;
    }

    private static EventRecorder Direct(ReadOnlySpan<byte> stream, EventRecorder reader, Random random)
    {
        for (int at = 0; at < stream.Length;)
        {
            int count = Math.Min(Cuts.SizeOf((byte)random.Next(16)), stream.Length - at);
            int taken = random.Next(2) == 0 ? reader.ReceiveDirect(stream[at..], random.Next(1, 5), count) : 0;
            at += taken > 0 ? taken : reader.Receive(stream.Slice(at, count));
        }

        return reader;
    }

    private static EventRecorder Stopped(ReadOnlySpan<byte> stream, EventRecorder reader, Random random)
    {
        for (int at = 0; at < stream.Length;)
        {
            reader.Allowance = reader.Buffered + random.Next(0, 40);
            at += reader.Receive(stream[at..]);
        }

        return reader;
    }

    private static void Same(EventRecorder expected, EventRecorder actual, string how)
    {
        actual.Release();
        if (!expected.Events.SequenceEqual(actual.Events))
        {
            throw new InvariantException($"the events are the same {how}", $"{string.Join(" | ", expected.Events)} -- and -- {string.Join(" | ", actual.Events)}");
        }
    }

    private static void CompareWithModel(EventRecorder reader, ReadOnlySpan<byte> stream, Role role, bool small)
    {
        StreamLimits limits = small ? new StreamLimits(SmallMessage, SmallFragments) : StreamLimits.None;
        List<string> expected = [.. StreamModel.Read(stream, role == Role.Server, limits, out _).Select(EventRecorder.Describe)];
        List<string> actual = [.. reader.Events.Where(e => e != EventRecorder.ClosedAfterViolation)];
        reader.Release();
        if (!expected.SequenceEqual(actual))
        {
            throw new InvariantException("the events are those of the model", $"{string.Join(" | ", expected)} -- but -- {string.Join(" | ", actual)}");
        }
    }

    /// <summary>A reader whose events are written down.</summary>
    private sealed class EventRecorder(Role role, long messageLimit, int maxFragments)
    {
        public const string ClosedAfterViolation = "closed after violation";

        private FrameReader _reader = new(role, maxFragments);
        private Signature _signature = new();

        public List<string> Events { get; } = [];

        public ulong Signature => _signature.Value;

        public long Allowance { get; set; } = long.MaxValue;

        public int Buffered => _reader.Body.Length;

        private long MessageLimit => messageLimit;

        public int Receive(ReadOnlySpan<byte> bytes)
        {
            var sink = new Sink(this);
            return _reader.Receive(bytes, ref sink);
        }

        /// <summary>Takes bytes the direct way, if the reader offers it. Returns how many.</summary>
        public int ReceiveDirect(ReadOnlySpan<byte> bytes, int atLeast, int atMost)
        {
            var sink = new Sink(this);
            if (!_reader.TryGetDirect(atLeast, ref sink, out Memory<byte> memory))
            {
                return 0;
            }

            int count = Math.Min(Math.Min(bytes.Length, memory.Length), atMost);
            bytes[..count].CopyTo(memory.Span);
            _reader.CommitDirect(memory, count, ref sink);
            return count;
        }

        public void Release() => _reader.Body.Release();

        public static string Describe(StreamEvent e) => e.Violation is { } violation
            ? $"violation {violation}"
            : e.Opcode == Frame.Close
                ? DescribeClose(e.Data)
                : Describe(e.Opcode, e.Data);

        private static string DescribeClose(byte[] body) => body.Length == 0
            ? "close 1005 "
            : $"close {(body[0] << 8) | body[1]} {Encoding.UTF8.GetString(body.AsSpan(2))}";

        private static string Describe(int opcode, ReadOnlySpan<byte> data) => $"{opcode} {Convert.ToHexString(data)}";

        private void Add(string e, int kind, int size)
        {
            Events.Add(e);
            _signature.Add(kind);
            _signature.AddCount(size);
        }

        private readonly struct Sink(EventRecorder owner) : IFrameHandler
        {
            public long MessageLimit => owner.MessageLimit;

            public bool LimitsFragments => true;

            public bool Discards => false;

            public long Allowance(int buffered) => owner.Allowance == long.MaxValue ? long.MaxValue : owner.Allowance - buffered;

            public ProtocolViolation? OnSmallFragment() => null;

            public ProtocolViolation? OnMessageStart(MessageType type) => null;

            public void OnMessage(MessageType type, ref MessageBuffer body) =>
                owner.Add(Describe((int)type, body.Memory.Span), (int)type, body.Length);

            public ProtocolViolation? OnControl(Opcode opcode, ReadOnlySpan<byte> payload)
            {
                owner.Add(Describe((int)opcode, payload), (int)opcode, payload.Length);
                return null;
            }

            public void OnClose(ushort code, string reason) => owner.Add($"close {code} {reason}", (int)Opcode.Close, reason.Length);

            public void OnViolation(ProtocolViolation violation) => owner.Add($"violation {violation}", 100 + (int)violation, 0);

            public void OnClosedAfterViolation() => owner.Add(ClosedAfterViolation, 99, 0);
        }
    }
}
