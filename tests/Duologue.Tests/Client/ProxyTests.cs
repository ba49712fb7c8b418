using System.Net;
using System.Net.Sockets;
using Duologue.Client;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Client.Proxies;

namespace Duologue.Tests.Client;

/// <summary>Handshakes through proxies.</summary>
public class ProxyTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static ConnectOptions Through(Uri proxy, ICredentials? credentials = null) => new()
    {
        Proxy = new WebProxy(proxy) { Credentials = credentials },
        ConnectTimeout = TimeSpan.FromSeconds(60),
        RemoteCertificateValidationCallback = Certificates.TrustServer,
    };

    // A masked text frame "Hello" (RFC 6455 §5.7) and its echo.
    private static async Task AssertTalksAsync(OpenedWebSocket opened)
    {
        await opened.Stream.WriteAsync(new byte[] { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58 }, Cancelled);
        byte[] echo = new byte[7];
        await opened.Stream.ReadExactlyAsync(echo, Cancelled);
        Assert.Equal("\x81\x05Hello"u8[^5..], echo.AsSpan(2));
        opened.Abort();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ws_and_wss_tunnel_through_an_HTTP_proxy(bool tls)
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync, tls ? https => https.ServerCertificate = Certificates.Server : null);
        await using var proxy = new HttpProxy();
        await AssertTalksAsync(await WebSocketConnector.OpenAsync(server.Uri, Through(proxy.Uri), Cancelled));
        Assert.Equal([$"CONNECT 127.0.0.1:{server.Uri.Port}"], proxy.Requests);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ws_and_wss_go_through_a_SOCKS_proxy(bool tls)
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync, tls ? https => https.ServerCertificate = Certificates.Server : null);
        await using var proxy = new SocksProxy();
        await AssertTalksAsync(await WebSocketConnector.OpenAsync(server.Uri, Through(proxy.Uri), Cancelled));
        Assert.Equal([$"127.0.0.1:{server.Uri.Port}"], proxy.Targets);
    }

    [Fact]
    public async Task The_credentials_of_the_proxy_are_given_when_it_asks()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        await using var proxy = new HttpProxy("me:s3cret");
        await AssertTalksAsync(await WebSocketConnector.OpenAsync(server.Uri, Through(proxy.Uri, new NetworkCredential("me", "s3cret")), Cancelled));
        Assert.Equal(2, proxy.Requests.Count);
    }

    [Fact]
    public async Task A_proxy_that_asks_in_vain_is_named()
    {
        await using var proxy = new HttpProxy("me:s3cret");
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(new Uri("ws://127.0.0.1:1/"), Through(proxy.Uri), Cancelled));
        Assert.Equal(HttpStatusCode.ProxyAuthenticationRequired, e.StatusCode);
        Assert.Contains("The proxy did not let it through", e.Message, StringComparison.Ordinal);
        Assert.Contains("Set the credentials of Proxy.", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_SOCKS_proxy_that_refuses_is_named()
    {
        await using var proxy = new SocksProxy(refuse: true);
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(new Uri("ws://127.0.0.1:1/"), Through(proxy.Uri), Cancelled));
        Assert.Contains("The proxy did not let it through", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_proxy_of_an_unknown_kind_is_refused()
    {
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(new Uri("ws://127.0.0.1:1/"), Through(new Uri("gopher://127.0.0.1:1")), Cancelled));
        Assert.Contains("proxies", e.Message, StringComparison.OrdinalIgnoreCase);
    }

    // An address that the application never named: the proxy may come from the environment.
    [Theory]
    [InlineData("ws", Transports.WebSocket)]
    [InlineData("ws", Transports.LongPolling)]
    [InlineData("wss", Transports.LongPolling)]
    [InlineData("ws", Transports.Polling)]
    public async Task A_proxy_that_is_not_there_was_shown_as_an_address_that_did_not_answer(string scheme, Transports transports)
    {
        using Socket absent = Absent(out Uri proxy);
        ConnectOptions options = Through(proxy) with { Transports = transports };
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => Connection.ConnectAsync(new Uri($"{scheme}://example.com/"), options, Cancelled).AsTask());
        Assert.Contains($"The proxy {proxy.Authority} cannot be reached: No address of 127.0.0.1 took the connection: {proxy.Authority}: ", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ws", FeedWays.WebSocket)]
    [InlineData("ws", FeedWays.ServerSentEvents)]
    [InlineData("ws", FeedWays.LongPolling)]
    [InlineData("wss", FeedWays.LongPolling)]
    [InlineData("ws", FeedWays.Polling)]
    public async Task A_proxy_that_is_not_there_was_shown_by_topics_as_an_address_that_did_not_answer(string scheme, FeedWays ways)
    {
        using Socket absent = Absent(out Uri proxy);
        await using var client = new TopicClient(new Uri($"{scheme}://example.com/topics"), new TopicClientOptions { Connect = Through(proxy), Ways = ways });
        var failed = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        client.StateChanged += (_, state) =>
        {
            if (state.Failure is { } failure)
            {
                failed.TrySetResult(failure);
            }
        };
        Task<string> publish = client.PublishAsync("t", "x", Cancelled);
        Exception e = await failed.Task.WaitAsync(TimeSpan.FromSeconds(60), Cancelled);
        Assert.Contains($"The proxy {proxy.Authority} cannot be reached: No address of 127.0.0.1 took the connection: {proxy.Authority}: ", e.Message, StringComparison.Ordinal);
        await client.DisposeAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => publish);
    }

    [Fact]
    public async Task A_proxy_that_does_not_answer_was_not_named_when_a_session_waited_for_it_in_vain()
    {
        using Socket absent = Absent(out Uri proxy);
        absent.Listen();
        ConnectOptions options = Through(proxy) with { Transports = Transports.LongPolling, ConnectTimeout = TimeSpan.FromSeconds(0.3) };
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => Connection.ConnectAsync(new Uri("wss://example.com/"), options, Cancelled).AsTask());
        Assert.Contains($"in vain for the proxy {proxy.Authority}.", e.Message, StringComparison.Ordinal);
    }

    // Bound and not listening: nobody else can take the port meanwhile.
    private static Socket Absent(out Uri proxy)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        proxy = new Uri($"http://127.0.0.1:{((IPEndPoint)socket.LocalEndPoint!).Port}");
        return socket;
    }

    [Fact]
    public async Task UseProxy_false_goes_straight()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        await AssertTalksAsync(await WebSocketConnector.OpenAsync(server.Uri, new ConnectOptions { UseProxy = false }, Cancelled));
    }

    [Fact]
    public async Task The_heads_of_the_tunnel_are_traced_before_those_of_the_handshake()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        await using var proxy = new HttpProxy("me:s3cret");
        var traces = new List<HandshakeTrace>();
        ConnectOptions options = Through(proxy.Uri, new NetworkCredential("me", "s3cret")) with { OnHandshake = traces.Add };
        await AssertTalksAsync(await WebSocketConnector.OpenAsync(server.Uri, options, Cancelled));
        Assert.Equal(
            [("CONNECT", "407"), ("CONNECT", "200"), ("GET", "101")],
            traces.Select(trace => (trace.Request.Split(' ')[0], trace.Response.Split(' ')[1])));
    }
}
