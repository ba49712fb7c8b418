using System.Text;
using Duologue.Client.Sessions;

namespace Duologue.Tests.Client.Sessions;

public class OpenPacketTests
{
    [Fact]
    public void All_that_the_server_says_is_read_and_more_is_passed_over()
    {
        Assert.True(OpenPacket.TryRead("""0{"sid":"abc","upgrades":["websocket","other"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000,"x":[1]}"""u8, out OpenPacket? open));

        Assert.Equal(("abc", TimeSpan.FromSeconds(25), TimeSpan.FromSeconds(20), 1_000_000L, true), (open.Sid, open.Interval, open.Timeout, open.MaxPayload, open.OffersWebSocket));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("0{")]
    [InlineData("0null")]
    [InlineData("0[]")]
    [InlineData("""4{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":1}""")]
    [InlineData("""0{"upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":1}""")]
    [InlineData("""0{"sid":"","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":1}""")]
    [InlineData("""0{"sid":"a","upgrades":[],"pingInterval":0,"pingTimeout":1,"maxPayload":1}""")]
    [InlineData("""0{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":-1,"maxPayload":1}""")]
    [InlineData("""0{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":0}""")]
    [InlineData("""0{"sid":"a","upgrades":[],"pingInterval":999999999999,"pingTimeout":1,"maxPayload":1}""")]
    [InlineData("""0{"sid":7,"upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":1}""")]
    public void What_opens_no_session_is_refused(string packet)
    {
        Assert.False(OpenPacket.TryRead(Encoding.UTF8.GetBytes(packet), out OpenPacket? open));
        Assert.Null(open);
    }

    [Fact]
    public void Without_upgrades_there_are_none()
    {
        Assert.True(OpenPacket.TryRead("""0{"sid":"a","pingInterval":1,"pingTimeout":1,"maxPayload":1}"""u8, out OpenPacket? open));
        Assert.False(open.OffersWebSocket);
    }
}
