using Duologue.Browser;

namespace Duologue.Tests.Browser;

public class WebSocketUrlTests
{
    [Theory]
    [InlineData("ws://example.com", "ws://example.com/")]
    [InlineData("wss://example.com", "wss://example.com/")]
    [InlineData("http://example.com/a", "ws://example.com/a")]
    [InlineData("https://example.com/a", "wss://example.com/a")]
    [InlineData("HTTP://EXAMPLE.COM/A", "ws://example.com/A")]
    [InlineData("wS://Example.Com", "ws://example.com/")]
    [InlineData("ws:example.com:8080/p", "ws://example.com:8080/p")]
    [InlineData("ws:/example.com", "ws://example.com/")]
    [InlineData("ws:////example.com", "ws://example.com/")]
    [InlineData("ws:\\\\example.com\\a\\b", "ws://example.com/a/b")]
    [InlineData("ws://example.com?x", "ws://example.com/?x")]
    [InlineData("ws://example.com/?", "ws://example.com/?")]
    public void Schemes_and_slashes_are_normalized(string url, string expected) => Assert.Equal(expected, Href(url));

    [Theory]
    [InlineData("  ws://example.com/a \u0000\u001F", "ws://example.com/a")]
    [InlineData("w\ts://exam\nple.com/\ra", "ws://example.com/a")]
    [InlineData("ws://example.com/a\u0000b", "ws://example.com/a%00b")]
    [InlineData("ws://example.com/a b\"<>`{}^", "ws://example.com/a%20b%22%3C%3E%60%7B%7D%5E")]
    [InlineData("ws://example.com/a|b'[]~", "ws://example.com/a|b'[]~")]
    [InlineData("ws://example.com/%7E%zz%", "ws://example.com/%7E%zz%")]
    [InlineData("ws://example.com/é", "ws://example.com/%C3%A9")]
    [InlineData("ws://example.com/\uD83D\uDE00", "ws://example.com/%F0%9F%98%80")]
    [InlineData("ws://example.com/?€", "ws://example.com/?%E2%82%AC")]
    [InlineData("ws://example.com/?a'b\"<>` {}|", "ws://example.com/?a%27b%22%3C%3E`%20{}|")]
    public void Characters_are_stripped_or_encoded_by_place(string url, string expected) => Assert.Equal(expected, Href(url));

    [Fact]
    public void Lone_surrogates_become_the_replacement_character() =>
        Assert.Equal("ws://h/%EF%BF%BD?%EF%BF%BD", Href("ws://h/\uD83D?\uDC00"));

    [Theory]
    [InlineData("ws://h/a/./b/../c", "ws://h/a/c")]
    [InlineData("ws://h/a/%2e/b/%2E./c", "ws://h/a/c")]
    [InlineData("ws://h/../../a", "ws://h/a")]
    [InlineData("ws://h/a/..", "ws://h/")]
    [InlineData("ws://h/a/b/.", "ws://h/a/b/")]
    [InlineData("ws://h/a//b/", "ws://h/a//b/")]
    [InlineData("ws://h/a/...", "ws://h/a/...")]
    public void Dots_in_paths_are_resolved(string url, string expected) => Assert.Equal(expected, Href(url));

    [Theory]
    [InlineData("ws://h:80/", "ws://h/")]
    [InlineData("wss://h:443/", "wss://h/")]
    [InlineData("http://h:80/", "ws://h/")]
    [InlineData("https://h:443/", "wss://h/")]
    [InlineData("ws://h:443/", "ws://h:443/")]
    [InlineData("wss://h:80/", "wss://h:80/")]
    [InlineData("ws://h:/", "ws://h/")]
    [InlineData("ws://h:0008080/", "ws://h:8080/")]
    [InlineData("ws://h:0/", "ws://h:0/")]
    [InlineData("ws://h:65535/", "ws://h:65535/")]
    public void Ports_are_normalized_and_default_ports_dropped(string url, string expected) => Assert.Equal(expected, Href(url));

    [Theory]
    [InlineData("ws://münchen.example/", "ws://xn--mnchen-3ya.example/")]
    [InlineData("ws://MÜNCHEN.example/", "ws://xn--mnchen-3ya.example/")]
    [InlineData("ws://m%C3%BCnchen.example/", "ws://xn--mnchen-3ya.example/")]
    [InlineData("ws://faß.example/", "ws://xn--fa-hia.example/")]
    [InlineData("ws://日本語。jp/", "ws://xn--wgv71a119e.jp/")]
    [InlineData("ws://ｅｘａｍｐｌｅ.com/", "ws://example.com/")]
    [InlineData("ws://ex\u00ADample.com/", "ws://example.com/")]
    [InlineData("ws://XN--MNCHEN-3YA.example/", "ws://xn--mnchen-3ya.example/")]
    [InlineData("ws://%65xample.com/", "ws://example.com/")]
    [InlineData("ws://a_b.example/", "ws://a_b.example/")]
    [InlineData("ws://xn--ls8h.example/", "ws://xn--ls8h.example/")]
    [InlineData("ws://क्‍ष.example/", "ws://xn--11b2ezcw70k.example/")]
    [InlineData("ws://example.com./", "ws://example.com./")]
    public void Domains_become_lower_case_punycode(string url, string expected) => Assert.Equal(expected, Href(url));

    [Theory]
    [InlineData("ws://127.1/", "ws://127.0.0.1/")]
    [InlineData("ws://0x7f.0.0.1/", "ws://127.0.0.1/")]
    [InlineData("ws://0177.0.0.1/", "ws://127.0.0.1/")]
    [InlineData("ws://2130706433/", "ws://127.0.0.1/")]
    [InlineData("ws://1.2.3.4./", "ws://1.2.3.4/")]
    [InlineData("ws://0x/", "ws://0.0.0.0/")]
    [InlineData("ws://４.3.2.1/", "ws://4.3.2.1/")]
    [InlineData("ws://[::1]:90/", "ws://[::1]:90/")]
    [InlineData("ws://[1:0:0:2:0:0:0:3]/", "ws://[1:0:0:2::3]/")]
    [InlineData("ws://[2001:DB8::0001]/", "ws://[2001:db8::1]/")]
    [InlineData("ws://[::127.0.0.1]/", "ws://[::7f00:1]/")]
    [InlineData("ws://[1:2:3:4:5:6:7::]/", "ws://[1:2:3:4:5:6:7:0]/")]
    [InlineData("ws://[::]/", "ws://[::]/")]
    [InlineData("ws://[1:2:3:4:5:6:7:8]/", "ws://[1:2:3:4:5:6:7:8]/")]
    public void Addresses_are_written_in_one_form(string url, string expected) => Assert.Equal(expected, Href(url));

    [Theory]
    [InlineData("ws://user:secret@h/p", "ws://h/p", "Basic dXNlcjpzZWNyZXQ=")]
    [InlineData("ws://user@h/", "ws://h/", "Basic dXNlcjo=")]
    [InlineData("ws://:pw@h/", "ws://h/", "Basic OnB3")]
    [InlineData("ws://a%40b:c%3Ad@h/", "ws://h/", "Basic YUBiOmM6ZA==")]
    [InlineData("ws://a@b:c@h/", "ws://h/", "Basic YUBiOmM=")]
    [InlineData("ws://ü:€@h/", "ws://h/", "Basic w7w64oKs")]
    [InlineData("ws://@h/", "ws://h/", null)]
    [InlineData("ws://h/", "ws://h/", null)]
    public void User_info_becomes_credentials_and_is_not_shown(string url, string expected, string? credentials)
    {
        UrlRecord parsed = WebSocketUrl.Parse(url, null);

        Assert.Equal(expected, parsed.Href);
        Assert.Equal(expected, parsed.ToString());
        Assert.Equal(credentials, parsed.BasicCredentials);
    }

    [Theory]
    [InlineData("test", "ws://h:81/a/test")]
    [InlineData("?", "ws://h:81/a/b?")]
    [InlineData("?x", "ws://h:81/a/b?x")]
    [InlineData("null", "ws://h:81/a/null")]
    [InlineData("123", "ws://h:81/a/123")]
    [InlineData("", "ws://h:81/a/b?q")]
    [InlineData("/c", "ws://h:81/c")]
    [InlineData("../c", "ws://h:81/c")]
    [InlineData("\\c", "ws://h:81/c")]
    [InlineData("//other/c", "ws://other/c")]
    [InlineData("http:c", "ws://h:81/a/c")]
    [InlineData("http:/c", "ws://h:81/c")]
    [InlineData("ws:c", "ws://c/")]
    [InlineData("wss://other", "wss://other/")]
    public void Relative_urls_resolve_against_the_base(string url, string expected) =>
        Assert.Equal(expected, WebSocketUrl.Parse(url, "http://h:81/a/b?q#f").Href);

    [Fact]
    public void A_secure_base_gives_a_secure_url() => Assert.Equal("wss://h/x", WebSocketUrl.Parse("x", "https://h").Href);

    [Theory]
    [InlineData("test")]
    [InlineData("?")]
    [InlineData("null")]
    [InlineData("123")]
    [InlineData("")]
    [InlineData("/path")]
    [InlineData("//host")]
    public void Relative_urls_without_a_base_are_a_syntax_error(string url) => AssertSyntaxError(url);

    [Theory]
    [InlineData("ws://h/#")]
    [InlineData("ws://h/#x")]
    [InlineData("ws://h#")]
    [InlineData("#x")]
    [InlineData("ftp://h/")]
    [InlineData("file:///x")]
    [InlineData("mailto:a@example.org")]
    [InlineData("about:blank")]
    [InlineData("ws://foo bar.com/")]
    [InlineData("wss://foo bar.com/")]
    [InlineData("ws://foo%20bar.com/")]
    [InlineData("ws://")]
    [InlineData("ws:///")]
    [InlineData("ws://:80/")]
    [InlineData("ws://user@/")]
    [InlineData("ws://h:65536/")]
    [InlineData("ws://h:99999999999999999999/")]
    [InlineData("ws://h:8o/")]
    [InlineData("ws://h:-1/")]
    [InlineData("ws://h:80:80/")]
    [InlineData("ws://a<b/")]
    [InlineData("ws://a^b/")]
    [InlineData("ws://a|b/")]
    [InlineData("ws://a%00b/")]
    [InlineData("ws://a%/")]
    [InlineData("ws://%C3/")]
    [InlineData("ws://256.0.0.1/")]
    [InlineData("ws://1.2.3.4.5/")]
    [InlineData("ws://1.2.3.08/")]
    [InlineData("ws://example.0x1g.1/")]
    [InlineData("ws://[::1/")]
    [InlineData("ws://[::1::2]/")]
    [InlineData("ws://[1:2:3:4:5:6:7:8:9]/")]
    [InlineData("ws://[1:2:3:4:5:6:7]/")]
    [InlineData("ws://[:1]/")]
    [InlineData("ws://[12345::]/")]
    [InlineData("ws://[::1.2.3.04]/")]
    [InlineData("ws://[::1%25eth0]/")]
    [InlineData("ws://[]/")]
    [InlineData("ws://[::1]x/")]
    [InlineData("ws://\u00AD/")]
    [InlineData("ws://a\u05D1\u05D9.test/")]
    [InlineData("ws://\u05D1a\u05D9.test/")]
    [InlineData("ws://xn--a.test/")]
    [InlineData("ws://xn--.test/")]
    [InlineData("ws://xn--a-.test/")]
    [InlineData("ws://a\u200Db.test/")]
    [InlineData("ws://a\u0080b.test/")]
    [InlineData("ws://\uFDD0.test/")]
    [InlineData("ws://\u0300a.test/")]
    [InlineData("ws://a\u3000b.test/")]
    public void Wrong_urls_are_a_syntax_error(string url) => AssertSyntaxError(url);

    [Fact]
    public void An_error_does_not_show_the_password()
    {
        DomException error = Assert.Throws<DomException>(() => WebSocketUrl.Parse("ws://user:secret@h/#x", null));

        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ws://H:8080/a?b", "ws://h:8080")]
    [InlineData("wss://münchen.example", "wss://xn--mnchen-3ya.example")]
    public void The_origin_is_scheme_host_and_port(string url, string expected) =>
        Assert.Equal(expected, WebSocketUrl.Parse(url, null).Origin);

    [Theory]
    [InlineData("ws://h/%7Ex/%41;a=b/a%2Fb?%e2%27&%7E")]
    [InlineData("ws://[::1]:99/a|b")]
    public void Path_and_query_reach_the_wire_untouched(string url)
    {
        Uri uri = WebSocketUrl.Parse(url, null).ToUri()!;

        Assert.EndsWith(uri.PathAndQuery, url, StringComparison.Ordinal);
    }

    private static string Href(string url) => WebSocketUrl.Parse(url, null).Href;

    private static void AssertSyntaxError(string url)
    {
        DomException error = Assert.Throws<DomException>(() => WebSocketUrl.Parse(url, null));
        Assert.Equal("SyntaxError", error.Name);
        Assert.NotEmpty(error.Message);
    }
}
