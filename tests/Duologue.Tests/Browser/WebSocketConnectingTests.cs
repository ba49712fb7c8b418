using System.Net;
using System.Net.Sockets;
using Duologue.Browser;
using WebSocket = Duologue.Browser.WebSocket;

namespace Duologue.Tests.Browser;

public class WebSocketConnectingTests
{
    private static readonly string[] Failed = ["error Closed", "close Closed 1006 '' unclean"];

    [Theory]
    [InlineData("ftp://localhost/")]
    [InlineData("ws://localhost/#")]
    [InlineData("ws://foo bar.com/")]
    [InlineData("test")]
    [InlineData("")]
    public void A_wrong_url_throws_a_syntax_error(string url) =>
        Assert.Equal("SyntaxError", Assert.Throws<DomException>(() => new WebSocket(url)).Name);

    [Fact]
    public void Wrong_subprotocols_throw_a_syntax_error()
    {
        Assert.Equal("SyntaxError", Assert.Throws<DomException>(() => new WebSocket("ws://localhost:1/", "")).Name);
        Assert.Equal("SyntaxError", Assert.Throws<DomException>(() => new WebSocket("ws://localhost:1/", "a b")).Name);
        Assert.Equal("SyntaxError", Assert.Throws<DomException>(() => new WebSocket("ws://localhost:1/", ["a", "A"])).Name);
        Assert.Equal("SyntaxError", Assert.Throws<DomException>(() => new WebSocket("ws://localhost:1/", new WebSocketOptions { Protocols = ["ä"] })).Name);
    }

    [Fact]
    public void Wrong_options_throw()
    {
        Assert.Throws<ArgumentException>(() => new WebSocket("ws://localhost:1/", new WebSocketOptions { Connection = new ConnectOptions { Subprotocols = ["a"] } }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new WebSocket("ws://localhost:1/", new WebSocketOptions { MaxSendMemory = 0 }));
        Assert.Throws<ArgumentNullException>(() => new WebSocket("ws://localhost:1/", (WebSocketOptions)null!));
    }

    [Fact]
    public async Task An_http_url_is_shown_as_ws_and_connects()
    {
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket($"HTTP://LOCALHOST:{server.Port}/a/../b?€");
        var log = new EventLog(socket);
        server.Go();

        Assert.Equal($"ws://localhost:{server.Port}/b?%E2%82%AC", socket.Url);
        await log.Opened;
        socket.Close();
        await log.Closed;
    }

    [Fact]
    public async Task The_request_is_what_a_browser_sends()
    {
        var request = new TaskCompletionSource<RawPeer>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RawServer server = RawServer.StartAccepting(peer =>
        {
            request.SetResult(peer);
            return peer.ReadMessageAsync();
        });
        var socket = new WebSocket($"ws://us%65r:s%3Acret@localhost:{server.Port}/%7Ep/%41?q=€'");
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;

        RawPeer peer = await request.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken);
        Assert.StartsWith("GET /%7Ep/%41?q=%E2%82%AC%27 HTTP/1.1\r\n", peer.Request, StringComparison.Ordinal);
        Assert.Equal($"localhost:{server.Port}", peer.Header("Host"));
        Assert.Equal("13", peer.Header("Sec-WebSocket-Version"));
        Assert.Equal("Basic " + Convert.ToBase64String("user:s:cret"u8), peer.Header("Authorization"));
        Assert.Null(peer.Header("Origin"));
        Assert.Null(peer.Header("Referer"));
        Assert.Null(peer.Header("Sec-WebSocket-Protocol"));
        Assert.DoesNotContain("cret", socket.Url, StringComparison.Ordinal);
        socket.Close();
        await log.Closed;
    }

    [Fact]
    public async Task Base_origin_and_protocols_come_from_the_options()
    {
        var request = new TaskCompletionSource<RawPeer>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.AcceptAsync("Sec-WebSocket-Protocol: b\r\n");
            request.SetResult(peer);
            await peer.ReadMessageAsync();
        });
        var socket = new WebSocket("../talk", new WebSocketOptions
        {
            BaseUrl = $"http://localhost:{server.Port}/pages/index.html#top",
            Protocols = ["a", "b"],
            Connection = new ConnectOptions { Origin = "https://example.com" },
        });
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;

        RawPeer peer = await request.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken);
        Assert.StartsWith("GET /talk HTTP/1.1\r\n", peer.Request, StringComparison.Ordinal);
        Assert.Equal("https://example.com", peer.Header("Origin"));
        Assert.Equal("a, b", peer.Header("Sec-WebSocket-Protocol"));
        Assert.Equal("b", socket.Protocol);
        socket.Close();
        await log.Closed;
    }

    [Fact]
    public async Task State_protocol_and_extensions_change_within_the_task_that_fires_open()
    {
        using var context = new ManualContext();
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.AcceptAsync("Sec-WebSocket-Protocol: chat\r\n");
            await peer.ReadMessageAsync();
        });
        WebSocket socket = context.Make(() => new WebSocket(server.Url, "chat"));
        var log = new EventLog(socket);
        server.Go();

        Assert.Equal(ReadyState.Connecting, socket.ReadyState);
        context.WaitForWork();
        Assert.Equal(ReadyState.Connecting, socket.ReadyState);
        Assert.Equal("", socket.Protocol);
        context.Turn();
        Assert.Equal(ReadyState.Open, socket.ReadyState);
        Assert.Equal("chat", socket.Protocol);
        Assert.Equal("", socket.Extensions);
        Assert.Equal(["open Open"], log.Entries);
        socket.Close();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Closed);
    }

    [Fact]
    public async Task Compression_is_offered_as_browsers_do_and_the_answer_is_told()
    {
        const string Answer = "permessage-deflate; server_no_context_takeover; client_max_window_bits=10";
        var offer = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var context = new ManualContext();
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.AcceptAsync($"Sec-WebSocket-Extensions: {Answer}\r\n");
            offer.SetResult(peer.Header("Sec-WebSocket-Extensions"));
            await peer.ReadMessageAsync();
        });
        WebSocket socket = context.Make(() => new WebSocket(server.Url));
        var log = new EventLog(socket);
        server.Go();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Open);
        Assert.Equal("permessage-deflate; client_max_window_bits", await offer.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken));
        Assert.Equal(Answer, socket.Extensions);
        socket.Close();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Closed);
        Assert.NotEmpty(log.Entries);
    }

    [Theory]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")]
    [InlineData("garbage\r\n\r\n")]
    public async Task A_wrong_answer_fires_error_and_close(string answer)
    {
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.WriteAsync(answer);
        });

        server.Go();
        AssertFails(server.Url, []);
    }

    [Theory]
    [InlineData("chat", "")]
    [InlineData("chat", "Sec-WebSocket-Protocol: other\r\n")]
    [InlineData("chat", "Sec-WebSocket-Protocol: CHAT\r\n")]
    [InlineData(null, "Sec-WebSocket-Protocol: chat\r\n")]
    [InlineData(null, "Sec-WebSocket-Extensions: permessage-unknown\r\n")]
    public async Task An_answer_that_does_not_match_the_request_fires_error_and_close(string? protocol, string header)
    {
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.AcceptAsync(header);
            await peer.FinishAsync();
        });

        server.Go();
        AssertFails(server.Url, protocol is null ? [] : [protocol]);
    }

    [Fact]
    public void A_name_that_does_not_resolve_never_throws() => AssertFails("ws://does-not-exist.invalid/", []);

    [Fact]
    public void A_host_that_no_computer_can_have_never_throws() => AssertFails("ws://a!b..c/", []);

    [Fact]
    public void A_refused_connection_never_throws()
    {
        // Bound and not listening: nobody else can take the port meanwhile.
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));

        AssertFails($"ws://127.0.0.1:{((IPEndPoint)socket.LocalEndPoint!).Port}/", []);
    }

    [Fact]
    public async Task A_tls_failure_never_throws()
    {
        await using RawServer server = RawServer.Start(static peer => peer.WriteAsync("this is not TLS\r\n\r\n"));

        server.Go();
        AssertFails($"wss://localhost:{server.Port}/", []);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(25)]
    [InlineData(6000)]
    [InlineData(6667)]
    [InlineData(10080)]
    public void A_blocked_port_never_throws(int port)
    {
        Exception reason = AssertFails($"ws://localhost:{port}/", []);

        Assert.Contains($"Port {port}", reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Handshakes_to_one_host_and_port_run_one_at_a_time()
    {
        const int Count = 8;
        int underWay = 0;
        int most = 0;
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            most = Math.Max(most, Interlocked.Increment(ref underWay));
            for (int i = 0; i < 20; i++)
            {
                await Task.Yield();
            }

            Interlocked.Decrement(ref underWay);
            await peer.WriteAsync(peer.Answer(""));
            await peer.ReadMessageAsync();
            await peer.FinishAsync();
        });

        EventLog[] logs = [.. Enumerable.Range(0, Count).Select(_ =>
        {
            var socket = new WebSocket(server.Url);
            socket.OnOpen = _ => socket.Close();
            return new EventLog(socket);
        })];
        server.Go();
        await Task.WhenAll(logs.Select(static l => l.Closed));

        Assert.Equal(1, most);
        Assert.Equal(Count, server.Accepted);
        Assert.All(logs, static l => Assert.Equal("open Closing", l.Entries[0]));
    }

    [Fact]
    public async Task A_close_frame_in_one_packet_with_the_answer_comes_after_open()
    {
        var echo = new TaskCompletionSource<RawFrame>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.AcceptAsync("", together: RawPeer.CloseFrame(4001, "early"));
            echo.SetResult(await peer.ReadFrameAsync());

            // And the server leaves the TCP connection open: the client must not wait for its end.
            await peer.FinishAsync();
        });
        var socket = new WebSocket(server.Url);
        var log = new EventLog(socket);
        server.Go();
        await log.Closed;

        Assert.Equal(["open Open", "close Closed 4001 'early' clean"], log.Entries);
        RawFrame frame = await echo.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(8, frame.Opcode);
        Assert.Equal(RawPeer.CloseFrame(4001, "early")[2..], frame.Payload);
    }

    private static Exception AssertFails(string url, string[] protocols)
    {
        Exception? reason = null;

        // Some fail before they reach a server: only a context keeps their events back until the listeners are there.
        using var context = new ManualContext();
        WebSocket socket = context.Make(() => new WebSocket(url, new WebSocketOptions { Protocols = protocols, ConnectionFailed = e => reason = e }));
        var log = new EventLog(socket);
        context.TurnUntil(() => socket.ReadyState == ReadyState.Closed);

        Assert.Equal(Failed, log.Entries);
        Assert.Equal("", socket.Protocol);
        Assert.True(reason is HandshakeException, $"{reason}");
        return reason!;
    }
}
