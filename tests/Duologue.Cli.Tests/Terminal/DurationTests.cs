using Duologue.Cli.Terminal;

namespace Duologue.Cli.Tests.Terminal;

public sealed class DurationTests
{
    [Theory]
    [InlineData("500ms", 500)]
    [InlineData("20s", 20_000)]
    [InlineData("1.5m", 90_000)]
    [InlineData("1h", 3_600_000)]
    public void A_time_is_read_with_its_unit(string text, double milliseconds)
    {
        Assert.True(Duration.TryParse(text, out Duration duration));
        Assert.Equal(milliseconds, duration.Value.TotalMilliseconds);
    }

    [Fact]
    public void None_is_no_end()
    {
        Assert.True(Duration.TryParse("none", out Duration duration));
        Assert.Equal(Timeout.InfiniteTimeSpan, duration.Value);
    }

    [Theory]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("-1s")]
    [InlineData("50000h")]
    public void What_is_no_time_is_refused(string text) => Assert.False(Duration.TryParse(text, out _));

    [Theory]
    [InlineData("20s")]
    [InlineData("500ms")]
    [InlineData("2m")]
    [InlineData("none")]
    public void A_time_is_written_as_it_was_read(string text)
    {
        Assert.True(Duration.TryParse(text, out Duration duration));
        Assert.Equal(text, duration.ToString());
    }
}
