using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Duologue.Tests.Client;

public class ConnectOptionsTests
{
    private static void AssertRefused(ConnectOptions options, string option, string text)
    {
        ArgumentException e = Assert.ThrowsAny<ArgumentException>(options.Validate);
        Assert.Equal(option, e.ParamName);
        Assert.Contains(text, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_defaults_are_valid_and_as_documented()
    {
        var options = new ConnectOptions();
        options.Validate();
        Assert.Equal(TimeSpan.FromSeconds(10), options.ConnectTimeout);
        Assert.Equal(64 * 1024, options.MaxResponseHeaderSize);
        Assert.True(options.UseProxy);
        Assert.Null(options.Proxy);
        Assert.Empty(options.Subprotocols);
        Assert.Empty(options.Headers);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    public void ConnectTimeout_must_be_positive(int seconds) =>
        AssertRefused(new ConnectOptions { ConnectTimeout = TimeSpan.FromSeconds(seconds) }, "ConnectTimeout", "must be positive");

    [Fact]
    public void ConnectTimeout_is_at_most_a_day() => AssertRefused(new ConnectOptions { ConnectTimeout = TimeSpan.FromDays(2) }, "ConnectTimeout", "1.00:00:00");

    [Fact]
    public void ConnectTimeout_may_be_infinite() => new ConnectOptions { ConnectTimeout = Timeout.InfiniteTimeSpan }.Validate();

    [Theory]
    [InlineData(0)]
    [InlineData((16 * 1024 * 1024) + 1)]
    public void MaxResponseHeaderSize_has_a_range(int size) => AssertRefused(new ConnectOptions { MaxResponseHeaderSize = size }, "MaxResponseHeaderSize", $"{size}");

    [Theory]
    [InlineData("1.0")]
    [InlineData("3.0")]
    public void A_version_of_HTTP_that_carries_no_WebSocket_is_named(string version) =>
        AssertRefused(new ConnectOptions { HttpVersion = Version.Parse(version) }, "HttpVersion", $"HttpVersion is {version}; a WebSocket goes over 1.1 or 2.0");

    [Fact]
    public void A_policy_is_one_of_the_three() =>
        AssertRefused(new ConnectOptions { HttpVersionPolicy = (HttpVersionPolicy)7 }, "HttpVersionPolicy", "7");

    [Fact]
    public void A_time_that_no_clock_bears_passed_for_one_that_is_over()
    {
        const string Range = "at most 49 days";
        AssertRefused(new ConnectOptions { KeepAliveInterval = TimeSpan.MaxValue }, "KeepAliveInterval", Range);
        AssertRefused(new ConnectOptions { KeepAliveTimeout = TimeSpan.MaxValue }, "KeepAliveTimeout", Range);
        AssertRefused(new ConnectOptions { CloseTimeout = TimeSpan.FromDays(50) }, "CloseTimeout", Range);
        AssertRefused(new ConnectOptions { SendTimeout = TimeSpan.MaxValue }, "SendTimeout", Range);
        AssertRefused(new ConnectOptions { MessageTimeout = TimeSpan.MaxValue }, "MessageTimeout", Range);
        new ConnectOptions { SendTimeout = TimeSpan.FromDays(49), MessageTimeout = Timeout.InfiniteTimeSpan }.Validate();
    }

    [Fact]
    public void The_inherited_options_are_checked_too() => AssertRefused(new ConnectOptions { MaxMessageSize = 0 }, "MaxMessageSize", "0");

    [Fact]
    public void Subprotocols_must_be_distinct_tokens()
    {
        AssertRefused(new ConnectOptions { Subprotocols = ["a b"] }, "Subprotocols", "not a token");
        AssertRefused(new ConnectOptions { Subprotocols = ["a", "a"] }, "Subprotocols", "twice");
    }

    [Fact]
    public void Origin_must_be_printable_ASCII() => AssertRefused(new ConnectOptions { Origin = "https://a\r\nX: y" }, "Origin", "Origin is \"https://a??X: y\"");

    [Theory]
    [InlineData("", "x", "not a token")]
    [InlineData("X Y", "x", "not a token")]
    [InlineData("Connection", "x", "sets itself")]
    [InlineData("upgrade", "x", "sets itself")]
    [InlineData("sec-websocket-protocol", "x", "Use Subprotocols.")]
    [InlineData("Keep-Alive", "timeout=5", "TCP connection")]
    [InlineData("proxy-connection", "x", "TCP connection")]
    [InlineData("Content-Length", "5", "no body")]
    [InlineData("Transfer-Encoding", "chunked", "no body")]
    [InlineData("X", "a\r\nb", "printable ASCII")]
    [InlineData("X", "\u00e9", "printable ASCII")]
    [InlineData("X", null, "printable ASCII")]
    public void A_header_that_cannot_be_sent_is_named(string name, string? value, string text) =>
        AssertRefused(new ConnectOptions { Headers = [new(name, value!)] }, "Headers", text);

    [Fact]
    public void The_value_of_a_refused_header_is_not_shown() =>
        Assert.DoesNotContain("s3cret", Assert.Throws<ArgumentException>(new ConnectOptions { Headers = [new("X", "s3cret\n")] }.Validate).Message, StringComparison.Ordinal);

    [Fact]
    public void What_contradicts_itself_is_refused()
    {
        AssertRefused(new ConnectOptions { Origin = "https://a", Headers = [new("origin", "https://b")] }, "Headers", "Origin");
        AssertRefused(new ConnectOptions { UseProxy = false, Proxy = new WebProxy("http://127.0.0.1:1") }, "Proxy", "UseProxy");
        AssertRefused(new ConnectOptions { TlsOptions = new SslClientAuthenticationOptions(), ClientCertificates = new X509CertificateCollection() }, "TlsOptions", "ClientCertificates");
    }

    [Fact]
    public void Headers_may_be_a_dictionary() => new ConnectOptions { Headers = new Dictionary<string, string> { ["X-Key"] = "a\tb" } }.Validate();
}
