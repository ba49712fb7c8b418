using System.Collections.Concurrent;
using Duologue.Protocol;
using Duologue.Tests.Protocol;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Peer;

public sealed class WebSocketConnectionPushTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static TaskCompletionSource Gate() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task Open_messages_and_close_come_in_order_and_never_overlap()
    {
        var events = new ConcurrentQueue<string>();
        var random = new Random(1);
        var handler = new TestHandler
        {
            OnOpen = async _ =>
            {
                await Task.Yield();
                events.Enqueue("open");
            },
            OnMessage = async (_, message) =>
            {
                string text = message.Text;
                if (random.Next(2) == 0)
                {
                    await Task.Yield();
                }

                Assert.Equal(text, message.Text);
                events.Enqueue(text);
            },
            OnClose = (_, _) =>
            {
                events.Enqueue("close");
                return default;
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        for (int i = 0; i < 1000; i++)
        {
            await peer.SendAsync(WireFrame.OfText(System.Text.Encoding.UTF8.GetBytes($"{i}")));
        }

        await peer.SendAsync(WireFrame.OfClose(1000, ""));
        await handler.Closed.Soon();
        Assert.Equal(["open", .. Enumerable.Range(0, 1000).Select(i => $"{i}"), "close"], events);
        Assert.False(handler.Overlapped);
    }

    [Fact]
    public async Task A_connection_that_ended_before_it_started_tells_its_handler_nothing()
    {
        var handler = new TestHandler();
        var connection = new WebSocketConnection(
            new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions(), Handler = handler });
        connection.Abort();
        var pipe = new System.IO.Pipelines.Pipe();
        await new Duologue.Carriers.PipeCarrier(pipe.Reader, pipe.Writer, connection, null).RunAsync().Soon();
        Assert.False(handler.Called);
    }

    [Fact]
    public async Task Pings_pongs_and_the_Close_are_seen_while_the_handler_is_pending()
    {
        TaskCompletionSource gate = Gate();
        TaskCompletionSource entered = Gate();
        var handler = new TestHandler
        {
            OnMessage = async (connection, _) =>
            {
                entered.TrySetResult();
                await gate.Task;
                connection.Send("answer");
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        await peer.SendAsync(WireFrame.OfText("a"u8), new WireFrame(WireFrame.Ping, [5]), WireFrame.OfText("b"u8));
        Assert.Equal([5], await peer.ReadAsync(WireFrame.Pong));
        await entered.Task.Soon();
        Task<TimeSpan> ping = peer.Connection.PingAsync(Token).AsTask();
        await peer.SendAsync(new WireFrame(WireFrame.Pong, await peer.ReadAsync(WireFrame.Ping)));
        await ping.Soon();
        await peer.SendAsync(WireFrame.OfClose(3000, "done"));
        await Waiting.Until(() => peer.Connection.ReceivedClose is not null);
        Assert.False(peer.Connection.Closed.IsCompleted);
        gate.SetResult();

        // What came before the Close is answered before it.
        Assert.Equal("answer", await peer.ReadTextAsync());
        Assert.Equal("answer", await peer.ReadTextAsync());
        Assert.Equal((3000, "done"), await peer.ReadCloseAsync());
        Assert.True((await handler.Closed.Soon()).WasClean);
    }

    [Fact]
    public async Task A_handler_may_await_PingAsync_SendAsync_and_CloseAsync()
    {
        TaskCompletionSource<CloseInfo> result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new TestHandler
        {
            OnMessage = async (connection, _) =>
            {
                await connection.PingAsync(Token);
                await connection.SendAsync("pinged", Token);
                result.SetResult(await connection.CloseAsync(3000, "enough"));
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        await peer.SendAsync(WireFrame.OfText("go"u8));
        await peer.SendAsync(new WireFrame(WireFrame.Pong, await peer.ReadAsync(WireFrame.Ping)));
        Assert.Equal("pinged", await peer.ReadTextAsync());
        Assert.Equal((3000, "enough"), await peer.ReadCloseAsync());
        CloseInfo sent = await result.Task.Soon();
        Assert.Equal((3000, "enough", false), (sent.Code, sent.Reason, sent.WasClean));
        await peer.SendAsync(WireFrame.OfClose(3000, ""));
        Assert.True((await handler.Closed.Soon()).WasClean);
    }

    [Fact]
    public async Task ReceiveAsync_is_refused_where_a_handler_receives()
    {
        await using RawPeer peer = RawPeer.Start(handler: new TestHandler());
        await Assert.ThrowsAsync<InvalidOperationException>(() => peer.Connection.ReceiveAsync(Token).AsTask());
        await Assert.ThrowsAsync<InvalidOperationException>(() => peer.Connection.OpenReadAsync(Token).AsTask());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_handler_that_throws_closes_with_1011_and_the_peer_learns_no_details(bool atOnce)
    {
        int calls = 0;
        var handler = new TestHandler
        {
            OnMessage = async (_, _) =>
            {
                calls++;
                if (!atOnce)
                {
                    await Task.Yield();
                }

                throw new InvalidDataException("secret");
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        await peer.SendAsync(WireFrame.OfText("a"u8), WireFrame.OfText("b"u8));
        Assert.Equal((1011, "The handler failed."), await peer.ReadCloseAsync());
        await peer.SendAsync(WireFrame.OfClose(1011, ""));
        Assert.Equal(CloseCause.HandlerFailed, (await handler.Closed.Soon()).Cause);
        Assert.Equal(1, calls);
        Assert.Equal(1, peer.Observed.Dropped(DropReason.Unreceived));
    }

    [Fact]
    public async Task A_handler_that_throws_when_opened_closes_with_1011()
    {
        var handler = new TestHandler { OnOpen = _ => throw new InvalidDataException() };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        Assert.Equal(1011, (await peer.ReadCloseAsync()).Code);
    }

    [Fact]
    public async Task A_handler_that_throws_at_the_end_is_only_logged()
    {
        var handler = new TestHandler { OnClose = (_, _) => throw new InvalidDataException() };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        await peer.SendAsync(WireFrame.OfClose(1000, ""));
        await Waiting.Until(() => peer.Observed.HandlerFailures == 1);
        Assert.True((await peer.Connection.Closed.Soon()).WasClean);
    }

    [Fact]
    public async Task What_arrived_before_a_violation_is_delivered_and_answered_before_the_Close()
    {
        var handler = new TestHandler
        {
            OnMessage = async (connection, message) =>
            {
                await Task.Delay(1, Token);
                connection.Send(message.Data.Span, message.Type);
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        await peer.SendAsync(WireFrame.OfText("a"u8), WireFrame.OfText("b"u8), new WireFrame(WireFrame.Text, [0xFF]), WireFrame.OfText("c"u8));
        Assert.Equal("a", await peer.ReadTextAsync());
        Assert.Equal("b", await peer.ReadTextAsync());
        Assert.Equal(1007, (await peer.ReadCloseAsync()).Code);
        Assert.Equal(ProtocolViolation.InvalidUtf8, (await handler.Closed.Soon()).Violation);
    }

    [Fact]
    public async Task A_handler_that_does_not_finish_delays_the_answer_to_the_Close_by_half_the_timeout()
    {
        TaskCompletionSource gate = Gate();
        var time = new FakeTimeProvider();
        var handler = new TestHandler { OnMessage = (_, _) => new ValueTask(gate.Task) };
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = time }, handler: handler);
        await peer.SendAsync(WireFrame.OfText("a"u8), WireFrame.OfClose(1000, ""));
        await Waiting.Until(() => peer.Connection.ReceivedClose is not null);
        await time.PassUntil(peer.Connection.Closed, TimeSpan.FromSeconds(2.5), TimeSpan.FromSeconds(3));
        Assert.True((await peer.Connection.Closed).WasClean);
        Assert.False(handler.Closed.IsCompleted);
        gate.SetResult();
        await handler.Closed.Soon();
    }

    [Fact]
    public async Task Reads_ahead_no_more_than_64_KiB_behind_a_pending_handler()
    {
        TaskCompletionSource gate = Gate();
        int handled = 0;
        var handler = new TestHandler
        {
            OnMessage = async (_, _) =>
            {
                await gate.Task;
                handled++;
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        for (int i = 0; i < 500; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Binary, new byte[1000]));
        }

        await peer.SendAsync(new WireFrame(WireFrame.Ping, []));
        await Waiting.Until(() => peer.Observed.Pauses == 1);
        Assert.InRange(peer.Observed.Received, 50, 67);
        gate.SetResult();
        await peer.ReadAsync(WireFrame.Pong);
        await Waiting.Until(() => handled == 500);
    }

    [Fact]
    public async Task Empty_messages_cannot_pile_up_behind_a_pending_handler()
    {
        TaskCompletionSource gate = Gate();
        var handler = new TestHandler { OnMessage = (_, _) => new ValueTask(gate.Task) };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        byte[] frames = [.. Enumerable.Range(0, 5000).SelectMany(_ => new WireFrame(WireFrame.Text, []).Masked().ToBytes())];
        await peer.SendBytesAsync(frames);
        await Waiting.Until(() => peer.Observed.Pauses == 1);
        Assert.InRange(peer.Observed.Received, 500, 1100);
        gate.SetResult();
        await Waiting.Until(() => peer.Observed.Received == 5000);
    }

    [Fact]
    public async Task A_pending_handler_keeps_its_bytes_whatever_arrives_behind()
    {
        TaskCompletionSource gate = Gate();
        string? seen = null;
        TaskCompletionSource done = Gate();
        var handler = new TestHandler
        {
            OnMessage = async (_, message) =>
            {
                if (seen is not null)
                {
                    return;
                }

                seen = "";
                await gate.Task;
                seen = message.Text;
                done.SetResult();
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        await peer.SendAsync(WireFrame.OfText("kept"u8));
        for (int i = 0; i < 100; i++)
        {
            await peer.SendAsync(WireFrame.OfText("over"u8));
        }

        await Waiting.Until(() => peer.Observed.Received > 90);
        gate.SetResult();
        await done.Task.Soon();
        Assert.Equal("kept", seen);
    }

    [Fact]
    public async Task The_end_waits_for_a_pending_handler_and_then_is_told_once()
    {
        TaskCompletionSource gate = Gate();
        TaskCompletionSource entered = Gate();
        var handler = new TestHandler
        {
            OnMessage = async (_, _) =>
            {
                entered.TrySetResult();
                await gate.Task;
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        await peer.SendAsync(WireFrame.OfText("a"u8));
        await entered.Task.Soon();
        await peer.EndAsync();
        Assert.Equal(CloseCause.ConnectionLost, (await peer.Connection.Closed.Soon()).Cause);
        Assert.False(handler.Closed.IsCompleted);
        gate.SetResult();
        await handler.Closed.Soon();
        Assert.False(handler.Overlapped);
    }

    [Fact]
    public async Task A_message_that_is_too_big_closes_with_1009_naming_limit_and_option()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { MaxMessageSize = 1000 }, handler: new TestHandler());
        await peer.SendAsync(new WireFrame(WireFrame.Binary, new byte[1000]), new WireFrame(WireFrame.Binary, new byte[1001]));
        (int code, string reason) = await peer.ReadCloseAsync();
        Assert.Equal(1009, code);
        Assert.Contains("1000", reason, StringComparison.Ordinal);
        Assert.Contains("MaxMessageSize", reason, StringComparison.Ordinal);
        Assert.Equal(CloseCause.MessageTooBig, (await peer.Connection.Closed.Soon()).Cause);
        Assert.Equal(1, peer.Observed.Received);
    }

    [Fact]
    public async Task Too_many_fragments_close_with_1008()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { MaxFragments = 2 }, handler: new TestHandler());
        await peer.SendAsync(
            new WireFrame(WireFrame.Text, []) { Fin = false },
            new WireFrame(WireFrame.Continuation, []) { Fin = false },
            new WireFrame(WireFrame.Continuation, []));
        (int code, string reason) = await peer.ReadCloseAsync();
        Assert.Equal(1008, code);
        Assert.Contains("MaxFragments", reason, StringComparison.Ordinal);
        Assert.Equal(CloseCause.LimitExceeded, (await peer.Connection.Closed.Soon()).Cause);
    }

    [Fact]
    public async Task An_abort_while_it_starts_still_opens_before_it_closes()
    {
        for (int round = 0; round < 300; round++)
        {
            bool opened = false;
            bool wrong = false;
            var handler = new TestHandler
            {
                OnOpen = _ =>
                {
                    opened = true;
                    return default;
                },
                OnClose = (_, _) =>
                {
                    wrong = !Volatile.Read(ref opened);
                    return default;
                },
            };
            var connection = new WebSocketConnection(
                new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions(), Handler = handler });
            using var start = new Barrier(2);
            Task abort = Task.Run(
                () =>
                {
                    start.SignalAndWait(Token);
                    connection.Abort();
                },
                Token);
            var pipe = new System.IO.Pipelines.Pipe();
            start.SignalAndWait(Token);
            await new Duologue.Carriers.PipeCarrier(pipe.Reader, pipe.Writer, connection, null).RunAsync().Soon();
            await abort;
            if (Volatile.Read(ref opened))
            {
                // An end before the start is one that the handler never hears of.
                await handler.Closed.Soon();
            }

            Assert.False(handler.Overlapped);
            Assert.False(wrong, "OnCloseAsync ran without OnOpenAsync, or before it.");
        }
    }
}
