using CsCheck;

namespace Duologue.AspNetCore.Tests.Pubsub;

public class TopicPositionTests
{
    [Fact]
    public void A_cursor_is_read_as_it_was_written() =>
        Gen.Select(Gen.Long[1, long.MaxValue], Gen.Long[0, long.MaxValue]).Sample((epoch, offset) =>
        {
            var position = new TopicPosition(epoch, offset);
            Assert.True(TopicPosition.TryParse(position.ToString(), out TopicPosition read));
            Assert.Equal(position, read);
            Assert.InRange(position.ToString().Length, 3, 36);
        });

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-")]
    [InlineData("1-")]
    [InlineData("-1")]
    [InlineData("0-1")]
    [InlineData("1--1")]
    [InlineData("1-1-1")]
    [InlineData("1-+1")]
    [InlineData("1- 1")]
    [InlineData("x-1")]
    [InlineData("1-1.5")]
    [InlineData("ffffffffffffffff-1")]
    [InlineData("1-9223372036854775808")]
    [InlineData("00000000000000000000000000000000000001-1")]
    public void What_is_no_cursor_is_refused(string? text)
    {
        Assert.False(TopicPosition.TryParse(text, out TopicPosition position));
        Assert.Equal(default, position);
    }
}
