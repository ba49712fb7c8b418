using System.Collections.Concurrent;
using System.Net.WebSockets;
using System.Text;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Peer;
using Duologue.Tests.Protocol;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Client.Reconnecting;

// From the beginning of a conversation to its end, and to the client's.
public partial class DuologueClientTests
{
    [Fact]
    public async Task A_message_that_the_end_of_the_client_broke_off_was_lost_without_a_word()
    {
        var time = new FakeTimeProvider();
        var reads = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            await reads.Task.WaitAsync(context.RequestAborted);
            await ReadToCloseAsync(socket, context.RequestAborted);
            await socket.CloseOutputAsync(socket.CloseStatus!.Value, null, context.RequestAborted);
        });
        var options = new ConnectOptions { TimeProvider = time, ConnectTimeout = Timeout.InfiniteTimeSpan, KeepAliveInterval = Timeout.InfiniteTimeSpan };
        var lost = new ConcurrentQueue<MessagesLostEventArgs>();
        await using var client = new DuologueClient(server.Uri, new DuologueClientOptions { MaxKeptBytes = 64 * 1024 * 1024, Connect = options });
        client.MessagesLost += (_, e) => lost.Enqueue(e);
        await client.OpenAsync(Token).Soon();

        // Larger than what anybody buffers: it waits until the time for what is still to be sent is over. The Close is answered.
        Task<MessageFate> fate = client.SendAsync(new byte[64 * 1024 * 1024], MessageType.Binary, WhenAway.Keep, Token).AsTask();
        Task<ClientStateEventArgs> closing = client.CloseAsync().AsTask();
        await time.PassUntil(fate, TimeSpan.FromMinutes(1));
        reads.SetResult();

        Assert.Equal(MessageFate.Unknown, await fate);
        Assert.True((await closing.Soon()).Close!.WasClean);
        MessagesLostEventArgs unknown = Assert.Single(lost);
        Assert.Equal((MessageFate.Unknown, 1L, 1L, 1, 64L * 1024 * 1024), (unknown.Fate, unknown.First, unknown.Last, unknown.Count, unknown.Bytes));
    }

    [Theory]
    [InlineData(1000, 0)]
    [InlineData(1001, 1)]
    public async Task A_Close_that_crossed_the_clients_was_taken_for_its_answer(ushort code, int unknown)
    {
        await using var server = new RawServer(async exchange =>
        {
            await exchange.WriteAsync(exchange.Accept());
            byte[] header = new byte[2];
            do
            {
                // Never answers a ping. No frame is longer than 125 bytes.
                await exchange.Stream.ReadExactlyAsync(header, exchange.Stop);
                await exchange.Stream.ReadExactlyAsync(new byte[4 + (header[1] & 0x7F)], exchange.Stop);
            }
            while ((header[0] & 0x0F) != WireFrame.Close);

            // To the client it is all the same whether this one was on its way before.
            await exchange.Stream.WriteAsync(WireFrame.OfClose(code, "").ToBytes(), exchange.Stop);
        });
        var lost = new ConcurrentQueue<MessagesLostEventArgs>();
        await using var client = new DuologueClient(server.Uri, Quick with { Connect = Quick.Connect with { CloseTimeout = TimeSpan.FromMinutes(1) } });
        client.MessagesLost += (_, e) => lost.Enqueue(e);
        await client.OpenAsync(Token).Soon();
        Assert.Equal(MessageFate.Sent, await client.SendAsync("abc", WhenAway.Keep, Token).Soon());

        ClientStateEventArgs end = await client.CloseAsync().Soon();

        Assert.Equal((code, true), (end.Close!.Code, end.Close.WasClean));
        Assert.Equal(Enumerable.Repeat((MessageFate.Unknown, 1L, 1L), unknown), lost.Select(e => (e.Fate, e.First, e.Last)));
    }

    [Fact]
    public async Task What_the_last_conversation_had_brought_was_never_read_where_the_reader_was_far_behind()
    {
        int visits = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            int visit = Interlocked.Increment(ref visits);
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            await socket.SendAsync(Encoding.UTF8.GetBytes($"{visit}"), WebSocketMessageType.Text, true, context.RequestAborted);
            if (visit < 10)
            {
                await socket.CloseOutputAsync(WebSocketCloseStatus.InternalServerError, "", context.RequestAborted);
            }

            await ReadToCloseAsync(socket, context.RequestAborted);
            if (visit == 10)
            {
                await socket.CloseOutputAsync(socket.CloseStatus!.Value, "", context.RequestAborted);
            }
        });
        await using var client = new DuologueClient(server.Uri, Quick with { Connect = Quick.Connect with { CloseTimeout = TimeSpan.FromMilliseconds(400) } });
        client.Start();
        await using IAsyncEnumerator<Message> reader = client.ReadAllAsync(Token).GetAsyncEnumerator(Token);
        List<string> received = [];
        Assert.True(await reader.MoveNextAsync().Soon());
        received.Add(reader.Current.Text);

        // While the first is being read and eight wait, there is no room for the tenth. Its message has come before its pong.
        await Waiting.Until(() => Volatile.Read(ref visits) == 10 && client.Connection is not null);
        await client.Connection!.PingAsync(Token).Soon();
        Task<ClientStateEventArgs> closing = client.CloseAsync().AsTask();
        await closing.Soon();
        while (await reader.MoveNextAsync().Soon())
        {
            received.Add(reader.Current.Text);
        }

        Assert.Equal(Enumerable.Range(1, 10).Select(visit => $"{visit}"), received);
    }

    [Fact]
    public async Task Who_closed_a_client_that_waited_was_told_the_end_of_the_conversation_before_as_its_own()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            await socket.CloseOutputAsync(WebSocketCloseStatus.InternalServerError, "", context.RequestAborted);
            await ReadToCloseAsync(socket, context.RequestAborted);
        });
        var waits = new TaskCompletionSource<ClientStateEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var client = new DuologueClient(server.Uri, new DuologueClientOptions { InitialDelay = TimeSpan.FromMinutes(5), MaxDelay = TimeSpan.FromMinutes(5) });
        client.StateChanged += (_, e) =>
        {
            if (e.State == ClientState.Waiting)
            {
                waits.TrySetResult(e);
            }
        };
        client.Start();
        Assert.Equal(1011, (await waits.Task.Soon()).Close!.Code);

        ClientStateEventArgs end = await client.CloseAsync().Soon();

        Assert.Equal((null, null), (end.Close, end.Failure));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_BeforeConnect_threw_was_taken_for_an_option_that_cannot_be_used(bool isDisposed)
    {
        Exception error = isDisposed ? new ObjectDisposedException("tokens") : new ArgumentException("No token.");
        int attempt = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        var failures = new ConcurrentQueue<Exception>();
        await using var client = new DuologueClient(server.Uri, Quick with { BeforeConnect = (options, _) => ++attempt < 3 ? throw error : new(options) });
        client.StateChanged += (_, e) =>
        {
            if (e is { State: ClientState.Waiting, Failure: { } failure })
            {
                failures.Enqueue(failure);
            }
        };

        await client.OpenAsync(Token).Soon();

        Assert.Equal([error, error], failures.Select(failure => Assert.IsType<HandshakeException>(failure).InnerException!));
    }

    private static async Task ReadToCloseAsync(WebSocket socket, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[64 * 1024];
        while ((await socket.ReceiveAsync(buffer, cancellationToken)).MessageType != WebSocketMessageType.Close)
        {
        }
    }
}
