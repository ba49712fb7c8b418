using System.Buffers;
using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

public sealed class FrameWriterTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(1000)]
    [InlineData(1004)]
    public void Writes_what_is_left_of_a_frame(int gone)
    {
        byte[] payload = new byte[1000];
        new Random(gone).NextBytes(payload);
        byte[] whole = new WireFrame(WireFrame.Binary, payload).ToBytes();
        var output = new StingyWriter(0);

        FrameWriter.WriteRest(output, whole.AsSpan(0, 4), payload, gone);

        Assert.Equal(whole[gone..], output.ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(4082)]
    [InlineData(4092)]
    [InlineData(4093)]
    [InlineData(4096)]
    [InlineData(65535)]
    [InlineData(65536)]
    [InlineData(300_001)]
    public void Writes_a_frame_that_a_reader_written_by_hand_understands(int length)
    {
        byte[] payload = new byte[length];
        new Random(length).NextBytes(payload);
        foreach (Role role in (Role[])[Role.Server, Role.Client])
        {
            // A writer that grants exactly what was asked for, and one that grants little: both are the contract's right.
            foreach (int grant in (int[])[0, 100_000])
            {
                var output = new StingyWriter(grant);
                FrameWriter.Write(output, Opcode.Binary, true, payload, role);
                byte[] bytes = output.ToArray();
                Assert.Equal(FrameWriter.SizeOf(length, role), bytes.Length);
                var frame = new WireFrame(WireFrame.Binary, payload);
                if (role == Role.Client)
                {
                    int header = bytes.Length - length;
                    frame = frame with { Key = bytes[(header - 4)..header] };
                }

                Assert.Equal(frame.ToBytes(), bytes);
            }
        }
    }

    [Fact]
    public void Draws_a_fresh_key_for_every_frame()
    {
        var keys = new HashSet<string>();
        for (int i = 0; i < 100; i++)
        {
            var output = new ArrayBufferWriter<byte>();
            FrameWriter.Write(output, Opcode.Ping, true, [], Role.Client);
            keys.Add(Convert.ToHexString(output.WrittenSpan[2..6]));
        }

        Assert.True(keys.Count > 97);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(200)]
    [InlineData(70_000)]
    public void Encodes_the_frame_that_a_server_writes(int length)
    {
        byte[] payload = new byte[length];
        new Random(1).NextBytes(payload);
        Assert.Equal(new WireFrame(WireFrame.Text, payload).ToBytes(), FrameWriter.Encode(Opcode.Text, payload));
    }

    [Fact]
    public void Leaves_the_payload_as_it_was()
    {
        byte[] payload = [1, 2, 3, 4, 5];
        FrameWriter.Write(new ArrayBufferWriter<byte>(), Opcode.Binary, true, payload, Role.Client);
        Assert.Equal([1, 2, 3, 4, 5], payload);
    }

    private sealed class StingyWriter(int least) : IBufferWriter<byte>
    {
        private readonly List<byte> _bytes = [];
        private byte[] _granted = [];

        public void Advance(int count) => _bytes.AddRange(_granted.AsSpan(0, count));

        public Memory<byte> GetMemory(int sizeHint = 0) => _granted = new byte[Math.Max(Math.Max(sizeHint, 1), least)];

        public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public byte[] ToArray() => [.. _bytes];
    }
}
