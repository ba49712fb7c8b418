using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.Client;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Peer;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Client;

/// <summary>Handshakes with servers that answer what a good server would not.</summary>
public class HandshakeAttemptTests
{
    private static readonly ConnectOptions NoProxy = new() { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(60) };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static async Task<HandshakeException> FailAsync(RawServer server, ConnectOptions? options = null) =>
        await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(server.Uri, options ?? NoProxy, Cancelled));

    private static RawServer Answer(string answer) => new(exchange => exchange.WriteAsync(answer));

    [Fact]
    public async Task The_request_is_the_one_of_the_specification()
    {
        await using var server = new RawServer(async exchange => await exchange.WriteAsync(exchange.Accept("Sec-WebSocket-Protocol: b")));
        ConnectOptions options = NoProxy with
        {
            Subprotocols = ["a", "b"],
            Origin = "https://example.com",
            Headers = [new("X-One", "1"), new("X-Two", "2"), new("Host", "other.example")],
        };
        OpenedWebSocket opened = await WebSocketConnector.OpenAsync(server.Uri, options, Cancelled);
        Assert.Equal("b", opened.Subprotocol);
        Assert.Equal("", opened.Extensions);
        opened.Abort();

        string[] lines = server.Heads.Single().Split("\r\n");
        Assert.Equal("GET /chat?x=1 HTTP/1.1", lines[0]);
        string[] expected =
        [
            "Host: other.example", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: a, b", "Origin: https://example.com", "X-One: 1", "X-Two: 2",
        ];
        Assert.All(expected, line => Assert.Contains(line, lines));
        Assert.Equal(expected.Length + 4, lines.Length); // the request line, the key, two for the end: nothing else is sent
    }

    [Fact]
    public async Task Without_options_no_optional_header_is_sent()
    {
        await using var server = new RawServer(async exchange => await exchange.WriteAsync(exchange.Accept()));
        (await WebSocketConnector.OpenAsync(server.Uri, NoProxy, Cancelled)).Abort();
        Assert.Equal(8, server.Heads.Single().Split("\r\n").Length); // GET, Host, four of the handshake, two for the end
    }

    [Fact]
    public async Task Frames_in_the_same_packet_as_the_101_are_not_lost()
    {
        await using var server = new RawServer(async exchange =>
        {
            await exchange.WriteAsync(exchange.Accept() + "\x81\x05Hello\x88\0");
            await exchange.ReadToEndAsync();
        });
        OpenedWebSocket opened = await WebSocketConnector.OpenAsync(server.Uri, NoProxy, Cancelled);
        byte[] frames = new byte[9];
        await opened.Stream.ReadExactlyAsync(frames, Cancelled);
        Assert.Equal("\x81\x05Hello\x88\0", Encoding.Latin1.GetString(frames));
        opened.Abort();
    }

    [Fact]
    public async Task Abort_ends_the_TCP_connection()
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new RawServer(async exchange =>
        {
            await exchange.WriteAsync(exchange.Accept());
            await exchange.ReadToEndAsync();
            ended.SetResult();
        });
        (await WebSocketConnector.OpenAsync(server.Uri, NoProxy, Cancelled)).Abort();
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancelled);
    }

    [Theory]
    [InlineData(401, "Credentials")]
    [InlineData(403, "Origin")]
    [InlineData(404, "nothing at this path")]
    [InlineData(503, "later")]
    public async Task A_refusal_gives_status_headers_and_the_first_kilobyte_of_the_body(int status, string hint)
    {
        string body = string.Concat(Enumerable.Range(0, 1000).Select(i => $"{i:0000} "));
        await using RawServer server = Answer($"HTTP/1.1 {status} No\r\nContent-Length: 5000\r\nContent-Type: text/plain\r\nX-Why: one\r\nX-Why: two\r\n\r\n{body}");
        HandshakeException e = await FailAsync(server);
        Assert.Equal((HttpStatusCode)status, e.StatusCode);
        Assert.Equal(["one", "two"], e.Headers["x-why"]);
        Assert.Equal(["text/plain"], e.Headers["Content-Type"]);
        Assert.Equal(body[..1024], e.Body);
        Assert.StartsWith($"No WebSocket with ws://127.0.0.1:{server.Port}/chat: The server answered {status} \"No\"; expected 101.", e.Message, StringComparison.Ordinal);
        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_that_never_ends_is_waited_for_until_the_timeout_and_its_status_still_counts()
    {
        const string Answer = "HTTP/1.1 500 Oh\r\nContent-Length: 5000\r\n\r\nhalf a character: \u00e2\u0082";
        await using var server = new RawServer(async exchange =>
        {
            await exchange.WriteAsync(Answer);
            await exchange.ReadToEndAsync();
        });

        // The clock stands still until all that was sent has been read, and more is asked for.
        var time = new FakeTimeProvider();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<HandshakeException> failing = FailAsync(server, NoProxy with
        {
            TimeProvider = time,
            Connect = async (endPoint, cancellationToken) => new WatchedStream(await ConnectionRacer.SystemConnect(endPoint, cancellationToken), Answer.Length, asked),
        });
        await asked.Task.Soon();
        time.Advance(NoProxy.ConnectTimeout);
        HandshakeException e = await failing;
        Assert.Equal(HttpStatusCode.InternalServerError, e.StatusCode);
        Assert.Equal("half a character: ", e.Body);
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        await using RawServer server = Answer("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n");
        HandshakeException e = await FailAsync(server);
        Assert.Equal(HttpStatusCode.Found, e.StatusCode);
        Assert.Equal(["/other"], e.Headers["Location"]);
        Assert.Single(server.Heads);
        Assert.Contains($"It redirects to \"ws://127.0.0.1:{server.Port}/other\", which", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://me:secret@example.com/sign-in?token=secret#here", "It redirects to \"https://example.com/sign-in\", which")]
    [InlineData("//example.com:81/x", "It redirects to \"ws://example.com:81/x\", which")]
    [InlineData("http://[", "It redirects, which")]
    [InlineData("mailto:me@example.com", "It redirects, which")]
    public async Task Where_a_redirect_leads_is_told_without_what_may_be_secret(string location, string expected)
    {
        await using RawServer server = Answer($"HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        HandshakeException e = await FailAsync(server);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_web_server_without_WebSocket_is_named_so()
    {
        await using RawServer server = Answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        HandshakeException e = await FailAsync(server);
        Assert.Equal(HttpStatusCode.OK, e.StatusCode);
        Assert.Equal("hello", e.Body);
        Assert.Contains("speaks no WebSocket", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Garbage_is_not_HTTP()
    {
        await using RawServer server = Answer("\x16\x03\x01 what is this\r\n\r\n");
        HandshakeException e = await FailAsync(server);
        Assert.Null(e.StatusCode);
        Assert.Contains("The answer is not HTTP", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_named_so()
    {
        await using var server = new RawServer(async exchange =>
        {
            await exchange.WriteAsync("HTTP/1.1 101 Switching Protocols\r\nUpgr");
            exchange.Stream.Socket.Shutdown(SocketShutdown.Both);
        });
        Assert.Contains("before its answer was whole", (await FailAsync(server)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "has no Sec-WebSocket-Accept header")]
    [InlineData("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "Sec-WebSocket-Accept is \"s3pP")]
    [InlineData("HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "Upgrade is \"h2c\"")]
    [InlineData("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n", "has no Connection header")]
    public async Task A_wrong_101_fails_and_says_what_was_wrong(string answer, string text)
    {
        await using RawServer server = Answer(answer);
        HandshakeException e = await FailAsync(server);
        Assert.Equal(HttpStatusCode.SwitchingProtocols, e.StatusCode);
        Assert.Contains(text, e.Message, StringComparison.Ordinal);
        Assert.Equal("", e.Body);
    }

    [Theory]
    [InlineData("Sec-WebSocket-Protocol: A", "the subprotocol \"A\"; offered were a")]
    [InlineData("Sec-WebSocket-Extensions: permessage-deflate", "the extension \"permessage-deflate\", which was not offered")]
    public async Task What_was_not_offered_must_not_be_chosen(string line, string text)
    {
        await using var server = new RawServer(async exchange => await exchange.WriteAsync(exchange.Accept(line)));
        Assert.Contains(text, (await FailAsync(server, NoProxy with { Subprotocols = ["a"] })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("permessage-deflate; server_no_context_takeover", null)]
    [InlineData("permessage-deflate", "does not answer what was offered")]
    [InlineData("permessage-deflate; server_no_context_takeover; foo", "unknown parameter \"foo\"")]
    [InlineData("permessage-deflate; server_no_context_takeover; server_max_window_bits=99", "expected 8 to 15")]
    [InlineData("permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover", "twice")]
    public async Task An_answer_about_compression_that_does_not_fit_the_offer_fails(string answer, string? text)
    {
        await using var server = new RawServer(async exchange => await exchange.WriteAsync(exchange.Accept($"Sec-WebSocket-Extensions: {answer}")));
        ConnectOptions options = NoProxy with { Compression = Compression.Shared };
        if (text is not null)
        {
            Assert.Contains(text, (await FailAsync(server, options)).Message, StringComparison.Ordinal);
            return;
        }

        OpenedWebSocket opened = await WebSocketConnector.OpenAsync(server.Uri, options, Cancelled);
        Assert.Equal(answer, opened.Extensions);
        opened.Abort();
        Assert.Contains("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits", server.Heads.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Endless_headers_end_at_the_limit_which_is_named()
    {
        await using var server = new RawServer(async exchange =>
        {
            await exchange.WriteAsync("HTTP/1.1 101 Switching Protocols\r\n");
            while (true)
            {
                await exchange.WriteAsync($"X-More: {new string('x', 1000)}\r\n");
            }
        });
        Assert.Contains("larger than 2 KiB (MaxResponseHeaderSize)", (await FailAsync(server, NoProxy with { MaxResponseHeaderSize = 1025 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_never_answers_ends_at_the_timeout_and_its_connection_is_closed()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new RawServer(async exchange =>
        {
            asked.SetResult();
            await exchange.ReadToEndAsync();
            ended.SetResult();
        });
        var time = new FakeTimeProvider();
        Task<OpenedWebSocket> opening = WebSocketConnector.OpenAsync(server.Uri, NoProxy with { ConnectTimeout = TimeSpan.FromSeconds(10), TimeProvider = time }, Cancelled);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancelled);
        time.Advance(TimeSpan.FromSeconds(9.9));
        Assert.False(opening.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.1));
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => opening);
        Assert.Contains($"Waited 10 s (ConnectTimeout) in vain for the answer of 127.0.0.1:{server.Port}.", e.Message, StringComparison.Ordinal);
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancelled);
    }

    [Fact]
    public async Task An_address_that_swallows_all_ends_at_the_timeout_which_names_it()
    {
        var time = new FakeTimeProvider();
        var trying = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<OpenedWebSocket> opening = WebSocketConnector.OpenAsync(
            new Uri("ws://host.example/"),
            NoProxy with
            {
                ConnectTimeout = TimeSpan.FromSeconds(10),
                TimeProvider = time,
                Resolve = (_, _) => Task.FromResult<IPAddress[]>([IPAddress.Loopback]),
                Connect = async (_, cancellationToken) =>
                {
                    trying.SetResult();
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                    throw new InvalidOperationException();
                },
            },
            Cancelled);
        await trying.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancelled);
        time.Advance(TimeSpan.FromSeconds(10));
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => opening);
        Assert.Contains("in vain for a TCP connection to host.example:80.", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancelling_is_a_cancellation_and_closes_the_connection()
    {
        using var stop = new CancellationTokenSource();
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new RawServer(async exchange =>
        {
            await stop.CancelAsync();
            await exchange.ReadToEndAsync();
            ended.SetResult();
        });
        OperationCanceledException e = await Assert.ThrowsAsync<OperationCanceledException>(() => WebSocketConnector.OpenAsync(server.Uri, NoProxy, stop.Token));
        Assert.Equal(stop.Token, e.CancellationToken);
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancelled);
    }

    [Fact]
    public async Task A_cancelled_token_connects_to_nothing()
    {
        await using var server = new RawServer(_ => Task.CompletedTask);
        await Assert.ThrowsAsync<OperationCanceledException>(() => WebSocketConnector.OpenAsync(server.Uri, NoProxy, new CancellationToken(true)));
        Assert.Empty(server.Heads);
    }

    [Fact]
    public async Task A_refused_connection_names_the_address()
    {
        // Bound and not listening: nobody else can take the port meanwhile.
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(new Uri($"ws://127.0.0.1:{port}"), NoProxy, Cancelled));
        Assert.Null(e.StatusCode);
        Assert.Contains($"No address of 127.0.0.1 took the connection: 127.0.0.1:{port}: ", e.Message, StringComparison.Ordinal);
        Assert.Equal(SocketError.ConnectionRefused, Assert.IsType<SocketException>(e.InnerException!.InnerException).SocketErrorCode);
    }

    [Fact]
    public async Task A_name_that_does_not_resolve_is_named_so()
    {
        ConnectOptions options = NoProxy with { Resolve = (_, _) => throw new SocketException((int)SocketError.HostNotFound) };
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(new Uri("ws://host.example"), options, Cancelled));
        Assert.Contains("The host name cannot be resolved", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task User_information_in_the_URI_is_sent_at_once_and_never_shown()
    {
        await using RawServer server = Answer("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        Uri uri = new UriBuilder(server.Uri) { UserName = "me", Password = "s3cret" }.Uri;
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(uri, NoProxy, Cancelled));
        Assert.Contains($"\r\nAuthorization: Basic {Convert.ToBase64String("me:s3cret"u8)}\r\n", server.Heads.Single(), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_answer_a_401()
    {
        string basic = $"Basic {Convert.ToBase64String("me:s3cret"u8)}";
        await using var server = new RawServer(async exchange => await exchange.WriteAsync(exchange.Header("Authorization") == basic
            ? exchange.Accept()
            : "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"));
        (await WebSocketConnector.OpenAsync(server.Uri, NoProxy with { Credentials = new NetworkCredential("me", "s3cret") }, Cancelled)).Abort();
        Assert.Equal(2, server.Heads.Count);

        Assert.Equal(HttpStatusCode.Unauthorized, (await FailAsync(server, NoProxy with { Credentials = new NetworkCredential("me", "wrong") })).StatusCode);
    }

    [Fact]
    public async Task Cookies_are_sent_and_kept()
    {
        await using var server = new RawServer(async exchange => await exchange.WriteAsync(exchange.Accept("Set-Cookie: seen=yes; Path=/")));
        var cookies = new CookieContainer();
        cookies.Add(new Uri($"http://127.0.0.1:{server.Port}"), new Cookie("session", "42"));
        (await WebSocketConnector.OpenAsync(server.Uri, NoProxy with { Cookies = cookies }, Cancelled)).Abort();
        Assert.Contains("\r\nCookie: session=42\r\n", server.Heads.Single(), StringComparison.Ordinal);
        Assert.Equal("yes", cookies.GetCookies(server.Uri)["seen"]?.Value);
    }

    [Fact]
    public async Task A_host_with_a_dead_address_connects_by_the_other()
    {
        await using var server = new RawServer(async exchange => await exchange.WriteAsync(exchange.Accept()));
        ConnectOptions options = NoProxy with
        {
            Resolve = (_, _) => Task.FromResult<IPAddress[]>([IPAddress.IPv6Loopback, IPAddress.Loopback]),
            Connect = async (endPoint, cancellationToken) => endPoint.AddressFamily == AddressFamily.InterNetworkV6
                ? await BlackHoleAsync(cancellationToken)
                : await ConnectionRacer.SystemConnect(endPoint, cancellationToken),
        };
        (await WebSocketConnector.OpenAsync(new Uri($"ws://host.example:{server.Port}/"), options, Cancelled)).Abort();
        Assert.Contains($"\r\nHost: host.example:{server.Port}\r\n", server.Heads.Single(), StringComparison.Ordinal);

        static async Task<Stream> BlackHoleAsync(CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            throw new InvalidOperationException();
        }
    }

    /// <summary>Tells when more than so many bytes are read.</summary>
    private sealed class WatchedStream(Stream inner, int count, TaskCompletionSource asked) : Stream
    {
        private int _read;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_read >= count)
            {
                asked.TrySetResult();
            }

            int read = await inner.ReadAsync(buffer, cancellationToken);
            _read += read;
            return read;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(buffer, cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
