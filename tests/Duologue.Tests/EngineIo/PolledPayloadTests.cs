using System.Text;
using Duologue.EngineIo;

namespace Duologue.Tests.EngineIo;

public class PolledPayloadTests
{
    [Fact]
    public void Packets_stand_with_separators_between()
    {
        var payload = new PolledPayload(new FrameBuffer(), 1000);

        Assert.True(payload.Message(MessageType.Text, "one"u8));
        Assert.True(payload.Message(MessageType.Text, ""u8));
        Assert.True(payload.Message(MessageType.Binary, [1, 2, 3, 4]));
        Assert.True(payload.Ping());
        Assert.True(payload.Pong());
        payload.Add('6');

        Assert.Equal("4one\u001e4\u001ebAQIDBA==\u001e2\u001e3\u001e6", TextOf(payload));
    }

    [Fact]
    public void A_text_with_the_separator_is_sent_as_binary()
    {
        var payload = new PolledPayload(new FrameBuffer(), 1000);

        Assert.True(payload.Message(MessageType.Text, "a\u001eb"u8));

        Assert.Equal("b" + Convert.ToBase64String("a\u001eb"u8), TextOf(payload));
    }

    [Fact]
    public void The_limit_is_kept_but_by_a_packet_that_is_longer_by_itself()
    {
        var payload = new PolledPayload(new FrameBuffer(), 10);
        Assert.True(payload.Message(MessageType.Text, new byte[100]));
        Assert.False(payload.Message(MessageType.Text, "x"u8));
        Assert.Equal(101, payload.Body.Length);

        payload = new PolledPayload(new FrameBuffer(), 10);
        Assert.True(payload.Message(MessageType.Text, "12345"u8));
        Assert.True(payload.Message(MessageType.Text, "12"u8));
        Assert.False(payload.Ping());
        Assert.Equal("412345\u001e412", TextOf(payload));
    }

    [Fact]
    public void A_close_takes_no_room_and_keeps_its_code()
    {
        var payload = new PolledPayload(new FrameBuffer(), 10);

        Assert.True(payload.Close(4000, "enough"));

        Assert.Equal(((ushort)4000, "enough"), payload.Closing!.Value);
        Assert.Equal(0, payload.Body.Length);
    }

    private static string TextOf(in PolledPayload payload) => Encoding.UTF8.GetString(payload.Body.Span);
}
