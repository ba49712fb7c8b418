using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using Duologue.Tests.Client.Peers;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.Tests.Client;

/// <summary>Whole conversations, from the connect call to the close, with the platform's own server.</summary>
public class ConnectionConnectTests
{
    private static readonly ConnectOptions Options = new() { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(60), CloseTimeout = TimeSpan.FromSeconds(60) };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_talks_and_closes()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Options, Cancelled);
        Assert.Equal(Transport.WebSocket, connection.Transport);
        Assert.Null(connection.Request);

        await connection.SendAsync("hello everyone", Cancelled);
        Message echo = await connection.ReceiveAsync(Cancelled);
        Assert.Equal(MessageType.Text, echo.Type);
        Assert.Equal("hello everyone", echo.Text);

        byte[] large = new byte[300_000];
        Random.Shared.NextBytes(large);
        await connection.SendAsync(large, MessageType.Binary, Cancelled);
        Assert.Equal(large, (await connection.ReceiveAsync(Cancelled)).ToArray());

        Assert.Equal(new CloseInfo(3000, "bye", ByPeer: false, WasClean: true, CloseCause.LocalClose), await connection.CloseAsync(3000, "bye"));
    }

    [Fact]
    public async Task A_client_talks_over_TLS_with_a_subprotocol()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(context => KestrelServer.EchoAsync(context, "b"), https => https.ServerCertificate = Certificates.Server);
        ConnectOptions options = Options with { Subprotocols = ["a", "b"], RemoteCertificateValidationCallback = Certificates.TrustServer };
        await using Connection connection = await Connection.ConnectAsync(server.Uri, options, Cancelled);
        Assert.Equal("b", connection.Subprotocol);
        await connection.SendAsync("hello", Cancelled);
        Assert.Equal("hello", (await connection.ReceiveAsync(Cancelled)).Text);
        Assert.True((await connection.CloseAsync()).WasClean);
    }

    [Fact]
    public async Task The_server_may_speak_and_close_first()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            await socket.SendAsync("one"u8.ToArray(), WebSocketMessageType.Text, true, context.RequestAborted);
            await socket.SendAsync("two"u8.ToArray(), WebSocketMessageType.Text, true, context.RequestAborted);
            await socket.CloseAsync((WebSocketCloseStatus)4001, "enough", context.RequestAborted);
        });
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Options, Cancelled);
        var texts = new List<string>();
        await foreach (Message message in connection.ReadAllAsync(Cancelled))
        {
            texts.Add(message.Text);
        }

        Assert.Equal(["one", "two"], texts);
        Assert.Equal(new CloseInfo(4001, "enough", ByPeer: true, WasClean: true, CloseCause.PeerClosed), await connection.Closed);
    }

    [Fact]
    public async Task A_message_and_a_Close_in_the_packet_of_the_101_are_seen()
    {
        await using var server = new RawServer(async exchange =>
        {
            await exchange.WriteAsync(exchange.Accept() + "\x81\x05Hello\x88\x05\x03\xe8" + "bye");
            await exchange.ReadToEndAsync();
        });
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Options, Cancelled);
        var texts = new List<string>();
        await foreach (Message message in connection.ReadAllAsync(Cancelled))
        {
            texts.Add(message.Text);
        }

        Assert.Equal(["Hello"], texts);
        Assert.Equal(new CloseInfo(1000, "bye", ByPeer: true, WasClean: true, CloseCause.PeerClosed), await connection.Closed.WaitAsync(Cancelled));
    }

    [Fact]
    public async Task A_traced_connection_talks_as_any_other()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        var traces = new List<HandshakeTrace>();
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Options with { OnHandshake = traces.Add }, Cancelled);
        Assert.StartsWith("HTTP/1.1 101 ", Assert.Single(traces).Response, StringComparison.Ordinal);
        await connection.SendAsync("hello", Cancelled);
        Assert.Equal("hello", (await connection.ReceiveAsync(Cancelled)).Text);
        Assert.True((await connection.CloseAsync()).WasClean);
    }

    [Fact]
    public async Task A_server_that_vanishes_is_a_lost_connection()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            await socket.ReceiveAsync(new byte[10], context.RequestAborted);
            context.Abort();
        });
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Options, Cancelled);
        await connection.SendAsync("go", Cancelled);
        CloseInfo info = await connection.Closed.WaitAsync(Cancelled);
        Assert.Equal(1006, info.Code);
        Assert.Equal(CloseCause.ConnectionLost, info.Cause);
        await Assert.ThrowsAsync<ConnectionClosedException>(async () => await connection.ReceiveAsync(Cancelled));
    }

    [Fact]
    public async Task Misuse_is_an_argument_error_and_a_dead_port_a_handshake_error()
    {
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await Connection.ConnectAsync(null!, Cancelled));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Connection.ConnectAsync(new Uri("ftp://a"), Cancelled));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () =>
            await Connection.ConnectAsync(new Uri("ws://a"), new ConnectOptions { ConnectTimeout = TimeSpan.Zero }, Cancelled));
        await Assert.ThrowsAsync<HandshakeException>(async () => await Connection.ConnectAsync(new Uri("ws://127.0.0.1:1"), Options, Cancelled));
    }

    [Fact]
    public async Task What_is_logged_names_the_URI_without_its_secrets()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(context =>
        {
            if (context.Request.Path == "/no")
            {
                context.Response.StatusCode = StatusCodes.Status403Forbidden;
                return Task.CompletedTask;
            }

            return KestrelServer.EchoAsync(context);
        });
        var logs = new FakeLogCollector();
        using var factory = new LoggerFactory([new FakeLoggerProvider(logs)], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        ConnectOptions options = Options with { LoggerFactory = factory };
        await using Connection connection = await Connection.ConnectAsync(new Uri(server.Uri, "/yes?token=s3cret"), options, Cancelled);
        await Assert.ThrowsAsync<HandshakeException>(async () => await Connection.ConnectAsync(new Uri(server.Uri, "/no?token=s3cret"), options, Cancelled));

        IReadOnlyList<FakeLogRecord> records = logs.GetSnapshot();
        Assert.Contains(records, record => record.Id.Name == "Connected" && record.Message.Contains($"{server.Uri}yes", StringComparison.Ordinal));
        Assert.Contains(records, record => record.Id.Name == "ConnectFailed" && record.Message.Contains("403", StringComparison.Ordinal));
        Assert.DoesNotContain(records, record => record.Message.Contains("s3cret", StringComparison.Ordinal));
        Assert.All(records, record => Assert.Equal("Duologue.Client", record.Category));
    }

    [Fact]
    public async Task An_address_that_does_not_answer_is_told_of_and_the_next_is_taken()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        var logs = new FakeLogCollector();
        using var factory = new LoggerFactory([new FakeLoggerProvider(logs)], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        ConnectOptions options = Options with { LoggerFactory = factory, Resolve = (_, _) => Task.FromResult<IPAddress[]>([IPAddress.IPv6Loopback, IPAddress.Loopback]) };
        await using Connection connection = await Connection.ConnectAsync(new UriBuilder(server.Uri) { Host = "two.example" }.Uri, options, Cancelled);

        FakeLogRecord told = Assert.Single(logs.GetSnapshot(), record => record.Id == new EventId(2002, "ConnectAttemptFailed"));
        Assert.Contains($"[::1]:{server.Uri.Port}", told.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_caller_that_gives_up_is_told_of()
    {
        using var stop = new CancellationTokenSource();
        await using var server = new RawServer(async exchange =>
        {
            await stop.CancelAsync();
            await Task.Delay(Timeout.Infinite, exchange.Stop);
        });
        var logs = new FakeLogCollector();
        using var factory = new LoggerFactory([new FakeLoggerProvider(logs)], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Connection.ConnectAsync(server.Uri, Options with { LoggerFactory = factory }, stop.Token));

        FakeLogRecord told = Assert.Single(logs.GetSnapshot(), record => record.Id == new EventId(2003, "ConnectCancelled"));
        Assert.DoesNotContain("x=1", told.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_is_reset_is_told_of()
    {
        await using var server = new RawServer(async exchange =>
        {
            await exchange.WriteAsync(exchange.Accept());
            await exchange.Stream.ReadExactlyAsync(new byte[8], exchange.Stop);
            exchange.Stream.Socket.LingerState = new LingerOption(true, 0);
            exchange.Stream.Socket.Close();
        });
        var logs = new FakeLogCollector();
        using var factory = new LoggerFactory([new FakeLoggerProvider(logs)], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        await using Connection connection = await Connection.ConnectAsync(server.Uri, Options with { LoggerFactory = factory }, Cancelled);
        await connection.SendAsync("hello everyone", Cancelled);
        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.WaitAsync(Cancelled)).Cause);

        FakeLogRecord told = Assert.Single(logs.GetSnapshot(), record => record.Id == new EventId(1006, "TransportFailed"));
        Assert.Contains(connection.Id, told.Message, StringComparison.Ordinal);
        Assert.NotNull(told.Exception);
    }
}
