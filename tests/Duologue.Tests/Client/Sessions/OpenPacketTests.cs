using System.Text;
using Duologue.Client.Sessions;

namespace Duologue.Tests.Client.Sessions;

public class OpenPacketTests
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(100);

    [Fact]
    public void All_that_the_server_says_is_read_and_more_is_passed_over()
    {
        Assert.True(OpenPacket.TryRead("""0{"sid":"abc","upgrades":["websocket","other"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000,"x":[1]}"""u8, Longest, out OpenPacket? open, out _));

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
        Assert.False(OpenPacket.TryRead(Encoding.UTF8.GetBytes(packet), Longest, out OpenPacket? open, out string? flaw));
        Assert.Null(open);
        Assert.NotNull(flaw);
    }

    [Fact]
    public void Without_upgrades_there_are_none()
    {
        Assert.True(OpenPacket.TryRead("""0{"sid":"a","pingInterval":1,"pingTimeout":1,"maxPayload":1}"""u8, Longest, out OpenPacket? open, out _));
        Assert.False(open.OffersWebSocket);
    }

    [Theory]
    [InlineData(86_400_000, 20_000, "may be silent for 86420 s (its pingInterval and pingTimeout); the client takes 100 s (MaxSessionSilence)")]
    [InlineData(25_000, 86_400_000, "MaxSessionSilence")]
    [InlineData(100_000, 1, "may be silent for 100.001 s")]
    [InlineData(86_400_001, 1, "more than a day")]
    [InlineData(1, long.MaxValue, "more than a day")]
    [InlineData(0, 20_000, "pingInterval is 0 ms and its pingTimeout 20000 ms; both must be positive")]
    [InlineData(25_000, -1, "both must be positive")]
    public void Times_that_leave_a_dead_line_unnoticed_are_refused_with_their_names(long interval, long timeout, string flaw)
    {
        byte[] packet = Encoding.UTF8.GetBytes($$"""0{"sid":"a","upgrades":[],"pingInterval":{{interval}},"pingTimeout":{{timeout}},"maxPayload":1}""");
        Assert.False(OpenPacket.TryRead(packet, Longest, out _, out string? said));
        Assert.Contains(flaw, said, StringComparison.Ordinal);
    }

    [Fact]
    public void As_long_as_the_application_allows_is_taken()
    {
        Assert.True(OpenPacket.TryRead("""0{"sid":"a","pingInterval":99999,"pingTimeout":1,"maxPayload":1}"""u8, Longest, out _, out _));
        Assert.True(OpenPacket.TryRead("""0{"sid":"a","pingInterval":86400000,"pingTimeout":86400000,"maxPayload":1}"""u8, Timeout.InfiniteTimeSpan, out _, out _));
    }
}
