using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Handshake;

public class OriginPolicyTests
{
    [Theory]
    // The server's own, whatever the case and whether or not the port is named.
    [InlineData("http", "example.com", "http://example.com", true)]
    [InlineData("http", "example.com", "http://EXAMPLE.com", true)]
    [InlineData("http", "example.com:80", "http://example.com", true)]
    [InlineData("https", "example.com", "https://example.com:443", true)]
    [InlineData("http", "localhost:8080", "http://localhost:8080", true)]
    [InlineData("http", "[::1]:8080", "http://[::1]:8080", true)]
    [InlineData("https", "bücher.example", "https://xn--bcher-kva.example", true)]
    // Another scheme, host or port.
    [InlineData("http", "example.com", "https://example.com", false)]
    [InlineData("https", "example.com", "http://example.com", false)]
    [InlineData("http", "example.com", "http://example.com:8080", false)]
    [InlineData("http", "example.com", "http://www.example.com", false)]
    [InlineData("http", "example.com", "http://example.com.evil.test", false)]
    [InlineData("http", "example.com", "http://evil.test", false)]
    [InlineData("http", "localhost:8080", "http://127.0.0.1:8080", false)]
    // Listed.
    [InlineData("http", "example.com", "https://app.example.org", true)]
    [InlineData("http", "example.com", "https://app.example.org:443", true)]
    [InlineData("http", "example.com", "http://app.example.org", false)]
    [InlineData("http", "example.com", "chrome-extension://abcdefgh", true)]
    [InlineData("http", "example.com", "chrome-extension://other", false)]
    // Opaque and malformed.
    [InlineData("http", "example.com", "null", false)]
    [InlineData("http", "example.com", "", false)]
    [InlineData("http", "example.com", "example.com", false)]
    [InlineData("http", "example.com", "http://example.com/path", false)]
    [InlineData("http", "example.com", "http://user@example.com", false)]
    [InlineData("http", "example.com", "http://example.com, http://example.com", false)]
    [InlineData("http", "", "http://example.com", false)]
    [InlineData("http", "a b", "http://a b", false)]
    // No browser spells one so, and no answer may name it (RFC 6454 §6.2).
    [InlineData("https", "xn--bcher-kva.example", "https://bücher.example", false)]
    [InlineData("http", "example.com", "http://example.com\u000b", false)]
    public void An_origin_is_compared_by_scheme_host_and_port(string scheme, string host, string origin, bool allowed)
    {
        var policy = new OriginPolicy(["https://app.example.org", "chrome-extension://abcdefgh"]);

        Assert.Equal(allowed, policy.Allows(Request(scheme, host, origin)));
    }

    [Fact]
    public void A_request_without_an_origin_passes()
    {
        Assert.True(new OriginPolicy([]).Allows(Request("http", "example.com")));
    }

    [Fact]
    public void Two_origins_do_not_pass()
    {
        Assert.False(new OriginPolicy([]).Allows(Request("http", "example.com", "http://example.com", "http://example.com")));
    }

    [Theory]
    [InlineData("http://evil.test")]
    [InlineData("null")]
    public void Any_origin_passes_where_all_are_allowed(string origin)
    {
        Assert.True(new OriginPolicy(["*"]).Allows(Request("http", "example.com", origin)));
    }

    [Fact]
    public async Task A_foreign_origin_gets_403_and_a_log_that_names_the_option()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));

        RawAnswer answer = await host.HandshakeAsync("/", ("Origin", "https://evil.test"));

        Assert.Equal(403, answer.Status);
        Assert.Contains("origin", answer.Body, StringComparison.Ordinal);
        string logged = Assert.Single(host.Log.GetSnapshot(), record => record.Id.Name == "OriginRefused").Message;
        Assert.Contains("\"https://evil.test\"", logged, StringComparison.Ordinal);
        Assert.Contains("DuologueOptions.AllowedOrigins", logged, StringComparison.Ordinal);
        Assert.Contains("AllowAnyOrigin()", logged, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_endpoint_may_allow_more_than_the_server()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.MapDuologue("/own", Talks.Echo);
            app.MapDuologue("/listed", Talks.Echo).WithOptions(o => o.AllowedOrigins.Add("https://app.test"));
            app.MapDuologue("/any", Talks.Echo).WithOptions(o => o.AllowAnyOrigin());
        });

        Assert.Equal(403, (await host.HandshakeAsync("/own", ("Origin", "https://app.test"))).Status);
        Assert.Equal(101, (await host.HandshakeAsync("/listed", ("Origin", "https://app.test"))).Status);
        Assert.Equal(403, (await host.HandshakeAsync("/listed", ("Origin", "https://other.test"))).Status);
        Assert.Equal(101, (await host.HandshakeAsync("/any", ("Origin", "https://other.test"))).Status);
    }

    [Theory]
    [InlineData(false, 403)]
    [InlineData(true, 101)]
    public async Task Forwarded_headers_count_only_where_the_application_configured_them(bool configured, int status)
    {
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                if (configured)
                {
                    app.UseForwardedHeaders();
                }

                app.UseRouting();
                app.MapDuologue("/", Talks.Echo);
            },
            _ => { },
            builder => builder.Services.Configure<ForwardedHeadersOptions>(o => o.ForwardedHeaders = ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost));

        RawAnswer answer = await host.HandshakeAsync(
            "/",
            ("Origin", "https://public.example"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "public.example"));

        Assert.Equal(status, answer.Status);
    }

    private static HttpRequest Request(string scheme, string host, params string[] origins)
    {
        HttpRequest request = new DefaultHttpContext().Request;
        request.Scheme = scheme;
        request.Host = new HostString(host);
        if (origins.Length > 0)
        {
            request.Headers.Origin = origins;
        }

        return request;
    }
}
