using Duologue.Protocol;
using Duologue.Protocol.Deflate;

namespace Duologue.Tests.Protocol.Deflate;

public sealed class MessageDeflaterTests
{
    // Nobody else's: the compressors that are borrowed here are this test's own.
    private const int WindowBits = 11;

    [Fact]
    public void Of_a_message_that_broke_off_with_its_connection_the_next_who_borrows_the_compressor_knows_nothing()
    {
        byte[] text = Reference.Sample(new Random(1), 3 << WindowBits, isText: true);
        using (var broken = new MessageDeflater(Reference.Agreement(context: false, WindowBits)))
        {
            var fragment = default(FrameBuilder);
            Assert.True(broken.TryCompress(text, isFirst: true, isLast: false, ref fragment));
            fragment.Release();
            Assert.True(broken.HoldsMemory);
        }

        var message = default(FrameBuilder);
        Assert.True(MessageDeflater.TryCompressAlone(text, WindowBits, ref message));
        Assert.Equal(text, Reference.Decompress(message.Payload));
        message.Release();
    }
}
