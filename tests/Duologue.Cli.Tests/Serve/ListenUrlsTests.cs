using Duologue.Cli.Serve;

namespace Duologue.Cli.Tests.Serve;

public sealed class ListenUrlsTests
{
    [Theory]
    [InlineData("HTTP://localhost:5000", false, "http://localhost:5000")]
    [InlineData("Http://0.0.0.0:8080;http://[::1]:9000", false, "http://0.0.0.0:8080;http://[::1]:9000")]
    [InlineData("HTTPS://localhost:5001", true, "https://localhost:5001")]
    public void A_scheme_in_capitals_was_refused(string given, bool tls, string read)
    {
        Assert.True(ListenUrls.TryRead([given], tls, out string[] urls, out string? error), error);
        Assert.Equal(read, string.Join(';', urls));
    }

    [Theory]
    [InlineData("HTTPS://localhost:5001", false, "needs --tls")]
    [InlineData("HTTP://localhost:5001", true, "with --tls all addresses are https")]
    [InlineData("FTP://localhost:5001", false, "no address to listen on")]
    [InlineData("localhost:5001", false, "no address to listen on")]
    [InlineData("http://localhost:99999", false, "with a port up to 65535")]
    [InlineData("HTTP://LOCALHOST:0", false, "127.0.0.1:0")]
    public void What_cannot_be_listened_on_is_said(string given, bool tls, string expected)
    {
        Assert.False(ListenUrls.TryRead([given], tls, out _, out string? error));
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }
}
