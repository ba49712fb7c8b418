using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Seam;

/// <summary>
/// One meaning over every carrier: the same scenarios over memory, a Kestrel pipe, a raw socket loop that took the
/// connection over from Kestrel, and the event loops that do so in earnest.
/// </summary>
public sealed class SeamTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<SeamCarrier> Carriers => [.. SeamHarness.Carriers];

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_handler_pending_for_a_minute_outlives_keep_alive(SeamCarrier carrier)
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new ScriptedHandler(async (connection, message) =>
        {
            await release.Task;
            connection.Send($"{message.Text} at last");
        });
        await using SeamHarness harness = await SeamHarness.StartAsync(carrier, new ConnectionOptions(), handler);
        Connection client = await harness.ConnectAsync();
        client.Send("answer");
        client.Send("answer again");
        Connection server = await handler.FirstCallAsync();

        Task minute = Task.Delay(TimeSpan.FromSeconds(60), harness.Time, Token);
        await harness.AdvanceUntilAsync(minute);

        // Three pings were answered behind the pending handler, or the connection would have ended at 40 s.
        Assert.False(server.Closed.IsCompleted);
        Assert.NotNull(server.Latency);
        Assert.Equal(1, handler.Calls);
        release.SetResult();
        Assert.Equal("answer at last", (await client.ReceiveAsync(Token)).Text);
        Assert.Equal("answer again at last", (await client.ReceiveAsync(Token)).Text);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task Ping_and_close_can_be_awaited_inside_a_handler(SeamCarrier carrier)
    {
        var result = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new ScriptedHandler(async (connection, message) =>
        {
            TimeSpan roundTrip = await connection.PingAsync(Token);
            Assert.True(roundTrip >= TimeSpan.Zero);
            connection.Send("pinged");
            result.SetResult(await connection.CloseAsync(4000, "done"));
        });
        await using SeamHarness harness = await SeamHarness.StartAsync(carrier, new ConnectionOptions(), handler);
        Connection client = await harness.ConnectAsync();
        client.Send("go");
        Assert.Equal("pinged", (await client.ReceiveAsync(Token)).Text);
        await Assert.ThrowsAsync<ConnectionClosedException>(async () => await client.ReceiveAsync(Token));
        CloseInfo atClient = await client.Closed.WaitAsync(Token);
        Assert.Equal((4000, "done", true, true), (atClient.Code, atClient.Reason, atClient.ByPeer, atClient.WasClean));
        Assert.Equal(4000, (await result.Task.WaitAsync(Token)).Code);
        CloseInfo atServer = await handler.ClosedAsync();
        Assert.Equal((4000, "done", false, true, CloseCause.LocalClose), (atServer.Code, atServer.Reason, atServer.ByPeer, atServer.WasClean, atServer.Cause));
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task The_peers_ping_and_close_are_handled_while_a_handler_is_pending(SeamCarrier carrier)
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new ScriptedHandler(async (connection, message) =>
        {
            await release.Task;
            connection.Send("too late for nobody");
        });
        await using SeamHarness harness = await SeamHarness.StartAsync(carrier, new ConnectionOptions(), handler);
        Connection client = await harness.ConnectAsync();
        client.Send("go");
        await handler.FirstCallAsync();
        await client.PingAsync(Token);

        // The close is seen, waits for the handler's last answer, and is answered after it.
        Task<CloseInfo> closing = client.CloseAsync(1000, "enough").AsTask();
        release.SetResult();
        Assert.Equal("too late for nobody", (await client.ReceiveAsync(Token)).Text);
        Assert.True((await closing.WaitAsync(Token)).WasClean);
        Assert.Equal(CloseCause.PeerClosed, (await handler.ClosedAsync()).Cause);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_cancelled_receive_and_send_cost_no_message(SeamCarrier carrier)
    {
        var handler = new ScriptedHandler((connection, message) => new ValueTask(connection.SendAsync(message.Data, message.Type, Token).AsTask()));
        await using SeamHarness harness = await SeamHarness.StartAsync(carrier, new ConnectionOptions(), handler);
        Connection client = await harness.ConnectAsync();
        using var cancelled = new CancellationTokenSource();
        ValueTask<Message> receive = client.ReceiveAsync(cancelled.Token);
        await cancelled.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(async () => await receive);
        await Assert.ThrowsAsync<TaskCanceledException>(async () => await client.SendAsync("never leaves", cancelled.Token));

        for (int i = 0; i < 100; i++)
        {
            await client.SendAsync($"{i}", Token);
        }

        for (int i = 0; i < 100; i++)
        {
            // A wait given up at once, and one that is kept: the message goes to the second.
            using var soon = new CancellationTokenSource();
            ValueTask<Message> first = client.ReceiveAsync(soon.Token);
            await soon.CancelAsync();
            Message message;
            try
            {
                message = await first;
            }
            catch (OperationCanceledException)
            {
                message = await client.ReceiveAsync(Token);
            }

            Assert.Equal($"{i}", message.Text);
        }
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_scoped_service_works_after_the_request_has_ended(SeamCarrier carrier)
    {
        SeamHarness? running = null;
        var handler = new ScriptedHandler(async (connection, message) =>
        {
            string name = message.Text;
            await using AsyncServiceScope scope = running!.Services.GetRequiredService<IServiceScopeFactory>().CreateAsyncScope();
            await Task.Yield();
            connection.Send(scope.ServiceProvider.GetRequiredService<SeamHarness.ScopedThing>().Greet(name));
        });
        await using SeamHarness harness = running = await SeamHarness.StartAsync(carrier, new ConnectionOptions(), handler);
        Connection client = await harness.ConnectAsync();
        client.Send("you");
        Assert.Equal("Hello, you", (await client.ReceiveAsync(Token)).Text);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_message_larger_than_the_queue_is_echoed_by_SendAsync(SeamCarrier carrier)
    {
        var options = new ConnectionOptions { MaxMessageSize = 4 * 1024 * 1024 };
        var handler = new ScriptedHandler(async (connection, message) => await connection.SendAsync(message.Data, message.Type, Token));
        await using SeamHarness harness = await SeamHarness.StartAsync(carrier, options, handler);
        Connection client = await harness.ConnectAsync();
        byte[] sent = new byte[2 * 1024 * 1024];
        new Random(1).NextBytes(sent);
        Task sending = client.SendAsync(sent, MessageType.Binary, Token).AsTask();
        Message echo = await client.ReceiveAsync(Token);
        Assert.Equal(sent, echo.ToArray());
        await sending;
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_message_larger_than_the_queue_is_refused_by_Send_and_says_so(SeamCarrier carrier)
    {
        var options = new ConnectionOptions { MaxMessageSize = 4 * 1024 * 1024 };
        var results = Channel.CreateUnbounded<SendResult>();
        var handler = new ScriptedHandler((connection, message) =>
        {
            results.Writer.TryWrite(connection.Send(message.Data.Span, message.Type));
            return default;
        });
        await using SeamHarness harness = await SeamHarness.StartAsync(carrier, options, handler);
        Connection client = await harness.ConnectAsync();
        await client.SendAsync(new byte[2 * 1024 * 1024], MessageType.Binary, Token);
        Assert.Equal(SendResult.Dropped, await results.Reader.ReadAsync(Token));
        await Assert.ThrowsAsync<ConnectionClosedException>(async () => await client.ReceiveAsync(Token));
        CloseInfo info = await handler.ClosedAsync();
        Assert.Equal((1013, CloseCause.SendQueueFull), (info.Code, info.Cause));
        Assert.Contains("SendQueueLimit", (await client.Closed).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_drain_closes_every_conversation_with_1001(SeamCarrier carrier)
    {
        var handler = new ScriptedHandler((connection, message) =>
        {
            connection.Send(message.Data.Span, message.Type);
            return default;
        });
        await using SeamHarness harness = await SeamHarness.StartAsync(carrier, new ConnectionOptions(), handler);
        Connection[] clients = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => harness.ConnectAsync()));
        foreach (Connection client in clients)
        {
            client.Send("here");
            Assert.Equal("here", (await client.ReceiveAsync(Token)).Text);
        }

        await harness.DrainAsync();
        foreach (Connection client in clients)
        {
            // The client still holds its last message, as if it were at work on an answer: its Close waits a little for that.
            await harness.AdvanceUntilAsync(client.Closed);
            CloseInfo info = await client.Closed.WaitAsync(Token);
            Assert.Equal((1001, true, true), (info.Code, info.ByPeer, info.WasClean));
        }
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task The_async_delegate_means_the_same(SeamCarrier carrier)
    {
        await using SeamHarness harness = await SeamHarness.StartAsync(carrier, new ConnectionOptions(), async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync(Token))
            {
                await connection.SendAsync(message.Data, message.Type, Token);
                if (message.Text == "end")
                {
                    break;
                }
            }
        });
        Connection client = await harness.ConnectAsync();
        foreach (string text in new[] { "one", "two", "end" })
        {
            await client.SendAsync(text, Token);
            Assert.Equal(text, (await client.ReceiveAsync(Token)).Text);
        }

        await Assert.ThrowsAsync<ConnectionClosedException>(async () => await client.ReceiveAsync(Token));
        CloseInfo info = await client.Closed.WaitAsync(Token);
        Assert.Equal((1000, true, true), (info.Code, info.ByPeer, info.WasClean));
    }

    private sealed class ScriptedHandler(Func<Connection, Message, ValueTask> onMessage) : MessageHandler
    {
        private readonly TaskCompletionSource<Connection> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource<CloseInfo> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Calls { get; private set; }

        public Task<Connection> FirstCallAsync() => _first.Task.WaitAsync(Token);

        public Task<CloseInfo> ClosedAsync() => _closed.Task.WaitAsync(Token);

        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            Calls++;
            _first.TrySetResult(connection);
            return onMessage(connection, message);
        }

        public override ValueTask OnCloseAsync(Connection connection, CloseInfo info)
        {
            _closed.TrySetResult(info);
            return default;
        }
    }
}
