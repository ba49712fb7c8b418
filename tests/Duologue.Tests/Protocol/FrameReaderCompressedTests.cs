using System.Text;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Duologue.Tests.Protocol.Deflate;

namespace Duologue.Tests.Protocol;

public sealed class FrameReaderCompressedTests
{
    private const int Compressed = 4;

    [Theory]

    // The examples of RFC 7692 §7.2.3, all of them "Hello".
    [InlineData("F248CDC9C90700")]
    [InlineData("000500FAFF48656C6C6F00")]
    [InlineData("F348CDC9C9070000")]
    [InlineData("F248050000 00FFFF CAC9C90700")]

    // A last block without the byte that should follow it.
    [InlineData("F348CDC9C90700")]
    public void Reads_the_examples_of_the_RFC_however_they_are_cut(string payload)
    {
        byte[] frame = new WireFrame(WireFrame.Text, FromHex(payload)) { Reserved = Compressed }.Masked().ToBytes();
        foreach (bool context in (bool[])[true, false])
        {
            using var inflater = new MessageInflater(Reference.Agreement(context));
            var reader = new RecordingReader(Role.Server, inflater: inflater);
            Feed(reader, frame, 1);
            Feed(reader, frame, int.MaxValue);
            Assert.Equal(["start Text", "Text 48656C6C6F", "start Text", "Text 48656C6C6F"], reader.Events);
            Assert.Equal(context, inflater.HoldsMemory);
        }
    }

    [Fact]
    public void A_message_may_refer_to_the_one_before_it_where_that_was_agreed()
    {
        // RFC 7692 §7.2.3.2.
        byte[] frames = [.. Frame("F248CDC9C90700"), .. Frame("F200110000")];
        using var inflater = new MessageInflater(Reference.Agreement(context: true));
        var reader = new RecordingReader(Role.Client, inflater: inflater);
        reader.Receive(frames);
        Assert.Equal(["start Text", "Text 48656C6C6F", "start Text", "Text 48656C6C6F"], reader.Events);

        using var without = new MessageInflater(Reference.Agreement(context: false));
        var refusing = new RecordingReader(Role.Client, inflater: without);
        refusing.Receive(frames);
        Assert.Equal(["start Text", "Text 48656C6C6F", "start Text", "violation InvalidCompressedData"], refusing.Events);

        static byte[] Frame(string hex) => new WireFrame(WireFrame.Text, FromHex(hex)) { Reserved = Compressed }.ToBytes();
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("0200")]
    [InlineData("0300")]
    public void Reads_empty_messages(string payload)
    {
        foreach (bool context in (bool[])[true, false])
        {
            using var inflater = new MessageInflater(Reference.Agreement(context));
            var reader = new RecordingReader(Role.Server, inflater: inflater);
            byte[] frame = new WireFrame(WireFrame.Text, FromHex(payload)) { Reserved = Compressed }.Masked().ToBytes();
            byte[] hello = new WireFrame(WireFrame.Binary, FromHex("F248CDC9C90700")) { Reserved = Compressed }.Masked().ToBytes();
            reader.Receive([.. frame, .. hello]);
            Assert.Equal(["start Text", "Text ", "start Binary", "Binary 48656C6C6F"], reader.Events);
        }
    }

    [Theory]
    [InlineData(WireFrame.Text, 2)]
    [InlineData(WireFrame.Text, 1)]
    [InlineData(WireFrame.Text, 6)]
    [InlineData(WireFrame.Binary, 5)]
    [InlineData(WireFrame.Ping, 4)]
    [InlineData(WireFrame.Pong, 4)]
    [InlineData(WireFrame.Close, 4)]
    [InlineData(WireFrame.Continuation, 4)]
    [InlineData(WireFrame.Continuation, 2)]
    public void A_reserved_bit_that_compression_does_not_use_there_is_a_violation(int opcode, int reserved)
    {
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Client, inflater: inflater);
        if (opcode == WireFrame.Continuation)
        {
            reader.Receive(new WireFrame(WireFrame.Binary, FromHex("F248CDC9C90700")) { Reserved = Compressed, Fin = false }.ToBytes());
        }

        reader.Receive(new WireFrame(opcode, [0, 0]) { Reserved = reserved }.ToBytes());
        Assert.Contains("violation ReservedBitSet", reader.Events);
        Assert.False(inflater.HoldsMemory);
    }

    [Theory]
    [InlineData("FF")]
    [InlineData("07")]
    [InlineData("F248CDC9C90700FF")]
    [InlineData("0005000000")]

    // It breaks off within a block, of each kind.
    [InlineData("F248CD")]
    [InlineData("000500FAFF4865")]
    [InlineData("F248CDC9C907")]

    // The four bytes that the sender should have left off.
    [InlineData("F248CDC9C907000000FFFF")]
    public void What_is_no_DEFLATE_is_a_violation(string payload)
    {
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Server, inflater: inflater);
        reader.Receive(new WireFrame(WireFrame.Binary, FromHex(payload)) { Reserved = Compressed }.Masked().ToBytes());
        Assert.Equal(["start Binary", "violation InvalidCompressedData"], reader.Events);
        Assert.False(inflater.HoldsMemory);
    }

    [Fact]
    public void Invalid_text_is_found_while_its_frame_is_still_arriving()
    {
        byte[] text = [.. Reference.Sample(new Random(1), 500, isText: true), 0xFF, .. Reference.Sample(new Random(2), 5000, isText: false)];
        byte[] payload = Reference.Compress(text);
        byte[] frame = new WireFrame(WireFrame.Text, payload) { Reserved = Compressed }.Masked().ToBytes();
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Server, inflater: inflater);
        reader.Receive(frame.AsSpan(0, frame.Length / 2));
        Assert.Equal(["start Text", "violation InvalidUtf8"], reader.Events);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void Text_that_is_invalid_before_bytes_that_are_no_DEFLATE_is_told_however_they_are_cut(int cut)
    {
        // A character that nothing can begin with, and then a block of a kind that does not exist.
        byte[] payload = [.. Reference.Compress([0x61, 0xFF]), 0x00, 0x00, 0xFF, 0xFF, 0x07];
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Server, inflater: inflater);
        Feed(reader, new WireFrame(WireFrame.Text, payload) { Reserved = Compressed }.Masked().ToBytes(), cut);
        Assert.Equal(["start Text", "violation InvalidUtf8"], reader.Events);
    }

    [Fact]
    public void Text_that_ends_within_a_character_is_a_violation()
    {
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Server, inflater: inflater);
        reader.Receive(new WireFrame(WireFrame.Text, Reference.Compress([0x61, 0xE2, 0x82])) { Reserved = Compressed }.Masked().ToBytes());
        Assert.Equal(["start Text", "violation InvalidUtf8"], reader.Events);
    }

    [Theory]
    [InlineData(1000, 1000, true)]
    [InlineData(1000, 999, false)]
    [InlineData(100_000, 100_000, true)]
    [InlineData(100_000, 99_999, false)]
    [InlineData(1, 0, false)]
    public void The_limit_is_on_what_comes_out_to_the_byte(int size, int limit, bool passes)
    {
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Server, inflater: inflater) { MessageLimit = limit };
        reader.Receive(new WireFrame(WireFrame.Binary, Reference.Compress(new byte[size])) { Reserved = Compressed }.Masked().ToBytes());
        Assert.Equal(passes ? $"Binary {new string('0', 2 * size)}" : "violation MessageTooBig", reader.Events[^1]);
    }

    [Fact]
    public void A_bomb_is_stopped_at_the_limit_and_costs_no_more()
    {
        // A gigabyte of zeros in a megabyte: the same megabyte's worth of blocks again and again.
        const int Limit = 1024 * 1024;
        byte[] piece = Reference.Compress(new byte[16 * Limit]);
        byte[] bomb = [.. Enumerable.Repeat<byte[]>([.. piece, 0, 0, 0xFF, 0xFF], 64).SelectMany(bytes => bytes)];
        byte[] frame = new WireFrame(WireFrame.Binary, bomb) { Reserved = Compressed }.Masked().ToBytes();
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Server, inflater: inflater) { MessageLimit = Limit };
        long before = GC.GetAllocatedBytesForCurrentThread();
        reader.Receive(frame);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(["start Binary", "violation MessageTooBig"], reader.Events);

        // Doubling up to the limit: the arrays before the last are together as long as it.
        Assert.InRange(allocated, 0, 3 * Limit);
        Assert.False(inflater.HoldsMemory);
    }

    [Fact]
    public void A_long_message_that_compresses_well_passes_although_its_frames_are_longer_than_the_limit_says()
    {
        // Nothing but empty blocks: much to read, nothing to hold.
        byte[] blocks = [.. Enumerable.Repeat<byte[]>([0, 0, 0, 0xFF, 0xFF], 1000).SelectMany(bytes => bytes), 0];
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Server, inflater: inflater) { MessageLimit = 10 };
        reader.Receive(new WireFrame(WireFrame.Text, blocks) { Reserved = Compressed }.Masked().ToBytes());
        Assert.Equal(["start Text", "Text "], reader.Events);
    }

    [Fact]
    public void What_is_thrown_away_is_read_all_the_same_so_that_the_context_stays()
    {
        using var compressor = new Reference.Compressor();
        byte[] text = Reference.Sample(new Random(3), 3000, isText: true);
        byte[] first = new WireFrame(WireFrame.Text, compressor.Next(text)) { Reserved = Compressed }.Masked().ToBytes();
        byte[] second = new WireFrame(WireFrame.Text, compressor.Next(text)) { Reserved = Compressed }.Masked().ToBytes();
        using var inflater = new MessageInflater(Reference.Agreement(context: true));
        var reader = new RecordingReader(Role.Server, inflater: inflater) { Discards = true, MessageLimit = 10 };
        reader.Receive(first);
        reader.Discards = false;
        reader.MessageLimit = long.MaxValue;
        reader.Receive(second);
        Assert.Equal(["start Text", "Text ", "start Text", $"Text {Convert.ToHexString(text)}"], reader.Events);
    }

    [Fact]
    public void Direct_receiving_is_not_for_compressed_frames()
    {
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Server, inflater: inflater);
        byte[] frame = new WireFrame(WireFrame.Binary, Reference.Compress(Reference.Sample(new Random(4), 50_000, isText: false))) { Reserved = Compressed }.Masked().ToBytes();
        reader.Receive(frame.AsSpan(0, 100));
        Assert.Equal(0, reader.ReceiveDirect(frame.AsSpan(100), 1, int.MaxValue));
    }

    [Fact]
    public void Random_messages_in_random_fragments_cuts_and_allowances_arrive_as_they_were()
    {
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            Role role = random.Next(2) == 0 ? Role.Server : Role.Client;
            bool context = random.Next(2) == 0;
            using var compressor = new Reference.Compressor();
            var expected = new List<string>();
            var bytes = new List<byte>();
            for (int message = 0; message < 8; message++)
            {
                bool isText = random.Next(2) == 0;
                byte[] data = Reference.Sample(random, random.Next(4) == 0 ? random.Next(40_000) : random.Next(600), isText);
                int opcode = isText ? WireFrame.Text : WireFrame.Binary;
                expected.Add($"start {(MessageType)opcode}");
                AddMessage(random, role, opcode, data, context ? compressor : null, bytes, expected);
                expected.Add($"{(MessageType)opcode} {Convert.ToHexString(data)}");
            }

            using var inflater = new MessageInflater(Reference.Agreement(context));
            var reader = new RecordingReader(role, inflater: inflater);
            byte[] all = [.. bytes];
            for (int at = 0, stalled = 0; at < all.Length;)
            {
                // What was not taken is given again, as a carrier does.
                int cut = Math.Min(all.Length - at, random.Next(5) == 0 ? random.Next(10_000) : random.Next(1, 40));
                reader.Allowance = random.Next(3) == 0 ? long.MaxValue : reader.BodyLength + random.Next(300);
                int taken = reader.Receive(all.AsSpan(at, cut));
                at += taken;
                stalled = taken == 0 ? stalled + 1 : 0;
                Assert.True(stalled < 1000, $"seed {seed}: it stands still at {at} of {all.Length}");
            }

            Assert.True(expected.SequenceEqual(reader.Events), $"seed {seed}");
            Assert.False(reader.InMessage);
        }
    }

    [Fact]
    public void What_one_byte_becomes_comes_bit_by_bit_as_there_is_room()
    {
        // The last byte is taken only when all that it makes has been.
        byte[] data = new byte[100_000];
        byte[] frame = new WireFrame(WireFrame.Binary, Reference.Compress(data)) { Reserved = Compressed }.ToBytes();
        using var inflater = new MessageInflater(Reference.Agreement(context: false));
        var reader = new RecordingReader(Role.Client, inflater: inflater);
        int at = 0;
        for (int allowed = 1000; at < frame.Length; allowed += 1000)
        {
            reader.Allowance = allowed;
            at += reader.Receive(frame.AsSpan(at));
            Assert.True(reader.BodyLength <= allowed);
            Assert.Equal(allowed <= data.Length ? allowed : 0, reader.BodyLength);
        }

        Assert.Equal($"Binary {Convert.ToHexString(data)}", reader.Events[^1]);
    }

    private static void AddMessage(Random random, Role role, int opcode, byte[] data, Reference.Compressor? compressor, List<byte> into, List<string> events)
    {
        bool compressed = random.Next(4) != 0;
        byte[] payload = compressed ? compressor?.Next(data) ?? Reference.Compress(data) : data;
        int fragments = random.Next(1, 5);
        for (int i = 0, at = 0; i < fragments; i++)
        {
            bool last = i == fragments - 1;
            int count = last ? payload.Length - at : random.Next((payload.Length - at) + 1);
            into.AddRange(new WireFrame(i == 0 ? opcode : WireFrame.Continuation, payload[at..(at + count)])
            {
                Fin = last,
                Reserved = compressed && i == 0 ? Compressed : 0,
            }.For(role).ToBytes());
            at += count;
            if (!last && random.Next(2) == 0)
            {
                into.AddRange(new WireFrame(WireFrame.Ping, Encoding.ASCII.GetBytes("p")).For(role).ToBytes());
                events.Add("Ping 70");
            }
        }
    }

    private static void Feed(RecordingReader reader, byte[] bytes, int cut)
    {
        for (int at = 0; at < bytes.Length;)
        {
            int count = Math.Min(cut, bytes.Length - at);
            Assert.Equal(count, reader.Receive(bytes.AsSpan(at, count)));
            at += count;
        }
    }

    private static byte[] FromHex(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
}
