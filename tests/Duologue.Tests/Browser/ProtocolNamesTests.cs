using Duologue.Browser;

namespace Duologue.Tests.Browser;

public class ProtocolNamesTests
{
    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a\tb")]
    [InlineData("a,b")]
    [InlineData("a/b")]
    [InlineData("a\"b")]
    [InlineData("a(b)")]
    [InlineData("a:b")]
    [InlineData("a;b")]
    [InlineData("a<b")]
    [InlineData("a=b")]
    [InlineData("a?b")]
    [InlineData("a@b")]
    [InlineData("a[b")]
    [InlineData("a\\b")]
    [InlineData("a{b")]
    [InlineData("\u007F")]
    [InlineData("\u0000")]
    [InlineData("chäit")]
    [InlineData("聊天")]
    public void What_is_no_token_is_a_syntax_error(string protocol) => AssertSyntaxError(protocol);

    [Theory]
    [InlineData("chat", "chat")]
    [InlineData("chat", "CHAT")]
    public void Duplicates_are_a_syntax_error_without_regard_to_case(string first, string second) => AssertSyntaxError(first, "other", second);

    [Fact]
    public void All_token_characters_are_allowed() => ProtocolNames.Validate(["!#$%&'*+-.^_`|~09azAZ", "x"]);

    private static void AssertSyntaxError(params string[] protocols) =>
        Assert.Equal("SyntaxError", Assert.Throws<DomException>(() => ProtocolNames.Validate(protocols)).Name);
}
