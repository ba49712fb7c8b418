using System.Text;
using Duologue.Client;

namespace Duologue.Tests.Client;

public class WebSocketUriTests
{
    [Theory]
    [InlineData("ws://a/b?c", "ws://a/b?c")]
    [InlineData("wss://a:444/b", "wss://a:444/b")]
    [InlineData("http://a/b?c=%20", "ws://a/b?c=%20")]
    [InlineData("https://a", "wss://a/")]
    [InlineData("HTTPS://A:443/", "wss://a/")]
    public void The_scheme_becomes_ws_or_wss(string given, string expected)
    {
        Uri uri = WebSocketUri.Normalize(new Uri(given));
        Assert.Equal(expected, uri.AbsoluteUri);
        Assert.Equal(new Uri(given).Port, uri.Port);
    }

    [Theory]
    [InlineData("/chat", "relative")]
    [InlineData("ftp://a", "\"ftp\"")]
    [InlineData("ws://a/#b", "fragment")]
    [InlineData("ws://a/#", "fragment")]
    public void What_is_no_WebSocket_URI_is_refused(string given, string text) => Assert.Contains(
        text,
        Assert.Throws<ArgumentException>(() => WebSocketUri.Normalize(new Uri(given, UriKind.RelativeOrAbsolute))).Message,
        StringComparison.Ordinal);

    [Fact]
    public void What_is_shown_holds_no_secret() => Assert.Equal("ws://example.com:81/a%20b", WebSocketUri.Display(new Uri("ws://user:pass@example.com:81/a%20b?token=1")));

    [Fact]
    public void A_URI_whose_path_is_kept_as_written_is_shown_and_taken_as_it_is()
    {
        var uri = new Uri("ws://user:pass@[::1]:81/a/../b?token=1", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        Assert.Same(uri, WebSocketUri.Normalize(uri));
        Assert.Equal("ws://[::1]:81/a/../b", WebSocketUri.Display(uri));
    }

    [Theory]
    [InlineData("ws://a", null)]
    [InlineData("ws://user@a", "user:")]
    [InlineData("ws://us%C3%A9r:p%3Aw@a", "us\u00e9r:p:w")]
    public void User_information_becomes_Basic(string uri, string? expected)
    {
        string? parameter = WebSocketUri.Authorization(new Uri(uri))?.Parameter;
        Assert.Equal(expected, parameter is null ? null : Encoding.UTF8.GetString(Convert.FromBase64String(parameter)));
    }
}
