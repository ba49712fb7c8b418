using System.Buffers;
using Duologue.EngineIo;

namespace Duologue.Tests.EngineIo;

public class FrameBufferTests
{
    [Fact]
    public void What_is_written_is_there_in_one_piece_less_what_was_skipped()
    {
        var buffer = new FrameBuffer();
        List<byte> expected = [];
        var random = new Random(1);
        for (int i = 0; i < 1000; i++)
        {
            byte[] bytes = new byte[random.Next(0, 300)];
            random.NextBytes(bytes);
            buffer.Write(bytes);
            expected.AddRange(bytes);
            int skipped = random.Next(0, expected.Count + 1);
            buffer.Skip(skipped);
            expected.RemoveRange(0, skipped);

            Assert.Equal(expected, buffer.Span.ToArray());
        }

        buffer.Release();
        Assert.Equal(0, buffer.Length);
    }
}
