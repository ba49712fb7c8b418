using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using Duologue.Client;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Client.Proxies;
using Duologue.Tests.Peer;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using KestrelServer = Duologue.Tests.Client.Peers.KestrelServer;

namespace Duologue.Tests.Client;

/// <summary>Handshakes that ask for HTTP/2, with the platform's own server and with servers that do not take them.</summary>
public class HandshakeAttemptHttp2Tests
{
    private static readonly ConnectOptions Http2 = new()
    {
        HttpVersion = HttpVersion.Version20,
        UseProxy = false,
        ConnectTimeout = TimeSpan.FromSeconds(60),
        CloseTimeout = TimeSpan.FromSeconds(60),
        RemoteCertificateValidationCallback = Certificates.TrustServer,
    };

    private static readonly ConnectOptions Exact = Http2 with { HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static Task<KestrelServer> StartAsync(RequestDelegate handler, bool tls, HttpProtocols protocols) =>
        KestrelServer.StartAsync(handler, tls ? https => https.ServerCertificate = Certificates.Server : null, protocols);

    private static async Task<HandshakeException> FailAsync(Uri uri, ConnectOptions options) =>
        await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(uri, options, Cancelled));

    /// <summary>The clock stands still until the server was asked.</summary>
    private static async Task<HandshakeException> TimeOutAsync(Uri uri, Task asked)
    {
        var time = new FakeTimeProvider();
        Task<HandshakeException> failing = FailAsync(uri, Exact with { TimeProvider = time });
        await asked.Soon();
        time.Advance(Exact.ConnectTimeout);
        return await failing;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_conversation_goes_over_HTTP2(bool tls)
    {
        string? version = null;
        await using KestrelServer server = await StartAsync(
            context =>
            {
                version = $"{context.Request.Protocol} {context.Request.Method} {context.Features.Get<IHttpExtendedConnectFeature>()?.Protocol}";
                return KestrelServer.EchoAsync(context, "b");
            },
            tls,
            HttpProtocols.Http2);
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Exact with { Subprotocols = ["a", "b"] }, Cancelled);
        Assert.Equal("HTTP/2 CONNECT websocket", version);
        Assert.Equal("b", connection.Subprotocol);

        await connection.SendAsync("hello everyone", Cancelled);
        Assert.Equal("hello everyone", (await connection.ReceiveAsync(Cancelled)).Text);
        byte[] large = new byte[1_000_000];
        Random.Shared.NextBytes(large);
        Task sending = connection.SendAsync(large, MessageType.Binary, Cancelled).AsTask();
        Assert.Equal(large, (await connection.ReceiveAsync(Cancelled)).ToArray());
        await sending.Soon();
        Assert.True(await connection.PingAsync(Cancelled) > TimeSpan.Zero);

        Assert.Equal(new CloseInfo(3000, "bye", ByPeer: false, WasClean: true, CloseCause.LocalClose), await connection.CloseAsync(3000, "bye"));
    }

    [Fact]
    public async Task The_server_may_speak_and_close_first()
    {
        await using KestrelServer server = await StartAsync(
            async context =>
            {
                using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
                await socket.SendAsync("one"u8.ToArray(), WebSocketMessageType.Text, true, context.RequestAborted);
                await socket.CloseAsync((WebSocketCloseStatus)4001, "enough", context.RequestAborted);
            },
            tls: false,
            HttpProtocols.Http2);
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Exact, Cancelled);
        var texts = new List<string>();
        await foreach (Message message in connection.ReadAllAsync(Cancelled))
        {
            texts.Add(message.Text);
        }

        Assert.Equal(["one"], texts);
        Assert.Equal(new CloseInfo(4001, "enough", ByPeer: true, WasClean: true, CloseCause.PeerClosed), await connection.Closed.Soon());
    }

    [Theory]
    [InlineData(false, HttpVersionPolicy.RequestVersionOrLower, "HTTP/1.1")] // nothing tells which versions a server in clear text speaks
    [InlineData(true, HttpVersionPolicy.RequestVersionOrLower, "HTTP/2")]
    [InlineData(true, HttpVersionPolicy.RequestVersionOrHigher, "HTTP/2")]
    [InlineData(true, HttpVersionPolicy.RequestVersionExact, "HTTP/2")]
    public async Task Of_a_server_that_speaks_both_the_policy_chooses(bool tls, HttpVersionPolicy policy, string expected)
    {
        string? version = null;
        await using KestrelServer server = await StartAsync(
            context =>
            {
                version = context.Request.Protocol;
                return KestrelServer.EchoAsync(context);
            },
            tls,
            tls ? HttpProtocols.Http1AndHttp2 : HttpProtocols.Http1);
        (await WebSocketConnector.OpenAsync(server.Uri, Http2 with { HttpVersionPolicy = policy }, Cancelled)).Abort();
        Assert.Equal(expected, version);
    }

    [Theory]
    [InlineData(HttpVersionPolicy.RequestVersionOrLower, "HTTP/1.1")]
    [InlineData(HttpVersionPolicy.RequestVersionExact, "HTTP/1.1")]
    [InlineData(HttpVersionPolicy.RequestVersionOrHigher, "HTTP/2")]
    public async Task Of_version_1_1_only_or_higher_makes_2(HttpVersionPolicy policy, string expected)
    {
        string? version = null;
        await using KestrelServer server = await StartAsync(
            context =>
            {
                version = context.Request.Protocol;
                return KestrelServer.EchoAsync(context);
            },
            tls: true,
            HttpProtocols.Http1AndHttp2);
        (await WebSocketConnector.OpenAsync(server.Uri, Http2 with { HttpVersion = HttpVersion.Version11, HttpVersionPolicy = policy }, Cancelled)).Abort();
        Assert.Equal(expected, version);
    }

    [Fact]
    public async Task A_server_with_HTTP1_only_is_connected_to_over_that()
    {
        await using KestrelServer server = await StartAsync(KestrelServer.EchoAsync, tls: true, HttpProtocols.Http1);
        var logs = new FakeLogCollector();
        using var factory = new LoggerFactory([new FakeLoggerProvider(logs)], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Http2 with { LoggerFactory = factory }, Cancelled);
        await connection.SendAsync("hello", Cancelled);
        Assert.Equal("hello", (await connection.ReceiveAsync(Cancelled)).Text);
        Assert.True((await connection.CloseAsync()).WasClean);
        Assert.Contains(logs.GetSnapshot(), record => record.Id.Name == "HttpVersionLowered");
        Assert.Contains(logs.GetSnapshot(), record => record.Id.Name == "Connected" && record.Message.Contains("over HTTP/1.1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_whose_HTTP2_takes_no_WebSockets_is_gone_back_from_to_HTTP1()
    {
        await using var server = new BareHttp2Server(tls: true, [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11], [], null);
        OpenedWebSocket opened = await WebSocketConnector.OpenAsync(server.Uri, Http2, Cancelled);
        Assert.Equal(HttpVersion.Version11, opened.HttpVersion);
        opened.Abort();
        Assert.Equal(2, server.TcpConnections);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_whose_HTTP2_takes_no_WebSockets_is_an_error_where_nothing_else_will_do(bool tls)
    {
        await using var server = new BareHttp2Server(tls, [SslApplicationProtocol.Http2], [], null);
        HandshakeException e = await FailAsync(server.Uri, Exact);
        Assert.Null(e.StatusCode);
        Assert.Contains("The server takes no WebSocket over HTTP/2 (RFC 8441)", e.Message, StringComparison.Ordinal);
        Assert.Contains("HttpVersion to 1.1", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_with_HTTP1_only_is_an_error_where_nothing_else_will_do(bool tls)
    {
        await using KestrelServer server = await StartAsync(KestrelServer.EchoAsync, tls, HttpProtocols.Http1);
        HandshakeException e = await FailAsync(server.Uri, Exact);
        Assert.Contains("HTTP/2", e.Message, StringComparison.Ordinal);
        Assert.Contains("HttpVersion to 1.1", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_that_ends_the_connection_at_the_sight_of_HTTP2_was_told_of_without_the_way_out(bool resets)
    {
        await using var server = new RawServer(exchange =>
        {
            if (!resets)
            {
                exchange.Stream.Socket.Shutdown(SocketShutdown.Send);
                return exchange.ReadToEndAsync();
            }

            // What it had said before is lost with that.
            exchange.Stream.Socket.LingerState = new LingerOption(true, 0);
            exchange.Stream.Socket.Close();
            return Task.CompletedTask;
        });
        HandshakeException e = await FailAsync(server.Uri, Exact);
        Assert.Contains("speaks no HTTP/2", e.Message, StringComparison.Ordinal);
        Assert.Contains("HttpVersion to 1.1", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_that_is_refused_with_HTTP_1_1_REQUIRED_is_gone_back_from_or_an_error_that_names_the_way_out()
    {
        // RFC 8441 §3: setting 8 is 1; RFC 9113 §6.4, §7: RST_STREAM of stream 1 with error 13.
        await using var server = new BareHttp2Server(
            tls: true,
            [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
            [0, 8, 0, 0, 0, 1],
            async (stream, stop) => await stream.WriteAsync((byte[])[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 13], stop));
        OpenedWebSocket opened = await WebSocketConnector.OpenAsync(server.Uri, Http2, Cancelled);
        Assert.Equal(HttpVersion.Version11, opened.HttpVersion);
        opened.Abort();
        Assert.Contains("HttpVersion to 1.1", (await FailAsync(server.Uri, Exact)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(403, "Origin")]
    [InlineData(404, "nothing at this path")]
    [InlineData(405, "take no CONNECT here")]
    [InlineData(503, "later")]
    public async Task A_refusal_gives_status_headers_and_the_first_kilobyte_of_the_body(int status, string hint)
    {
        string body = string.Concat(Enumerable.Range(0, 1000).Select(i => $"{i:0000} "));
        await using KestrelServer server = await StartAsync(
            async context =>
            {
                context.Response.StatusCode = status;
                context.Response.Headers.Append("X-Why", new(["one", "two"]));
                await context.Response.WriteAsync(body);
            },
            tls: false,
            HttpProtocols.Http2);
        HandshakeException e = await FailAsync(server.Uri, Exact);
        Assert.Equal((HttpStatusCode)status, e.StatusCode);
        Assert.Equal(["one", "two"], e.Headers["x-why"]);
        Assert.Equal(body[..1024], e.Body);
        Assert.Contains($"The server answered {status}", e.Message, StringComparison.Ordinal);
        Assert.Contains("expected 200.", e.Message, StringComparison.Ordinal);
        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_not_offered_must_not_be_chosen()
    {
        await using KestrelServer server = await StartAsync(
            async context =>
            {
                context.Response.Headers.SecWebSocketExtensions = "permessage-x";
                await context.Features.Get<IHttpExtendedConnectFeature>()!.AcceptAsync();
            },
            tls: false,
            HttpProtocols.Http2);
        Assert.Contains("the extension \"permessage-x\", which was not offered", (await FailAsync(server.Uri, Exact)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Headers_origin_cookies_and_user_information_are_sent_and_cookies_are_kept()
    {
        IHeaderDictionary? headers = null;
        await using KestrelServer server = await StartAsync(
            context =>
            {
                headers = new HeaderDictionary(context.Request.Headers.ToDictionary(header => header.Key, header => header.Value, StringComparer.OrdinalIgnoreCase));
                context.Response.Cookies.Append("seen", "yes");
                return KestrelServer.EchoAsync(context);
            },
            tls: false,
            HttpProtocols.Http2);
        var cookies = new CookieContainer();
        cookies.Add(new Uri($"http://127.0.0.1:{server.Uri.Port}"), new Cookie("session", "42"));
        ConnectOptions options = Exact with
        {
            Cookies = cookies,
            Origin = "https://example.com",
            Headers = [new("X-One", "1"), new("Host", "other.example")],
        };
        Uri uri = new UriBuilder(server.Uri) { UserName = "me", Password = "s3cret" }.Uri;
        (await WebSocketConnector.OpenAsync(uri, options, Cancelled)).Abort();
        Assert.Equal("other.example", headers!.Host);
        Assert.Equal("https://example.com", headers.Origin);
        Assert.Equal("1", headers["X-One"]);
        Assert.Equal("session=42", headers.Cookie);
        Assert.Equal($"Basic {Convert.ToBase64String("me:s3cret"u8)}", headers.Authorization);
        Assert.Equal("13", headers.SecWebSocketVersion);
        Assert.False(headers.ContainsKey("Sec-WebSocket-Key"));
        Assert.Equal("yes", cookies.GetCookies(server.Uri)["seen"]?.Value);
    }

    [Fact]
    public async Task Credentials_answer_a_401()
    {
        string basic = $"Basic {Convert.ToBase64String("me:s3cret"u8)}";
        await using KestrelServer server = await StartAsync(
            context =>
            {
                if (context.Request.Headers.Authorization == basic)
                {
                    return KestrelServer.EchoAsync(context);
                }

                context.Response.StatusCode = 401;
                context.Response.Headers.WWWAuthenticate = "Basic realm=\"x\"";
                return Task.CompletedTask;
            },
            tls: false,
            HttpProtocols.Http2);
        (await WebSocketConnector.OpenAsync(server.Uri, Exact with { Credentials = new NetworkCredential("me", "s3cret") }, Cancelled)).Abort();
    }

    [Fact]
    public async Task Over_TLS_HTTP2_is_tunnelled_through_an_HTTP_proxy()
    {
        await using KestrelServer server = await StartAsync(KestrelServer.EchoAsync, tls: true, HttpProtocols.Http2);
        await using var proxy = new HttpProxy("me:s3cret");
        var traces = new List<HandshakeTrace>();
        ConnectOptions options = Exact with { UseProxy = true, Proxy = new WebProxy(proxy.Uri) { Credentials = new NetworkCredential("me", "s3cret") }, OnHandshake = traces.Add };
        await using Connection connection = await Connection.ConnectAsync(server.Uri, options, Cancelled);
        await connection.SendAsync("hello", Cancelled);
        Assert.Equal("hello", (await connection.ReceiveAsync(Cancelled)).Text);
        Assert.Equal(2, proxy.Requests.Count);
        Assert.Equal(["CONNECT ", "CONNECT ", ":method:"], traces.Select(trace => trace.Request[..8]));
    }

    [Fact]
    public async Task In_clear_text_HTTP2_through_an_HTTP_proxy_is_an_error_that_names_the_ways_out()
    {
        await using var proxy = new HttpProxy();
        HandshakeException e = await FailAsync(new Uri("ws://127.0.0.1:1/"), Exact with { UseProxy = true, Proxy = new WebProxy(proxy.Uri) });
        Assert.Contains("HTTP/2 in clear text goes through no HTTP proxy", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HTTP2_goes_through_a_SOCKS_proxy()
    {
        await using KestrelServer server = await StartAsync(KestrelServer.EchoAsync, tls: false, HttpProtocols.Http2);
        await using var proxy = new SocksProxy();
        (await WebSocketConnector.OpenAsync(server.Uri, Exact with { UseProxy = true, Proxy = new WebProxy(proxy.Uri) }, Cancelled)).Abort();
        Assert.Equal([$"127.0.0.1:{server.Uri.Port}"], proxy.Targets);
    }

    [Fact]
    public async Task A_host_with_a_dead_address_connects_by_the_other()
    {
        await using KestrelServer server = await StartAsync(KestrelServer.EchoAsync, tls: false, HttpProtocols.Http2);
        ConnectOptions options = Exact with
        {
            Resolve = (_, _) => Task.FromResult<IPAddress[]>([IPAddress.IPv6Loopback, IPAddress.Loopback]),
            Connect = async (endPoint, cancellationToken) =>
            {
                if (endPoint.Address.Equals(IPAddress.IPv6Loopback))
                {
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                }

                return await ConnectionRacer.SystemConnect(endPoint, cancellationToken);
            },
        };
        (await WebSocketConnector.OpenAsync(new Uri($"ws://host.example:{server.Uri.Port}/"), options, Cancelled)).Abort();
    }

    [Fact]
    public async Task A_server_that_never_answers_ends_at_the_timeout_and_its_connection_is_closed()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using KestrelServer server = await StartAsync(
            async context =>
            {
                context.RequestAborted.Register(aborted.SetResult);
                asked.SetResult();
                await aborted.Task;
            },
            tls: false,
            HttpProtocols.Http2);
        HandshakeException e = await TimeOutAsync(server.Uri, asked.Task);
        Assert.Contains($"Waited 60 s (ConnectTimeout) in vain for the answer of 127.0.0.1:{server.Uri.Port}.", e.Message, StringComparison.Ordinal);
        await aborted.Task.Soon();
    }

    [Fact]
    public async Task A_server_that_never_sends_its_settings_ends_at_the_timeout()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new RawServer(exchange =>
        {
            asked.SetResult();
            return exchange.ReadToEndAsync();
        });
        HandshakeException e = await TimeOutAsync(server.Uri, asked.Task);
        Assert.Contains("Waited 60 s (ConnectTimeout) in vain for the answer of", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_heads_are_written_out_for_who_looks_at_the_wire()
    {
        await using KestrelServer server = await StartAsync(context => KestrelServer.EchoAsync(context, "b"), tls: true, HttpProtocols.Http2);
        var cookies = new CookieContainer();
        cookies.Add(new Uri($"http://127.0.0.1:{server.Uri.Port}"), new Cookie("session", "42"));
        var traces = new List<HandshakeTrace>();
        ConnectOptions options = Exact with { Subprotocols = ["b"], Cookies = cookies, Origin = "https://a", OnHandshake = traces.Add };
        (await WebSocketConnector.OpenAsync(new Uri(server.Uri, "/chat?x=1"), options, Cancelled)).Abort();
        HandshakeTrace trace = Assert.Single(traces);
        Assert.Equal(
            [
                ":method: CONNECT", ":protocol: websocket", ":scheme: https", $":authority: 127.0.0.1:{server.Uri.Port}", ":path: /chat?x=1",
                "sec-websocket-version: 13", "sec-websocket-protocol: b", "origin: https://a", "cookie: session=42", "", "",
            ],
            trace.Request.Split("\r\n"));
        Assert.StartsWith(":status: 200\r\n", trace.Response, StringComparison.Ordinal);
        Assert.Contains("\r\nsec-websocket-protocol: b\r\n", trace.Response, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_resets_the_stream_is_a_lost_connection_also_for_who_is_sending()
    {
        await using KestrelServer server = await StartAsync(
            async context =>
            {
                using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
                await socket.ReceiveAsync(new byte[10], context.RequestAborted);
                context.Abort();
            },
            tls: false,
            HttpProtocols.Http2);
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Exact, Cancelled);
        await Assert.ThrowsAnyAsync<ConnectionClosedException>(async () =>
        {
            while (true)
            {
                await connection.SendAsync(new byte[10_000], MessageType.Binary, Cancelled);
            }
        });
        CloseInfo info = await connection.Closed.Soon();
        Assert.Equal((1006, CloseCause.ConnectionLost), (info.Code, info.Cause));
    }
}
