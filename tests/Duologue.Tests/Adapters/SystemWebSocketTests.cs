using System.Net.WebSockets;
using System.Text;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Peer;
using Duologue.Tests.Protocol;
using Microsoft.AspNetCore.Http;

namespace Duologue.Tests.Adapters;

/// <summary>The same scenarios with the platform's own client and with ours in its shape; the platform's own server is the peer.</summary>
public class SystemWebSocketTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static async Task<WebSocket> ConnectAsync(KestrelServer server, bool ours)
    {
        if (ours)
        {
            var options = new ConnectOptions { UseProxy = false, Subprotocols = ["a", "b"], CloseTimeout = TimeSpan.FromSeconds(60) };
            return (await Connection.ConnectAsync(server.Uri, options, Cancelled)).AsSystemWebSocket();
        }

        var client = new ClientWebSocket();
        client.Options.Proxy = null;
        client.Options.AddSubProtocol("a");
        client.Options.AddSubProtocol("b");
        await client.ConnectAsync(server.Uri, Cancelled);
        return client;
    }

    private static Task<KestrelServer> EchoAsync() => KestrelServer.StartAsync(context => KestrelServer.EchoAsync(context, "b"));

    private static Task<KestrelServer> ServeAsync(Func<WebSocket, HttpContext, Task> serve) => KestrelServer.StartAsync(async context =>
    {
        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
        await serve(socket, context);
    });

    private static ValueTask SendAsync(WebSocket socket, string text, bool end = true) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(text).AsMemory(), WebSocketMessageType.Text, end, Cancelled);

    private static async Task<string> ReceiveAsync(WebSocket socket, int size = 100)
    {
        byte[] buffer = new byte[size];
        WebSocketReceiveResult result = await socket.ReceiveAsync(new ArraySegment<byte>(buffer), Cancelled).Soon();
        return result.MessageType == WebSocketMessageType.Close
            ? $"close {(int?)result.CloseStatus} {result.CloseStatusDescription} {result.Count} {result.EndOfMessage}"
            : $"{result.MessageType} {Encoding.UTF8.GetString(buffer, 0, result.Count)} {result.EndOfMessage}";
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Messages_go_both_ways_in_pieces_as_large_as_the_callers_buffer(bool ours)
    {
        await using KestrelServer server = await EchoAsync();
        using WebSocket socket = await ConnectAsync(server, ours);
        Assert.Equal((WebSocketState.Open, "b", null, null), (socket.State, socket.SubProtocol, socket.CloseStatus, socket.CloseStatusDescription));
        await SendAsync(socket, "0123456789");
        Assert.Equal("Text 0123 False", await ReceiveAsync(socket, 4));
        Assert.Equal("Text 4567 False", await ReceiveAsync(socket, 4));
        Assert.Equal("Text 89 True", await ReceiveAsync(socket, 4));
        await SendAsync(socket, "0123");
        Assert.Equal("Text 0123 True", await ReceiveAsync(socket, 4));
        await SendAsync(socket, "");
        Assert.Equal("Text  True", await ReceiveAsync(socket, 4));
        await socket.SendAsync(new byte[] { 65 }, WebSocketMessageType.Binary, WebSocketMessageFlags.EndOfMessage | WebSocketMessageFlags.DisableCompression, Cancelled);
        Assert.Equal("Binary A True", await ReceiveAsync(socket));
        await socket.SendAsync(new ArraySegment<byte>([65, 66], 1, 1), WebSocketMessageType.Binary, true, Cancelled);
        ValueWebSocketReceiveResult value = await socket.ReceiveAsync(new byte[10].AsMemory(), Cancelled);
        Assert.Equal((1, WebSocketMessageType.Binary, true), (value.Count, value.MessageType, value.EndOfMessage));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_message_sent_in_pieces_leaves_piece_by_piece_and_is_one(bool ours)
    {
        await using KestrelServer server = await ServeAsync(async (peer, _) =>
        {
            for (int i = 0; i < 4; i++)
            {
                await SendAsync(peer, await ReceiveAsync(peer));
            }
        });
        using WebSocket socket = await ConnectAsync(server, ours);
        await SendAsync(socket, "one", end: false);
        Assert.Equal("Text Text one False True", await ReceiveAsync(socket));
        await SendAsync(socket, "two", end: false);
        Assert.Equal("Text Text two False True", await ReceiveAsync(socket));
        await SendAsync(socket, "", end: true);
        Assert.Equal("Text Text  True True", await ReceiveAsync(socket));
        await SendAsync(socket, "next");
        Assert.Equal("Text Text next True True", await ReceiveAsync(socket));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_peers_close_is_received_and_then_answered(bool ours)
    {
        await using KestrelServer server = await ServeAsync(async (socket, context) =>
        {
            await SendAsync(socket, "last");
            await socket.CloseAsync((WebSocketCloseStatus)4001, "enough", context.RequestAborted);
        });
        using WebSocket socket = await ConnectAsync(server, ours);
        Assert.Equal("Text last True", await ReceiveAsync(socket));
        Assert.Equal(WebSocketState.Open, socket.State);
        Assert.Equal("close 4001 enough 0 True", await ReceiveAsync(socket));
        Assert.Equal((WebSocketState.CloseReceived, (WebSocketCloseStatus)4001, "enough"), (socket.State, socket.CloseStatus, socket.CloseStatusDescription));
        Assert.Equal(WebSocketError.InvalidState, (await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(socket))).WebSocketErrorCode);
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Cancelled);
        Assert.Equal(WebSocketState.Closed, socket.State);
        Assert.Equal(WebSocketError.InvalidState, (await Assert.ThrowsAsync<WebSocketException>(async () => await SendAsync(socket, "late"))).WebSocketErrorCode);
        Assert.Equal(WebSocketError.InvalidState, (await Assert.ThrowsAsync<WebSocketException>(() => socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Cancelled))).WebSocketErrorCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CloseAsync_waits_for_the_answer(bool ours)
    {
        await using KestrelServer server = await EchoAsync();
        using WebSocket socket = await ConnectAsync(server, ours);
        await socket.CloseAsync((WebSocketCloseStatus)3000, "bye", Cancelled);
        Assert.Equal((WebSocketState.Closed, (WebSocketCloseStatus)3000, "bye"), (socket.State, socket.CloseStatus, socket.CloseStatusDescription));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task After_CloseOutputAsync_what_the_peer_still_says_is_received(bool ours)
    {
        await using KestrelServer server = await ServeAsync(async (socket, context) =>
        {
            await socket.ReceiveAsync(new byte[10], context.RequestAborted);
            await SendAsync(socket, "one");
            await SendAsync(socket, "two");
            await socket.CloseOutputAsync((WebSocketCloseStatus)4002, "done", context.RequestAborted);
        });
        using WebSocket socket = await ConnectAsync(server, ours);
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "mine", Cancelled);
        Assert.Equal((WebSocketState.CloseSent, null), (socket.State, socket.CloseStatus));
        await Assert.ThrowsAsync<WebSocketException>(async () => await SendAsync(socket, "late"));
        Assert.Equal("Text one True", await ReceiveAsync(socket));
        Assert.Equal("Text two True", await ReceiveAsync(socket));
        Assert.Equal("close 4002 done 0 True", await ReceiveAsync(socket));
        Assert.Equal((WebSocketState.Closed, (WebSocketCloseStatus)4002), (socket.State, socket.CloseStatus));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_peer_that_vanishes_is_ConnectionClosedPrematurely(bool ours)
    {
        await using KestrelServer server = await ServeAsync(async (socket, context) =>
        {
            await socket.ReceiveAsync(new byte[10], context.RequestAborted);
            context.Abort();
        });
        using WebSocket socket = await ConnectAsync(server, ours);
        await SendAsync(socket, "go");
        WebSocketException e = await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(socket));
        Assert.Equal(WebSocketError.ConnectionClosedPrematurely, e.WebSocketErrorCode);
        Assert.Equal((WebSocketState.Aborted, null), (socket.State, socket.CloseStatus));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Abort_cancels_a_pending_receive(bool ours)
    {
        await using KestrelServer server = await EchoAsync();
        using WebSocket socket = await ConnectAsync(server, ours);
        Task<string> receiving = ReceiveAsync(socket);
        socket.Abort();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => receiving);
        Assert.Equal(WebSocketState.Aborted, socket.State);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task After_Dispose_nothing_goes(bool ours)
    {
        await using KestrelServer server = await EchoAsync();
        WebSocket socket = await ConnectAsync(server, ours);
        socket.Dispose();
        socket.Dispose();
        Assert.Equal(WebSocketState.Closed, socket.State);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await SendAsync(socket, "late"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => ReceiveAsync(socket));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Misuse_is_an_argument_error_and_breaks_nothing(bool ours)
    {
        await using KestrelServer server = await EchoAsync();
        using WebSocket socket = await ConnectAsync(server, ours);
        await Assert.ThrowsAsync<ArgumentException>(async () => await socket.SendAsync(new byte[1].AsMemory(), WebSocketMessageType.Close, true, Cancelled));
        await Assert.ThrowsAsync<ArgumentNullException>(() => socket.SendAsync(default(ArraySegment<byte>), WebSocketMessageType.Text, true, Cancelled));
        await Assert.ThrowsAsync<ArgumentNullException>(() => socket.ReceiveAsync(default(ArraySegment<byte>), Cancelled));
        await Assert.ThrowsAsync<ArgumentException>(() => socket.CloseAsync((WebSocketCloseStatus)1006, "", Cancelled));
        await Assert.ThrowsAsync<ArgumentException>(() => socket.CloseOutputAsync((WebSocketCloseStatus)999, "", Cancelled));
        await Assert.ThrowsAsync<ArgumentException>(() => socket.CloseAsync(WebSocketCloseStatus.Empty, "words", Cancelled));
        await Assert.ThrowsAsync<ArgumentException>(() => socket.CloseAsync(WebSocketCloseStatus.NormalClosure, new string('x', 124), Cancelled));
        await SendAsync(socket, "still here");
        Assert.Equal("Text still here True", await ReceiveAsync(socket));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stream_over_it_reads_and_writes(bool ours)
    {
        await using KestrelServer server = await EchoAsync();
        using WebSocket socket = await ConnectAsync(server, ours);
        await using var stream = WebSocketStream.Create(socket, WebSocketMessageType.Text, ownsWebSocket: true);
        using var reader = new StreamReader(stream);
        await stream.WriteAsync("one\ntwo\n"u8.ToArray(), Cancelled);
        Assert.Equal("one", await reader.ReadLineAsync(Cancelled));
        Assert.Equal("two", await reader.ReadLineAsync(Cancelled));
        byte[] large = Encoding.UTF8.GetBytes(new string('x', 200_000) + "\n");
        await stream.WriteAsync(large, Cancelled);
        Assert.Equal(200_000, (await reader.ReadLineAsync(Cancelled))!.Length);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task A_reader_that_was_disposed_behind_its_last_line_waited_for_a_close_that_could_not_leave(bool ours, bool peerCloses)
    {
        await using KestrelServer server = peerCloses
            ? await ServeAsync(async (socket, context) =>
            {
                await socket.ReceiveAsync(new byte[10], context.RequestAborted);
                await socket.SendAsync("one\n"u8.ToArray(), WebSocketMessageType.Text, true, context.RequestAborted);
                await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", context.RequestAborted);
            })
            : await EchoAsync();
        using WebSocket socket = await ConnectAsync(server, ours);
        await using var stream = WebSocketStream.Create(socket, WebSocketMessageType.Text, ownsWebSocket: true);
        var reader = new StreamReader(stream);
        await stream.WriteAsync("one\n"u8.ToArray(), Cancelled);
        Assert.Equal("one", await reader.ReadLineAsync(Cancelled));
        if (peerCloses)
        {
            Assert.Null(await reader.ReadLineAsync(Cancelled));
        }

        // Blocks until the peer has closed, too, or for some seconds.
        reader.Dispose();
        Assert.Equal(WebSocketCloseStatus.NormalClosure, socket.CloseStatus);
    }

    [Fact]
    public async Task Here_a_cancelled_receive_loses_nothing_where_theirs_ends_the_connection()
    {
        await using KestrelServer server = await EchoAsync();
        foreach (bool ours in new[] { false, true })
        {
            using WebSocket socket = await ConnectAsync(server, ours);
            using var stop = new CancellationTokenSource();
            ValueTask<ValueWebSocketReceiveResult> receiving = socket.ReceiveAsync(new byte[10].AsMemory(), stop.Token);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await receiving);
            Assert.Equal(ours ? WebSocketState.Open : WebSocketState.Aborted, socket.State);
            if (ours)
            {
                await SendAsync(socket, "still here");
                Assert.Equal("Text still here True", await ReceiveAsync(socket));
            }
        }
    }

    [Fact]
    public async Task Here_nothing_is_sent_after_the_peers_close_and_no_text_that_is_none()
    {
        await using KestrelServer server = await ServeAsync(async (socket, context) =>
        {
            await socket.ReceiveAsync(new byte[10], context.RequestAborted);
            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", context.RequestAborted);
        });
        using WebSocket socket = await ConnectAsync(server, ours: true);
        await Assert.ThrowsAsync<ArgumentException>(async () => await socket.SendAsync(new byte[] { 0xFF }.AsMemory(), WebSocketMessageType.Text, true, Cancelled));
        await SendAsync(socket, "go");
        Assert.Equal("close 1000  0 True", await ReceiveAsync(socket));
        Assert.Equal(WebSocketError.InvalidState, (await Assert.ThrowsAsync<WebSocketException>(async () => await SendAsync(socket, "late"))).WebSocketErrorCode);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Cancelled);
        Assert.Equal(WebSocketState.Closed, socket.State);
    }

    [Fact]
    public async Task Here_a_second_receive_is_refused_while_one_is_pending()
    {
        await using KestrelServer server = await EchoAsync();
        using WebSocket socket = await ConnectAsync(server, ours: true);
        Task<string> receiving = ReceiveAsync(socket);
        await Assert.ThrowsAsync<InvalidOperationException>(() => ReceiveAsync(socket));
        await SendAsync(socket, "hello");
        Assert.Equal("Text hello True", await receiving);
    }

    [Fact]
    public async Task Here_a_message_above_the_limit_ends_with_1009_and_a_violation_is_Faulted()
    {
        await using KestrelServer server = await EchoAsync();
        Connection connection = await Connection.ConnectAsync(server.Uri, new ConnectOptions { UseProxy = false, Subprotocols = ["b"], MaxMessageSize = 100 }, Cancelled);
        using WebSocket socket = connection.AsSystemWebSocket();
        await SendAsync(socket, new string('x', 101));
        WebSocketException e = await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(socket));
        Assert.Equal(WebSocketError.Faulted, e.WebSocketErrorCode);
        Assert.IsType<ProtocolViolationException>(e.InnerException);
        Assert.Equal(WebSocketState.Aborted, socket.State);
    }

    [Fact]
    public async Task Here_a_cancelled_piece_of_a_message_ends_the_connection_so_that_no_part_passes_for_the_whole()
    {
        await using KestrelServer server = await ServeAsync(async (socket, context) => await Task.Delay(Timeout.Infinite, context.RequestAborted));
        using WebSocket socket = await ConnectAsync(server, ours: true);
        await SendAsync(socket, "begun", end: false);
        using var stop = new CancellationTokenSource();
        Task sending = socket.SendAsync(new byte[64 * 1024 * 1024].AsMemory(), WebSocketMessageType.Text, true, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        await Assert.ThrowsAsync<WebSocketException>(async () => await SendAsync(socket, "next"));
    }

    [Fact]
    public async Task What_was_aborted_while_it_closed_stays_aborted_and_does_not_become_closed()
    {
        await using RawPeer peer = RawPeer.Start();
        using WebSocket socket = peer.Connection.AsSystemWebSocket();
        Task closing = socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", Cancelled);
        Assert.Equal(1000, (await peer.ReadCloseAsync()).Code);

        socket.Abort();

        await Record.ExceptionAsync(() => closing.WaitAsync(TimeSpan.FromSeconds(30), Cancelled));
        Assert.True(closing.IsCompleted);
        Assert.Equal(WebSocketState.Aborted, socket.State);
    }

    [Fact]
    public async Task A_first_piece_that_was_cut_before_it_left_closes_the_connection_and_no_part_of_it_is_sent()
    {
        await using RawPeer peer = RawPeer.Start(takes: 16);
        using WebSocket socket = peer.Connection.AsSystemWebSocket();
        peer.Connection.Send(new byte[100], MessageType.Binary);
        using var stop = new CancellationTokenSource();
        Task sending = socket.SendAsync(new byte[] { 1, 2, 3 }.AsMemory(), WebSocketMessageType.Binary, false, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);

        Assert.Equal(100, (await peer.ReadAsync(WireFrame.Binary)).Length);
        Assert.Equal(1011, (await peer.ReadCloseAsync()).Code);
    }
}
