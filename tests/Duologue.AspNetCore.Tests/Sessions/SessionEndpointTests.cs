using System.Diagnostics.Metrics;
using System.Net;
using System.Security.Claims;
using System.Text;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Options;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>What a session has in common with every connection of the server: topics, registry, limits, origins, drain, metrics.</summary>
public class SessionEndpointTests
{
    private const string Friend = "https://friend.example";

    [Fact]
    public async Task What_is_published_reaches_a_session_and_a_WebSocket_alike()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io", async connection =>
        {
            connection.Subscribe("news");
            await Talks.Idle(connection);
        }));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        await Eventually.True(() => host.Topics.CountSubscribers("news") == 1);

        Assert.Equal(new FanoutResult(1, 0), host.Topics.Publish("news", "extra!"));

        Assert.Equal((200, "4extra!"), await client.GetAsync());
        string id = Assert.Single(host.Connections).Id;
        Assert.Equal(SendResult.Sent, host.Connections.Send(id, "for you"));
        Assert.Equal((200, "4for you"), await client.GetAsync());
        Assert.True(host.Connections.Close(id, 1000, ""));
        Assert.Equal((200, "1"), await client.GetAsync());
        await Eventually.True(() => host.Connections.Count == 0 && host.Topics.CountSubscribers("news") == 0);
    }

    [Fact]
    public async Task The_id_names_the_node_and_cannot_be_guessed_and_no_log_has_it()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"), options => options.NodeName = "node-7");
        await using SessionClient one = await SessionClient.OpenAsync(host);
        await using SessionClient two = await SessionClient.OpenAsync(host);
        await one.PostAsync("abc");

        Assert.StartsWith("node-7.", one.Sid, StringComparison.Ordinal);
        Assert.NotEqual(one.Sid, two.Sid);
        Assert.True(one.Sid.Length - "node-7.".Length >= 22, one.Sid);
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Category?.StartsWith("Duologue", StringComparison.Ordinal) == true && record.Message.Contains(one.Sid, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Sessions_of_one_address_are_limited_and_a_place_comes_back()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"), options => options.MaxSessionsPerAddress = 2);
        await using SessionClient one = await SessionClient.OpenAsync(host);
        await using SessionClient two = await SessionClient.OpenAsync(host);
        await using var three = new SessionClient(host);

        using HttpResponseMessage refused = await three.SendAsync(HttpMethod.Get, "EIO=4&transport=polling");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "5"), (refused.StatusCode, string.Join(',', refused.Headers.GetValues("Retry-After"))));
        Assert.Equal(503, (await host.HandshakeAsync("/engine.io/?EIO=4&transport=websocket")).Status);

        await one.PostAsync("1");

        // The session is gone before its place is free.
        AdmissionControl admission = host.Services.GetRequiredService<DuologueServer>().SessionAdmission;
        AddressKey place = default;
        await Eventually.True(() => admission.TryEnter(IPAddress.Loopback, out place) is null);
        admission.Leave(place);
        await three.OpenAsync();
    }

    [Fact]
    public async Task An_endpoint_may_do_without_sessions()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io").WithOptions(options => options.Sessions = false));
        await using var client = new SessionClient(host);

        Assert.Equal(426, (await client.AskAsync(HttpMethod.Get, "EIO=4&transport=polling")).Status);
        Assert.Equal(101, (await host.HandshakeAsync("/engine.io/?EIO=4&transport=websocket")).Status);
    }

    [Fact]
    public async Task A_page_and_sessions_share_a_pattern()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.MapGet("/engine.io", () => "the page");
            app.MapDuologue<EchoHandler>("/engine.io");
        });
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal((200, "the page"), await client.AskAsync(HttpMethod.Get, ""));
        Assert.Equal((200, "ok"), await client.PostAsync("4x"));
        Assert.Equal((200, "4x"), await client.GetAsync());
    }

    [Fact]
    public async Task Origins_are_judged_and_told_as_those_of_a_WebSocket()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"), options => options.AllowedOrigins.Add(Friend));
        await using SessionClient client = await SessionClient.OpenAsync(host);

        using HttpResponseMessage stranger = await client.SendAsync(HttpMethod.Get, "EIO=4&transport=polling", null, ("Origin", "https://stranger.example"));
        Assert.Equal(HttpStatusCode.Forbidden, stranger.StatusCode);
        Assert.Equal("{\"code\":4,\"message\":\"Forbidden\"}", await stranger.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        using HttpResponseMessage friend = await client.SendAsync(HttpMethod.Get, client.Query + "&wait=0", null, ("Origin", Friend));
        Assert.Equal((HttpStatusCode.OK, Friend, "true"), (friend.StatusCode, friend.Headers.GetValues("Access-Control-Allow-Origin").Single(), friend.Headers.GetValues("Access-Control-Allow-Credentials").Single()));
        using HttpResponseMessage error = await client.SendAsync(HttpMethod.Get, "EIO=4&transport=abc", null, ("Origin", Friend));
        Assert.Equal((HttpStatusCode.BadRequest, Friend), (error.StatusCode, error.Headers.GetValues("Access-Control-Allow-Origin").Single()));
        using HttpResponseMessage preflight = await client.SendAsync(HttpMethod.Options, "EIO=4&transport=polling", null, ("Origin", Friend), ("Access-Control-Request-Headers", "x-mine"));
        Assert.Equal((HttpStatusCode.NoContent, "x-mine"), (preflight.StatusCode, preflight.Headers.GetValues("Access-Control-Allow-Headers").Single()));
        Assert.Equal(403, (await host.HandshakeAsync("/engine.io/?EIO=4&transport=websocket", ("Origin", "https://stranger.example"))).Status);
    }

    [Fact]
    public async Task A_preflight_that_asks_for_what_no_header_may_have_ended_with_a_stack_trace_in_the_log()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"));
        await using var client = new SessionClient(host);

        using HttpResponseMessage preflight = await client.SendAsync(HttpMethod.Options, "EIO=4&transport=polling", null, ("Access-Control-Request-Headers", "x-mine\u0001"));

        Assert.Equal(HttpStatusCode.NoContent, preflight.StatusCode);
        Assert.DoesNotContain("mine", preflight.Headers.GetValues("Access-Control-Allow-Headers").Single(), StringComparison.Ordinal);
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Exception is not null);
    }

    [Theory]
    [InlineData("cross-site", false, 403)]
    [InlineData("same-site", false, 403)]
    [InlineData("same-origin", false, 200)]
    [InlineData("none", false, 200)]
    [InlineData("cross-site", true, 200)]
    public async Task An_image_on_a_page_of_another_site_opened_a_session_in_its_visitors_name(string site, bool any, int status)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"), options =>
        {
            // The session is left as it is, and the host's end waits for it.
            options.CloseTimeout = TimeSpan.FromMilliseconds(100);
            if (any)
            {
                options.AllowedOrigins.Add(DuologueEndpointOptions.AnyOrigin);
            }
        });
        await using var client = new SessionClient(host);

        // What a page only loads is asked for without an Origin, and with the visitor's cookies.
        using HttpResponseMessage answer = await client.SendAsync(HttpMethod.Get, "EIO=4&transport=polling", null, ("Sec-Fetch-Site", site));

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(status == 200 ? 1 : 0, host.Connections.Count);
        Assert.Equal(status == 403, host.Log.GetSnapshot().Any(record => record.Id.Name == "OriginRefused"));
    }

    [Fact]
    public async Task Polled_answers_are_stored_by_nobody()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"));
        await using SessionClient client = await SessionClient.OpenAsync(host);

        using HttpResponseMessage post = await client.SendAsync(HttpMethod.Post, client.Query, new StringContent("4x"));
        using HttpResponseMessage get = await client.SendAsync(HttpMethod.Get, client.Query);

        Assert.True(post.Headers.CacheControl?.NoStore);
        Assert.True(get.Headers.CacheControl?.NoStore);
        Assert.Equal(("text/plain", "UTF-8"), (get.Content.Headers.ContentType?.MediaType, get.Content.Headers.ContentType?.CharSet));
        Assert.Equal(2, post.Content.Headers.ContentLength);
    }

    [Fact]
    public async Task The_drain_closes_sessions_and_refuses_new_ones()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"), options => options.CloseTimeout = TimeSpan.FromSeconds(20));
        await using SessionClient polled = await SessionClient.OpenAsync(host);
        await using SessionClient waiting = await SessionClient.OpenAsync(host);
        await using var late = new SessionClient(host);
        Connection[] connections = [.. host.Connections];
        Task<(int, string)> held = polled.GetAsync();

        Task stopping = host.StopAsync();
        Assert.Equal((200, "1"), await held);

        // The other one has not fetched its close yet, so the drain goes on.
        using HttpResponseMessage refused = await late.SendAsync(HttpMethod.Get, "EIO=4&transport=polling");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "5"), (refused.StatusCode, refused.Headers.GetValues("Retry-After").Single()));
        Assert.Equal((200, "1"), await waiting.GetAsync());
        await stopping.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);

        foreach (Connection connection in connections)
        {
            Assert.Equal(CloseCause.ServerDraining, (await connection.Closed).Cause);
        }
    }

    [Fact]
    public async Task Metrics_tell_the_transport_also_when_it_changes()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"));
        using var active = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), "Duologue.AspNetCore", "duologue.server.active_connections");
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Assert.Equal(1, Sum("long_polling"));
        await client.GetAsync("wait=0");
        Assert.Equal((0, 1), (Sum("long_polling"), Sum("polling")));

        using System.Net.WebSockets.ClientWebSocket socket = await client.CompleteUpgradeAsync();
        await socket.SendTextAsync("4x");
        Assert.Equal("4x", await socket.ReceiveTextAsync());
        Assert.Equal((0, 0, 1), (Sum("long_polling"), Sum("polling"), Sum("websocket")));
        await socket.CloseAsync();
        await Eventually.True(() => Sum("websocket") == 0);

        long Sum(string transport) => active.GetMeasurementSnapshot().Where(each => Equals(each.Tags["duologue.transport"], transport)).Sum(each => each.Value);
    }

    [Fact]
    public async Task A_session_is_its_users_alone()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.Use((context, next) =>
            {
                if (context.Request.Headers["X-User"] is [{ } name])
                {
                    context.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.NameIdentifier, name)], "test"));
                }

                return next(context);
            });
            app.MapDuologue<EchoHandler>("/engine.io");
        });
        await using var ann = new SessionClient(host);
        ann.Http.DefaultRequestHeaders.Add("X-User", "ann");
        await ann.OpenAsync();
        await using var bob = new SessionClient(host);

        Assert.Equal(400, (await bob.AskAsync(HttpMethod.Get, ann.Query)).Status);
        bob.Http.DefaultRequestHeaders.Add("X-User", "bob");
        Assert.Equal(400, (await bob.AskAsync(HttpMethod.Post, ann.Query, new StringContent("4x"))).Status);

        Assert.Equal(1, host.Connections.CountByUser("ann"));
        Assert.Equal((200, "6"), await ann.GetAsync("wait=0"));
    }

    [Fact]
    public async Task What_a_session_cannot_do_it_says()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();

        NotSupportedException error = Assert.Throws<NotSupportedException>(() => connection.OpenWrite(MessageType.Text));
        Assert.Contains("Engine.IO", error.Message, StringComparison.Ordinal);
        Assert.Null(connection.Subprotocol);
    }

    [Fact]
    public async Task An_endpoint_that_goes_by_subprotocol_alone_has_no_sessions()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io").WithSubprotocol<EchoHandler>("echo"));
        await using var client = new SessionClient(host);

        (int status, string body) = await client.AskAsync(HttpMethod.Get, "EIO=4&transport=polling");

        Assert.Equal(400, status);
        Assert.Contains("subprotocol", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/engine.io?EIO=4&transport=websocket&sid=unknown", "Session ID unknown")]
    [InlineData("/engine.io?EIO=4&transport=polling", "Bad request")]
    public async Task A_WebSocket_over_HTTP2_that_was_refused_left_a_warning_of_the_web_server_each_time(string path, string expected)
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue<EchoHandler>("/engine.io"),
            _ => { },
            builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = HttpProtocols.Http2)));
        await using RawHttp2Client client = await RawHttp2Client.ConnectAsync(host.Url);
        await client.OpenWebSocketAsync(1, host.Url.Authority, path);

        Http2Frame answer = await client.ReadUntilAsync(Http2Frame.Data);

        Assert.Equal(expected, Encoding.UTF8.GetString(answer.Payload));
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Id.Name == "InvalidResponseHeaderRemoved");
    }

    [Theory]
    [InlineData("")]
    [InlineData("a.b")]
    [InlineData("ä")]
    public void A_node_has_a_plain_name(string name)
    {
        ValidateOptionsResult result = new DuologueOptionsValidator().Validate(null, new DuologueOptions { NodeName = name });

        Assert.Contains("NodeName", Assert.Single(result.Failures!), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_round_trip_is_measured_by_a_ping_of_the_application()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Task<TimeSpan> ping = host.Connections.Single().PingAsync(TestContext.Current.CancellationToken).AsTask();

        Assert.Equal((200, "2"), await client.GetAsync());
        Assert.Equal((200, "ok"), await client.PostAsync("3"));

        Assert.True(await ping.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken) > TimeSpan.Zero);
    }
}
