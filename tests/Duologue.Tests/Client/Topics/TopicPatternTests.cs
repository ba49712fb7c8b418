using Duologue.Client;

namespace Duologue.Tests.Client.Topics;

public class TopicPatternTests
{
    [Theory]
    [InlineData("room/1", false)]
    [InlineData("room*", false)]
    [InlineData("*", true)]
    [InlineData("room/*/x", true)]
    [InlineData("room/**", true)]
    public void A_pattern_has_a_segment_that_stands_for_others(string name, bool expected) => Assert.Equal(expected, TopicPattern.Is(name));

    [Theory]
    [InlineData("*", "a", true)]
    [InlineData("*", "a/b", false)]
    [InlineData("**", "a/b", true)]
    [InlineData("a/*", "a", false)]
    [InlineData("a/**", "a", false)]
    [InlineData("a/**", "a/b/c", true)]
    [InlineData("a/*/c", "a/b/c", true)]
    [InlineData("a/*/c", "a/b/d", false)]
    [InlineData("a/*", "b/c", false)]
    [InlineData("a/*/**", "a/b", false)]
    [InlineData("a/*/**", "a/b/c", true)]
    public void A_star_is_one_segment_two_as_the_last_one_or_more(string pattern, string name, bool expected) => Assert.Equal(expected, TopicPattern.Matches(pattern, name));
}
