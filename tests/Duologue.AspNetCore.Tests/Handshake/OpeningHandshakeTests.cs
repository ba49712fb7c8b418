using System.Diagnostics.Metrics;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using Duologue.AspNetCore.Tests.Hostile;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Handshake;

public class OpeningHandshakeTests
{
    [Fact]
    public async Task A_correct_handshake_is_answered_with_101_and_the_accept_of_the_RFC()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));

        RawAnswer answer = await host.HandshakeAsync("/");

        Assert.Equal(101, answer.Status);
        Assert.Equal("websocket", answer["Upgrade"]);
        Assert.Equal("Upgrade", answer["Connection"]);
        // RFC 6455 §1.3.
        Assert.Equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", answer["Sec-WebSocket-Accept"]);
        Assert.Null(answer["Sec-WebSocket-Protocol"]);
        Assert.Null(answer["Sec-WebSocket-Extensions"]);
    }

    [Theory]
    [InlineData("Upgrade", null, 426, "not_websocket")]
    [InlineData("Upgrade", "h2c", 426, "not_websocket")]
    [InlineData("Connection", "keep-alive", 400, "malformed_handshake")]
    [InlineData("Sec-WebSocket-Version", "8", 426, "version")]
    [InlineData("Sec-WebSocket-Version", null, 426, "version")]
    [InlineData("Sec-WebSocket-Key", null, 400, "malformed_handshake")]
    [InlineData("Sec-WebSocket-Key", "short", 400, "malformed_handshake")]
    [InlineData("Sec-WebSocket-Protocol", "a,,b b", 400, "malformed_handshake")]
    public async Task A_wrong_header_is_refused_with_a_sentence(string header, string? value, int status, string reason)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));

        RawAnswer answer = await host.HandshakeAsync("/", (header, value));

        Assert.Equal(status, answer.Status);
        Assert.Contains(header, answer.Body, StringComparison.Ordinal);
        Assert.StartsWith("text/plain", answer["Content-Type"], StringComparison.Ordinal);
        string logged = Assert.Single(host.Log.GetSnapshot(), record => record.Id.Name == "HandshakeRefused").Message;
        Assert.Contains($"({reason})", logged, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plain_request_gets_426_that_names_the_upgrade()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));
        await using RawClient client = await RawClient.ConnectAsync(host.Url);

        RawAnswer answer = await client.RequestAsync("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");

        Assert.Equal(426, answer.Status);
        Assert.Equal("websocket", answer["Upgrade"]);
        Assert.StartsWith("Upgrade", answer["Connection"], StringComparison.Ordinal);
        Assert.Contains("WebSocket", answer.Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\r\n")]
    public async Task A_426_behind_which_the_connection_ends_says_so(string request)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));
        using HostilePeer peer = await HostilePeer.ConnectAsync(host.Url);
        await peer.SayAsync(Encoding.ASCII.GetBytes(request));

        string head = await peer.HearHeadAsync();
        (_, bool reset) = await peer.HearToEndAsync();

        Assert.Contains("\r\nConnection: Upgrade, close\r\n", head, StringComparison.Ordinal);
        Assert.False(reset);
    }

    [Fact]
    public async Task A_wrong_version_is_told_the_right_one()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));

        Assert.Equal("13", (await host.HandshakeAsync("/", ("Sec-WebSocket-Version", "7")))["Sec-WebSocket-Version"]);
    }

    [Fact]
    public async Task Another_method_gets_405()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));
        await using RawClient client = await RawClient.ConnectAsync(host.Url);

        RawAnswer answer = await client.RequestAsync("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n");

        Assert.Equal(405, answer.Status);
        Assert.Equal("GET", answer["Allow"]);
    }

    [Fact]
    public async Task The_limit_on_connections_answers_503_until_one_has_closed()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Echo),
            options =>
            {
                options.MaxConnections = 1;
                options.RetryAfter = TimeSpan.FromSeconds(7);
            });
        using ClientWebSocket first = await host.ConnectAsync("/");

        RawAnswer refused = await host.HandshakeAsync("/");
        await first.CloseAsync();

        // The connection is gone before its place is free.
        await Eventually.True(() => host.Services.GetRequiredService<DuologueServer>().Admission.Total == 0);
        RawAnswer accepted = await host.HandshakeAsync("/");

        Assert.Equal(503, refused.Status);
        Assert.Equal("7", refused["Retry-After"]);
        Assert.Contains("MaxConnections", refused.Body, StringComparison.Ordinal);
        Assert.Equal(101, accepted.Status);
    }

    [Fact]
    public async Task The_limit_per_address_answers_503()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo), options => options.MaxConnectionsPerAddress = 2);
        using ClientWebSocket first = await host.ConnectAsync("/");
        using ClientWebSocket second = await host.ConnectAsync("/");

        RawAnswer refused = await host.HandshakeAsync("/");

        Assert.Equal(503, refused.Status);
        Assert.Equal("5", refused["Retry-After"]);
        Assert.Contains("MaxConnectionsPerAddress", refused.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_rate_of_handshakes_answers_503_until_time_has_passed()
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Echo),
            options => options.MaxHandshakesPerSecond = 2,
            builder => builder.Services.AddSingleton<TimeProvider>(time));
        Assert.Equal(101, (await host.HandshakeAsync("/")).Status);
        Assert.Equal(101, (await host.HandshakeAsync("/")).Status);

        RawAnswer refused = await host.HandshakeAsync("/");
        time.Advance(TimeSpan.FromSeconds(0.5));
        RawAnswer accepted = await host.HandshakeAsync("/");

        Assert.Equal(503, refused.Status);
        Assert.Equal("5", refused["Retry-After"]);
        Assert.Contains("MaxHandshakesPerSecond", refused.Body, StringComparison.Ordinal);
        Assert.Equal(101, accepted.Status);
    }

    [Fact]
    public async Task The_rate_of_handshakes_of_one_address_answers_429()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Echo),
            options => options.MaxHandshakesPerSecondPerAddress = 1,
            builder => builder.Services.AddSingleton<TimeProvider>(new FakeTimeProvider()));
        using var failures = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.server.handshake.failures");
        Assert.Equal(101, (await host.HandshakeAsync("/")).Status);

        RawAnswer refused = await host.HandshakeAsync("/");

        Assert.Equal(429, refused.Status);
        Assert.Equal("5", refused["Retry-After"]);
        Assert.Contains("MaxHandshakesPerSecondPerAddress", refused.Body, StringComparison.Ordinal);
        Assert.Equal("address_rate", Assert.Single(failures.GetMeasurementSnapshot()).Tags["duologue.handshake.failure"]);
    }

    [Theory]
    [InlineData(true, 101)]
    [InlineData(false, 503)]
    public async Task Addresses_behind_a_proxy_are_told_apart_only_where_forwarded_headers_are_configured(bool configured, int status)
    {
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                if (configured)
                {
                    app.UseForwardedHeaders();
                }

                app.MapDuologue("/", Talks.Echo);
            },
            options => options.MaxConnectionsPerAddress = 1,
            builder => builder.Services.Configure<ForwardedHeadersOptions>(o => o.ForwardedHeaders = ForwardedHeaders.XForwardedFor));
        await using RawClient first = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(101, (await first.HandshakeAsync("/", ("X-Forwarded-For", "2001:db8::1"))).Status);

        Assert.Equal(status, (await host.HandshakeAsync("/", ("X-Forwarded-For", "2001:db8:0:1::1"))).Status);
        Assert.Equal(503, (await host.HandshakeAsync("/", ("X-Forwarded-For", "2001:db8::ffff:2"))).Status);
    }

    [Fact]
    public async Task A_refused_handshake_takes_no_place()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo), options => options.MaxConnections = 1);
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(426, (await host.HandshakeAsync("/", ("Upgrade", null))).Status);
            Assert.Equal(403, (await host.HandshakeAsync("/", ("Origin", "null"))).Status);
        }

        Assert.Equal(101, (await host.HandshakeAsync("/")).Status);
    }

    [Fact]
    public async Task Kestrels_own_limit_on_upgrades_answers_503_too()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Echo),
            _ => { },
            builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxConcurrentUpgradedConnections = 1));
        using ClientWebSocket first = await host.ConnectAsync("/");

        RawAnswer refused = await host.HandshakeAsync("/");

        Assert.Equal(503, refused.Status);
        Assert.Equal("5", refused["Retry-After"]);
        await Eventually.True(() => host.Connections.Count == 1);
        Assert.Equal(503, (await host.HandshakeAsync("/")).Status);
    }

    [Fact]
    public async Task The_subprotocol_is_the_servers_first_choice_of_those_offered()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo).WithOptions(o =>
        {
            o.Subprotocols.Add("v2");
            o.Subprotocols.Add("v1");
        }));

        Assert.Equal("v2", (await host.HandshakeAsync("/", ("Sec-WebSocket-Protocol", "v1, v2")))["Sec-WebSocket-Protocol"]);
        Assert.Equal("v1", (await host.HandshakeAsync("/", ("Sec-WebSocket-Protocol", "v1, v0")))["Sec-WebSocket-Protocol"]);
        RawAnswer none = await host.HandshakeAsync("/", ("Sec-WebSocket-Protocol", "V1"));
        Assert.Equal(101, none.Status);
        Assert.Null(none["Sec-WebSocket-Protocol"]);
    }

    [Theory]
    [InlineData("Content-Length", "5")]
    [InlineData("Transfer-Encoding", "chunked")]
    public async Task A_handshake_with_a_body_is_told_to_leave_it_out(string header, string value)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));

        RawAnswer answer = await host.HandshakeAsync("/", (header, value));

        Assert.Equal(400, answer.Status);
        Assert.Contains("no body", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_timeout_does_not_end_a_conversation()
    {
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.UseRequestTimeouts();
                app.MapDuologue("/", Talks.Echo).WithRequestTimeout(TimeSpan.FromMilliseconds(100));
                app.MapGet("/slow", async (HttpContext context) => await Task.Delay(Timeout.Infinite, context.RequestAborted))
                    .WithRequestTimeout(TimeSpan.FromMilliseconds(100));
            },
            _ => { },
            builder => builder.Services.AddRequestTimeouts());
        using ClientWebSocket client = await host.ConnectAsync("/");

        // A request with the same timeout that began later was ended by it; so would the upgraded one have been, if it counted.
        using var http = new HttpClient();
        using HttpResponseMessage late = await http.GetAsync(new Uri(host.Url, "/slow"), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.GatewayTimeout, late.StatusCode);
        await client.SendTextAsync("still here");

        Assert.Equal("still here", await client.ReceiveTextAsync());
    }
}
