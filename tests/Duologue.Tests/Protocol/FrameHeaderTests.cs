using System.Buffers;
using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

public sealed class FrameHeaderTests
{
    public static readonly TheoryData<long, int> Lengths = new()
    {
        { 0, 2 }, { 1, 2 }, { 125, 2 }, { 126, 4 }, { 127, 4 }, { 65535, 4 }, { 65536, 10 }, { 1L << 32, 10 }, { long.MaxValue, 10 },
    };

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Writes_each_length_in_its_shortest_form_and_reads_it_back(long length, int unmaskedSize)
    {
        Span<byte> bytes = stackalloc byte[FrameHeader.MaxSize];
        foreach (bool masked in (bool[])[false, true])
        {
            int expected = unmaskedSize + (masked ? 4 : 0);
            Assert.Equal(expected, FrameHeader.SizeFor(length, masked));
            Assert.Equal(expected, FrameHeader.Write(bytes, Opcode.Binary, true, length, masked, 0xAABBCCDD));
            Assert.Equal(OperationStatus.Done, FrameHeader.TryRead(bytes[..expected], out FrameHeader header, out int size));
            Assert.Equal(new FrameHeader(Opcode.Binary, true, 0, masked, masked ? 0xAABBCCDDu : 0, (ulong)length), header);
            Assert.Equal(expected, size);
            Assert.Equal(unmaskedSize - 2, header.LengthSize(size));
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(300)]
    [InlineData(70_000)]
    public void Writes_the_bytes_that_the_specification_draws(int length)
    {
        foreach (bool masked in (bool[])[false, true])
        {
            var frame = new WireFrame(WireFrame.Text, new byte[length]) { Fin = false };
            byte[] expected = (masked ? frame.Masked() : frame).ToBytes();
            byte[] bytes = new byte[FrameHeader.MaxSize];
            int size = FrameHeader.Write(bytes, Opcode.Text, false, length, masked, masked ? 0x3D21FA37u : 0);
            Assert.Equal(expected[..size], bytes[..size]);
        }
    }

    [Fact]
    public void Asks_for_more_until_the_header_is_whole()
    {
        foreach (long length in (long[])[3, 300, 70_000])
        {
            byte[] bytes = new byte[FrameHeader.MaxSize];
            int size = FrameHeader.Write(bytes, Opcode.Text, true, length, true, 1);
            for (int cut = 0; cut < size; cut++)
            {
                Assert.Equal(OperationStatus.NeedMoreData, FrameHeader.TryRead(bytes.AsSpan(0, cut), out _, out _));
            }
        }
    }

    [Fact]
    public void Reads_every_first_byte_as_it_stands()
    {
        for (int first = 0; first < 256; first++)
        {
            FrameHeader.TryRead([(byte)first, 0], out FrameHeader header, out _);
            Assert.Equal((first & 0x80) != 0, header.Fin);
            Assert.Equal(first & 0x70, header.Reserved);
            Assert.Equal(first & 0x0F, (int)header.Opcode);
        }
    }

    [Fact]
    public void Reads_a_length_with_its_highest_bit_set()
    {
        FrameHeader.TryRead([0x82, 127, 0xFF, 0, 0, 0, 0, 0, 0, 1], out FrameHeader header, out _);
        Assert.Equal(0xFF00000000000001ul, header.Length);
    }
}
