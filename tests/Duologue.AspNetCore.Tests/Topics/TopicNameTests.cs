using System.Text.RegularExpressions;
using CsCheck;

namespace Duologue.AspNetCore.Tests.Pubsub;

public class TopicNameTests
{
    [Theory]
    [InlineData("news")]
    [InlineData("news/of/today")]
    [InlineData("a b?c#d%20")]
    [InlineData("新闻/今天")]
    [InlineData("🙂")]
    [InlineData("...")]
    public void Names(string name)
    {
        Assert.Null(TopicName.FindError(name));
        Assert.Null(TopicName.FindPatternError(name));
    }

    [Theory]
    [InlineData("", "0 characters")]
    [InlineData("/news", "segment")]
    [InlineData("news/", "segment")]
    [InlineData("a//b", "segment")]
    [InlineData("a/./b", "segment")]
    [InlineData("..", "segment")]
    [InlineData("a\nb", "U+000A")]
    [InlineData("a\u0085b", "U+0085")]
    [InlineData("news/*", "*")]
    public void What_is_no_name_is_said(string name, string expected) =>
        Assert.Contains(expected, TopicName.FindError(name), StringComparison.Ordinal);

    [Fact]
    public void Half_of_a_surrogate_pair_is_no_name()
    {
        Assert.Contains("surrogate", TopicName.FindError("a\ud83d"), StringComparison.Ordinal);
        Assert.Contains("surrogate", TopicName.FindError("\udc00a"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_longest_name()
    {
        Assert.Null(TopicName.FindError(new string('a', TopicName.MaxLength)));
        Assert.Contains("257 characters; 1 to 256", TopicName.FindError(new string('a', TopicName.MaxLength + 1)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a*")]
    [InlineData("a/b*/c")]
    [InlineData("**/a")]
    [InlineData("***")]
    [InlineData("a/**/b")]
    public void What_is_no_pattern_is_said(string pattern) =>
        Assert.Contains("*", TopicName.FindPatternError(pattern), StringComparison.Ordinal);

    [Theory]
    [InlineData("*", "news", true)]
    [InlineData("*", "news/today", false)]
    [InlineData("**", "news/today", true)]
    [InlineData("news/*", "news/today", true)]
    [InlineData("news/*", "news", false)]
    [InlineData("news/**", "news", false)]
    [InlineData("news/**", "news/a/b", true)]
    [InlineData("*/today", "news/today", true)]
    [InlineData("*/today", "news/Today", false)]
    [InlineData("*/*", "a", false)]
    [InlineData("news", "news", true)]
    public void Matching(string pattern, string name, bool expected)
    {
        Assert.Null(TopicName.FindPatternError(pattern));
        Assert.Equal(expected, TopicName.Matches(pattern, name));
    }

    [Fact]
    public void Matching_is_what_a_regular_expression_says()
    {
        Gen<string> segment = Gen.Frequency((4, Gen.Int[0, 2].Select(i => Words[i])), (2, Gen.Const("*")));
        Gen<string> pattern = Gen.Select(segment.Array[1, 4], Gen.Bool, (segments, tail) => string.Join('/', tail ? [.. segments, "**"] : segments));
        Gen<string> name = Gen.Int[0, 2].Select(i => Words[i]).Array[1, 5].Select(segments => string.Join('/', segments));
        Gen.Select(pattern, name).Sample((p, n) =>
        {
            string expression = "^" + string.Join('/', p.Split('/').Select(s => s == "**" ? ".+" : s == "*" ? "[^/]+" : Regex.Escape(s))) + "$";
            Assert.Equal(Regex.IsMatch(n, expression, RegexOptions.None, TestTimeout), TopicName.Matches(p, n));
        });
    }

    private static readonly string[] Words = ["a", "b", "ab"];
    private static readonly TimeSpan TestTimeout = TimeSpan.FromSeconds(30);
}
