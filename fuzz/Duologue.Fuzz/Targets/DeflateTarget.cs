using System.IO.Compression;
using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Wire;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;

namespace Duologue.Fuzz.Targets;

/// <summary>
/// The frame reader with compression agreed (RFC 7692). Input: flags (1 client, 2 small limit, 4 context, the window bits less 8 above),
/// two bytes that decide the cuts, the stream.
/// </summary>
internal sealed class DeflateTarget : FuzzTarget
{
    private const int LargeLimit = 64 * 1024;
    private const int SmallLimit = 300;

    public override string Name => "deflate";

    public override string Invariant =>
        "Nothing that is inflated passes the limit, not by a byte and not for a moment; the same bytes give the same events however they are cut, but for "
        + "references beyond an agreed window; no garbage throws or ends the process; all memory is given back.";

    public override IEnumerable<byte[]> Seeds
    {
        get
        {
            for (int seed = 0; seed < 16; seed++)
            {
                yield return Generate(new Random(seed));
            }
        }
    }

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [0xC1, 0x07, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], // RFC 7692 §7.2.3.1
        [0xC2, 0x01, 0x00], [0x00], [0x00, 0x00, 0xFF, 0xFF], [0x01, 0x00, 0x00, 0xFF, 0xFF], [0x03, 0x00], [0x00, 0x05, 0x00, 0xFA, 0xFF],
        [0x4A, 0x4C, 0x04], [0x05], [0x06], [0x07], [0xC1], [0xC2], [0x41], [0x80], [0x00, 0x81],
        .. WireInputs.Dictionary.Take(12),
    ];

    public override byte[] Generate(Random random)
    {
        byte flags = (byte)random.Next(64);
        List<Frame> frames = FrameStreams.Generate(random, masked: (flags & 1) == 0, faults: random.Next(3) == 0);
        var stream = new List<Frame>();
        foreach (Frame frame in frames)
        {
            if (frame.Opcode is Frame.Text or Frame.Binary && random.Next(4) != 0)
            {
                AddCompressed(stream, frame, random);
            }
            else
            {
                stream.Add(frame);
            }
        }

        return [flags, (byte)random.Next(256), (byte)random.Next(256), .. FrameStreams.ToBytes(stream)];
    }

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        var decisions = new InputReader(input);
        byte flags = decisions.Byte();
        int seed = (decisions.Byte() << 8) | decisions.Byte();
        ReadOnlySpan<byte> stream = decisions.Rest;
        Role role = (flags & 1) == 0 ? Role.Server : Role.Client;
        int limit = (flags & 2) != 0 ? SmallLimit : LargeLimit;
        var agreement = new DeflateAgreement
        {
            SendsWithContext = false,
            SendWindowBits = 15,
            ReceivesWithContext = (flags & 4) != 0,
            ReceiveWindowBits = Math.Clamp(8 + ((flags >> 3) & 7), 9, 15),
            Threshold = 0,
        };
        RentedArrays.BeginHere();

        var whole = new Recorder(role, agreement, limit);
        int taken = whole.Receive(stream);
        InvariantException.Require(taken == stream.Length, "all bytes are taken", () => $"{taken}");
        whole.Release();
        Compare(whole, Feed(stream, new Recorder(role, agreement, limit), static _ => 1), "byte by byte");
        var cuts = new Random(seed);
        Compare(whole, Feed(stream, new Recorder(role, agreement, limit), _ => Cuts.SizeOf((byte)cuts.Next(16))), "in random cuts");
        var stops = new Random(seed);
        Compare(whole, Stop(stream, new Recorder(role, agreement, limit), stops), "stopped again and again");
        InvariantException.Require(RentedArrays.MissingHere == 0, "arrays are given back", () => $"{RentedArrays.MissingHere} are missing");
        return whole.Signature;
    }

    private static void AddCompressed(List<Frame> stream, Frame frame, Random random)
    {
        // Long runs of one byte: what a bomb is made of.
        byte[] data = random.Next(8) == 0 ? new byte[random.Next(1, 200_000)] : frame.Payload;
        byte[] payload = Compress(data, random.Next(4) == 0 ? CompressionLevel.NoCompression : CompressionLevel.Optimal);
        if (random.Next(4) == 0 && payload.Length > 0)
        {
            payload[random.Next(payload.Length)] ^= (byte)(1 << random.Next(8));
        }

        int cut = random.Next(3) == 0 ? random.Next(payload.Length + 1) : payload.Length;
        Frame first = frame with { Payload = payload[..cut], Reserved = 4, LengthSize = null, ClaimedLength = null };
        if (cut == payload.Length || !frame.Fin)
        {
            stream.Add(first);
            return;
        }

        stream.Add(first with { Fin = false });
        stream.Add(first with { Opcode = Frame.Continuation, Payload = payload[cut..], Reserved = random.Next(20) == 0 ? 4 : 0 });
    }

    // RFC 7692 §7.2.1, by the base class library rather than by the code under test.
    private static byte[] Compress(byte[] data, CompressionLevel level)
    {
        using var compressed = new MemoryStream();
        using var deflate = new DeflateStream(compressed, level, leaveOpen: true);
        deflate.Write(data);
        deflate.Flush();
        byte[] bytes = compressed.ToArray();
        return bytes.AsSpan().EndsWith((ReadOnlySpan<byte>)[0x00, 0x00, 0xFF, 0xFF]) ? bytes[..^4] : bytes;
    }

    private static Recorder Feed(ReadOnlySpan<byte> stream, Recorder reader, Func<int, int> cut)
    {
        for (int at = 0; at < stream.Length;)
        {
            int count = Math.Min(cut(at), stream.Length - at);
            int position = at;
            InvariantException.Require(reader.Receive(stream.Slice(at, count)) == count, "all bytes are taken", () => $"not at {position}");
            at += count;
        }

        reader.Release();
        return reader;
    }

    private static Recorder Stop(ReadOnlySpan<byte> stream, Recorder reader, Random random)
    {
        int idle = 0;
        for (int at = 0; at < stream.Length;)
        {
            int buffered = reader.Buffered;
            reader.Allowance = buffered + random.Next(0, 2000);
            int count = reader.Receive(stream[at..]);
            at += count;

            // A byte that inflates to much is held back until there is room for all of it: then the buffer grows, or the room was none.
            idle = count > 0 || reader.Buffered != buffered ? 0 : idle + 1;
            int position = at;
            InvariantException.Require(idle < 1000, "there is progress", () => $"none at {position}");
        }

        reader.Release();
        return reader;
    }

    private static void Compare(Recorder expected, Recorder actual, string how)
    {
        // zlib sees a reference beyond an agreed smaller window only where what it refers to has left its output already: how a peer that breaks
        // its word is caught depends on the cuts, and it may be not at all. No reference is longer than the largest window.
        bool mayDiffer = expected.Agreement.ReceivesWithContext && expected.Agreement.ReceiveWindowBits < 15;
        if (!mayDiffer && !expected.Events.SequenceEqual(actual.Events))
        {
            throw new InvariantException($"the events are the same {how}", $"{string.Join(" | ", expected.Events)} -- and -- {string.Join(" | ", actual.Events)}");
        }
    }

    /// <summary>A reader whose events are written down, and whose buffer is watched.</summary>
    private sealed class Recorder(Role role, DeflateAgreement agreement, int limit)
    {
        private FrameReader _reader = new(role, 0, new MessageInflater(agreement));
        private Signature _signature = new();

        public List<string> Events { get; } = [];

        public ulong Signature => _signature.Value;

        public long Allowance { get; set; } = long.MaxValue;

        public int Buffered => _reader.Body.Length;

        public DeflateAgreement Agreement => agreement;

        private int Limit => limit;

        public int Receive(ReadOnlySpan<byte> bytes)
        {
            var sink = new Sink(this);
            int taken = _reader.Receive(bytes, ref sink);
            CheckLimit(_reader.Body.Length);
            return taken;
        }

        public void Release() => _reader.Release();

        private void CheckLimit(int length) => InvariantException.Require(length <= limit, "nothing passes the limit", () => $"{length} of {limit}");

        private void Add(string e, int kind, int size)
        {
            Events.Add(e);
            _signature.Add(kind);
            _signature.AddCount(size);
        }

        private readonly struct Sink(Recorder owner) : IFrameHandler
        {
            public long MessageLimit => owner.Limit;

            public bool LimitsFragments => true;

            public bool Discards => false;

            public long Allowance(int buffered) => owner.Allowance == long.MaxValue ? long.MaxValue : owner.Allowance - buffered;

            public ProtocolViolation? OnSmallFragment() => null;

            public ProtocolViolation? OnMessageStart(MessageType type) => null;

            public void OnMessage(MessageType type, ref MessageBuffer body)
            {
                owner.CheckLimit(body.Length);
                owner.Add($"{type} {Convert.ToHexString(body.Memory.Span)}", (int)type, body.Length);
            }

            public ProtocolViolation? OnControl(Opcode opcode, ReadOnlySpan<byte> payload)
            {
                owner.Add($"{opcode} {Convert.ToHexString(payload)}", (int)opcode, payload.Length);
                return null;
            }

            public void OnClose(ushort code, string reason) => owner.Add($"close {code} {reason}", (int)Opcode.Close, reason.Length);

            public void OnViolation(ProtocolViolation violation) => owner.Add($"violation {violation}", 100 + (int)violation, 0);

            public void OnClosedAfterViolation() => owner.Add("closed after violation", 99, 0);
        }
    }
}
