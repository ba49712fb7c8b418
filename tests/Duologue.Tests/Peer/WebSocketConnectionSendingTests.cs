using Duologue.Carriers;
using Duologue.Peer;
using Duologue.Protocol;
using Duologue.Tests.Protocol;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.Tests.Peer;

public sealed class WebSocketConnectionSendingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Sends_text_and_binary_as_one_frame_each(bool server)
    {
        await using RawPeer peer = RawPeer.Start(role: server ? Role.Server : Role.Client);
        Assert.Equal(SendResult.Sent, peer.Connection.Send("h€"));
        Assert.Equal(SendResult.Sent, peer.Connection.Send([1, 2, 3], MessageType.Binary));
        Assert.Equal(SendResult.Sent, peer.Connection.Send("t"u8, MessageType.Text));
        await peer.Connection.SendAsync("a", Token).Soon();
        await peer.Connection.SendAsync(new byte[] { 9 }, MessageType.Binary, Token).Soon();
        Assert.Equal("h€", await peer.ReadTextAsync());
        Assert.Equal([1, 2, 3], await peer.ReadAsync(WireFrame.Binary));
        Assert.Equal("t", await peer.ReadTextAsync());
        Assert.Equal("a", await peer.ReadTextAsync());
        Assert.Equal([9], await peer.ReadAsync(WireFrame.Binary));
        Assert.Equal(5, peer.Observed.Sent);
    }

    [Fact]
    public async Task Lone_surrogates_are_sent_as_the_replacement_character()
    {
        await using RawPeer peer = RawPeer.Start();
        peer.Connection.Send("a\uD800b");
        Assert.Equal("a\uFFFDb", await peer.ReadTextAsync());
    }

    [Fact]
    public async Task Text_that_is_not_utf8_is_refused_and_nothing_leaves()
    {
        await using RawPeer peer = RawPeer.Start();
        Assert.Throws<ArgumentException>(() => peer.Connection.Send([0xFF], MessageType.Text));
        await Assert.ThrowsAsync<ArgumentException>(() => peer.Connection.SendAsync(new byte[] { 0xC3 }, MessageType.Text, Token).AsTask());
        Assert.Throws<ArgumentNullException>(() => peer.Connection.Send(null!));
        peer.Connection.Send("ok");
        Assert.Equal("ok", await peer.ReadTextAsync());
    }

    [Fact]
    public async Task SendAsync_completes_when_the_carrier_has_the_bytes_and_not_before()
    {
        await using RawPeer peer = RawPeer.Start(takes: 1000);
        Task first = peer.Connection.SendAsync(new byte[2000], MessageType.Binary, Token).AsTask();
        Task second = peer.Connection.SendAsync(new byte[10], MessageType.Binary, Token).AsTask();
        Assert.False(first.IsCompleted);
        Assert.False(second.IsCompleted);
        Assert.True(peer.Connection.BufferedAmount >= 2000);
        Assert.Equal(2000, (await peer.ReadAsync(WireFrame.Binary)).Length);
        await first.Soon();
        Assert.Equal(10, (await peer.ReadAsync(WireFrame.Binary)).Length);
        await second.Soon();
        Assert.Equal(0, peer.Connection.BufferedAmount);
    }

    [Fact]
    public async Task SendAsync_before_the_carrier_starts_leaves_when_it_does()
    {
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions() });
        Task early = connection.SendAsync("early", Token).AsTask();
        Assert.False(early.IsCompleted);
        var input = new System.IO.Pipelines.Pipe();
        var output = new System.IO.Pipelines.Pipe();
        Task running = new PipeCarrier(input.Reader, output.Writer, connection, null).RunAsync();
        await early.Soon();
        System.IO.Pipelines.ReadResult result = await output.Reader.ReadAsync(Token);
        Assert.Equal(7, result.Buffer.Length);
        connection.Abort();
        await running.Soon();
    }

    [Fact]
    public async Task BufferedAmount_counts_what_waits_headers_included_and_returns_to_zero()
    {
        await using RawPeer peer = RawPeer.Start(takes: 100);
        Assert.Equal(0, peer.Connection.BufferedAmount);
        Assert.Equal(SendResult.Sent, peer.Connection.Send(new byte[198], MessageType.Binary));
        Assert.Equal(SendResult.Queued, peer.Connection.Send(new byte[50], MessageType.Binary));
        Assert.Equal(202 + 52, peer.Connection.BufferedAmount);
        await peer.ReadAsync(WireFrame.Binary);
        await peer.ReadAsync(WireFrame.Binary);
        await Waiting.Until(() => peer.Connection.BufferedAmount == 0);
    }

    [Fact]
    public async Task A_message_larger_than_the_queue_leaves_in_fragments_by_SendAsync()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 100_000 }, takes: 1000);
        byte[] message = new byte[300_000];
        new Random(1).NextBytes(message);
        Task sending = peer.Connection.SendAsync(message, MessageType.Binary, Token).AsTask();
        Task after = peer.Connection.SendAsync("after", Token).AsTask();
        (byte[] data, int fragments) = await peer.ReadMessageAsync();
        Assert.Equal(message, data);
        Assert.InRange(fragments, 3, 10);
        Assert.Equal("after", await peer.ReadTextAsync());
        await Task.WhenAll(sending, after).Soon();
    }

    [Fact]
    public async Task A_ping_is_answered_between_the_fragments_of_a_large_message()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 1000 }, takes: 100);
        Task sending = peer.Connection.SendAsync(new byte[5000], MessageType.Binary, Token).AsTask();
        await peer.SendAsync(new WireFrame(WireFrame.Ping, [7]), WireFrame.OfText("seen"u8));
        await Waiting.Until(() => peer.Observed.Received == 1);
        bool pong = false;
        while (true)
        {
            WireFrame? frame = await peer.ReadAsync();
            if (frame!.Opcode == WireFrame.Pong)
            {
                Assert.Equal([7], frame.Payload);
                pong = true;
            }
            else if (frame.Fin)
            {
                break;
            }
        }

        Assert.True(pong);
        await sending.Soon();
    }

    [Fact]
    public async Task A_full_queue_closes_with_1013_naming_limit_and_option()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 1000 }, takes: 100);
        Assert.Equal(SendResult.Sent, peer.Connection.Send(new byte[600], MessageType.Binary));
        Assert.Equal(SendResult.Queued, peer.Connection.Send(new byte[300], MessageType.Binary));
        Assert.Equal(SendResult.Dropped, peer.Connection.Send(new byte[300], MessageType.Binary));
        Assert.Equal(1, peer.Observed.Dropped(DropReason.QueueFull));
        await peer.ReadAsync(WireFrame.Binary);
        await peer.ReadAsync(WireFrame.Binary);
        (int code, string reason) = await peer.ReadCloseAsync();
        Assert.Equal(1013, code);
        Assert.Contains("1000", reason, StringComparison.Ordinal);
        Assert.Contains("SendQueueLimit", reason, StringComparison.Ordinal);
        await peer.SendAsync(WireFrame.OfClose(1013, ""));
        Assert.Equal(CloseCause.SendQueueFull, (await peer.Connection.Closed.Soon()).Cause);
    }

    [Fact]
    public async Task DropOldest_drops_what_has_waited_longest()
    {
        await using RawPeer peer = RawPeer.Start(
            new ConnectionOptions { SendQueueLimit = 1000, SendQueuePolicy = SendQueuePolicy.DropOldest }, takes: 50);
        for (int i = 0; i < 10; i++)
        {
            // 204 bytes each with its header: the first is in the carrier's hands, three more fit.
            Assert.NotEqual(SendResult.Dropped, peer.Connection.Send([(byte)i, .. new byte[199]], MessageType.Binary));
        }

        Assert.Equal(6, peer.Observed.Dropped(DropReason.Oldest));
        foreach (int expected in (int[])[0, 7, 8, 9])
        {
            Assert.Equal(expected, (await peer.ReadAsync(WireFrame.Binary))[0]);
        }
    }

    [Fact]
    public async Task DropOldest_drops_nothing_where_that_would_make_no_room()
    {
        await using RawPeer peer = RawPeer.Start(
            new ConnectionOptions { SendQueueLimit = 1000, SendQueuePolicy = SendQueuePolicy.DropOldest }, takes: 50);
        peer.Connection.Send([0, .. new byte[599]], MessageType.Binary);
        peer.Connection.Send([1, .. new byte[99]], MessageType.Binary);
        Assert.Equal(SendResult.Dropped, peer.Connection.Send([2, .. new byte[799]], MessageType.Binary));
        Assert.Equal(1, peer.Observed.Dropped(DropReason.Newest));
        Assert.Equal(0, peer.Observed.Dropped(DropReason.Oldest));
        Assert.Equal(0, (await peer.ReadAsync(WireFrame.Binary))[0]);
        Assert.Equal(1, (await peer.ReadAsync(WireFrame.Binary))[0]);
    }

    [Fact]
    public async Task DropNewest_drops_the_new_message()
    {
        await using RawPeer peer = RawPeer.Start(
            new ConnectionOptions { SendQueueLimit = 1000, SendQueuePolicy = SendQueuePolicy.DropNewest }, takes: 50);
        for (int i = 0; i < 10; i++)
        {
            SendResult result = peer.Connection.Send([(byte)i, .. new byte[199]], MessageType.Binary);
            Assert.Equal(i == 0 ? SendResult.Sent : i < 4 ? SendResult.Queued : SendResult.Dropped, result);
        }

        Assert.Equal(6, peer.Observed.Dropped(DropReason.Newest));
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(i, (await peer.ReadAsync(WireFrame.Binary))[0]);
        }
    }

    [Fact]
    public void A_flood_of_drops_is_counted_whole_and_logged_once()
    {
        var log = new FakeLogger();
        var observed = new Observed();
        var connection = new WebSocketConnection(new ConnectionSetup
        {
            Role = Role.Server,
            Options = new ConnectionOptions { SendQueueLimit = 10, SendQueuePolicy = SendQueuePolicy.DropNewest },
            Logger = log,
            Observer = observed,
        });
        for (int i = 0; i < 1000; i++)
        {
            Assert.Equal(SendResult.Dropped, connection.Send(new byte[20], MessageType.Binary));
        }

        Assert.Equal(1000, observed.Dropped(DropReason.Newest));
        Assert.Single(log.Collector.GetSnapshot(), record => record.Id.Name == "MessagesDropped");
        connection.Abort();
    }

    [Fact]
    public async Task Wait_takes_one_message_past_the_limit_and_stops_receiving_until_there_is_room()
    {
        var options = new ConnectionOptions { SendQueueLimit = 1000, SendQueuePolicy = SendQueuePolicy.Wait };
        int handled = 0;
        var handler = new TestHandler
        {
            OnMessage = (connection, message) =>
            {
                Interlocked.Increment(ref handled);
                return connection.Send(message.Data.Span, message.Type) == SendResult.Dropped ? throw new InvalidOperationException("lost") : default;
            },
        };
        await using RawPeer peer = RawPeer.Start(options, handler: handler, takes: 50);
        for (int i = 0; i < 100; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Binary, [(byte)i, .. new byte[299]]));
        }

        // It stops after a few: nothing but reading by the peer makes it go on.
        await Waiting.Until(() => peer.Connection.BufferedAmount > 1000);
        Assert.InRange(Volatile.Read(ref handled), 1, 10);
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(i, (await peer.ReadAsync(WireFrame.Binary))[0]);
        }

        Assert.Equal(100, handled);
        Assert.Empty(peer.Observed.Drops);
    }

    [Fact]
    public async Task Many_threads_send_at_once_and_each_keeps_its_order()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 64 * 1024 * 1024 }, takes: 10_000);
        const int Senders = 8;
        const int Each = 500;
        Task[] senders = [.. Enumerable.Range(0, Senders).Select(sender => Task.Run(
            async () =>
            {
                for (int i = 0; i < Each; i++)
                {
                    byte[] message = [(byte)sender, (byte)(i >> 8), (byte)i, .. new byte[i % 300]];
                    if (sender % 2 == 0)
                    {
                        Assert.NotEqual(SendResult.Dropped, peer.Connection.Send(message, MessageType.Binary));
                    }
                    else
                    {
                        await peer.Connection.SendAsync(message, MessageType.Binary, Token);
                    }
                }
            },
            Token))];
        int[] next = new int[Senders];
        for (int i = 0; i < Senders * Each; i++)
        {
            byte[] message = await peer.ReadAsync(WireFrame.Binary);
            Assert.Equal(next[message[0]]++, (message[1] << 8) | message[2]);
        }

        await Task.WhenAll(senders).Soon();
    }

    [Fact]
    public async Task A_crowd_that_uses_Send_does_not_starve_SendAsync()
    {
        await using RawPeer peer = RawPeer.Start(
            new ConnectionOptions { SendQueueLimit = 200_000, SendQueuePolicy = SendQueuePolicy.DropNewest }, takes: 100);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        Task crowd = Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Factory.StartNew(
            () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    peer.Connection.Send(new byte[1000], MessageType.Binary);
                }
            },
            Token,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
        await Waiting.Until(() => peer.Observed.Dropped(DropReason.Newest) > 0);
        Task sending = peer.Connection.SendAsync("me too", Token).AsTask();
        int others = 0;
        while (others < 2000 && (await peer.ReadAsync())!.Opcode != WireFrame.Text)
        {
            others++;
        }

        await stop.CancelAsync();
        await crowd.Soon();
        Assert.True(others < 2000, "SendAsync starves.");

        // It completes when the carrier has taken all that left with it.
        _ = peer.Connection.CloseAsync().AsTask();
        while ((await peer.ReadAsync())!.Opcode != WireFrame.Close)
        {
        }

        await sending.Soon();
    }

    [Fact]
    public async Task A_send_cancelled_while_others_wait_behind_it_lets_them_go()
    {
        await using RawPeer peer = RawPeer.Start(takes: 50);
        peer.Connection.Send(new byte[100], MessageType.Binary);
        using var cancel = new CancellationTokenSource();
        Task waiting = peer.Connection.SendAsync("withdrawn", cancel.Token).AsTask();
        Assert.Equal(SendResult.Queued, peer.Connection.Send("behind"));
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.Soon());
        await peer.ReadAsync(WireFrame.Binary);
        Assert.Equal("behind", await peer.ReadTextAsync());
    }

    [Fact]
    public async Task Send_and_SendAsync_of_one_sender_keep_their_order()
    {
        await using RawPeer peer = RawPeer.Start(takes: 50);
        peer.Connection.Send(new byte[100], MessageType.Binary);
        Assert.Equal(SendResult.Queued, peer.Connection.Send("1"));
        Task second = peer.Connection.SendAsync("2", Token).AsTask();
        Assert.Equal(SendResult.Queued, peer.Connection.Send("3"));
        await peer.ReadAsync(WireFrame.Binary);
        Assert.Equal("1", await peer.ReadTextAsync());
        Assert.Equal("2", await peer.ReadTextAsync());
        Assert.Equal("3", await peer.ReadTextAsync());
        await second.Soon();
    }

    [Fact]
    public async Task A_cancelled_send_of_which_nothing_left_is_withdrawn()
    {
        await using RawPeer peer = RawPeer.Start(takes: 50);
        peer.Connection.Send(new byte[100], MessageType.Binary);
        using var cancel = new CancellationTokenSource();
        Task waiting = peer.Connection.SendAsync("withdrawn", cancel.Token).AsTask();
        Task behind = peer.Connection.SendAsync("behind", Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.Soon());
        await peer.ReadAsync(WireFrame.Binary);
        Assert.Equal("behind", await peer.ReadTextAsync());
        await behind.Soon();
    }

    [Fact]
    public async Task A_cancelled_send_that_has_begun_is_finished_from_a_copy()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 1000 }, takes: 50);
        byte[] message = new byte[4000];
        new Random(1).NextBytes(message);
        byte[] expected = (byte[])message.Clone();
        using var cancel = new CancellationTokenSource();
        Task sending = peer.Connection.SendAsync(message, MessageType.Binary, cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending.Soon());
        Array.Clear(message);
        Assert.Equal(expected, (await peer.ReadMessageAsync()).Data);
        await peer.Connection.SendAsync("next", Token).Soon();
        Assert.Equal("next", await peer.ReadTextAsync());
    }

    [Fact]
    public async Task Random_cancellations_of_sends_break_nothing()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 500 }, takes: 300);
        Task<List<int>> reading = Task.Run(
            async () =>
            {
                var seen = new List<int>();
                while (true)
                {
                    (byte[] data, _) = await peer.ReadMessageAsync();
                    int number = BitConverter.ToInt32(data);
                    if (number < 0)
                    {
                        return seen;
                    }

                    Assert.All(data[4..], b => Assert.Equal((byte)number, b));
                    seen.Add(number);
                }
            },
            Token);
        var random = new Random(1);
        var certain = new List<int>();
        for (int i = 0; i < 1500; i++)
        {
            byte[] message = [.. BitConverter.GetBytes(i), .. Enumerable.Repeat((byte)i, random.Next(0, 1500))];
            using var cancel = new CancellationTokenSource();
            Task sending = peer.Connection.SendAsync(message, MessageType.Binary, cancel.Token).AsTask();
            if (random.Next(2) == 0)
            {
                if (random.Next(2) == 0)
                {
                    await Task.Yield();
                }

                await cancel.CancelAsync();
            }

            try
            {
                await sending.Soon();
                certain.Add(i);
            }
            catch (OperationCanceledException)
            {
                Array.Fill(message, (byte)0xEE);
            }
        }

        await peer.Connection.SendAsync(BitConverter.GetBytes(-1), MessageType.Binary, Token).Soon();
        List<int> received = await reading.Soon();
        Assert.Equal(received.Order(), received);
        Assert.Equal(received.Distinct().Count(), received.Count);
        Assert.Empty(certain.Except(received));
    }

    [Fact]
    public async Task SendAsync_fails_when_the_connection_ends_first()
    {
        await using RawPeer peer = RawPeer.Start(takes: 50);
        Task first = peer.Connection.SendAsync(new byte[100], MessageType.Binary, Token).AsTask();
        Task second = peer.Connection.SendAsync(new byte[100], MessageType.Binary, Token).AsTask();
        peer.Connection.Abort();
        await Assert.ThrowsAsync<ConnectionClosedException>(() => first.Soon());
        await Assert.ThrowsAsync<ConnectionClosedException>(() => second.Soon());
        await Assert.ThrowsAsync<ConnectionClosedException>(() => peer.Connection.SendAsync("x", Token).AsTask());
        Assert.Equal(SendResult.Dropped, peer.Connection.Send("x"));
        Assert.Equal(1, peer.Observed.Dropped(DropReason.Closed));
    }

    [Fact]
    public async Task A_cancelled_token_sends_nothing()
    {
        await using RawPeer peer = RawPeer.Start();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => peer.Connection.SendAsync("x", new CancellationToken(true)).AsTask());
        peer.Connection.Send("y");
        Assert.Equal("y", await peer.ReadTextAsync());
    }

    [Fact]
    public async Task A_frame_for_many_leaves_as_it_is()
    {
        var frame = new BroadcastFrame(Opcode.Text, "all"u8, MessageFlags.None);
        await using RawPeer one = RawPeer.Start();
        await using RawPeer slow = RawPeer.Start(takes: 1);
        Assert.Equal(SendResult.Sent, one.Connection.SendFrame(frame));
        Assert.Equal(SendResult.Sent, slow.Connection.SendFrame(frame));
        Assert.Equal(SendResult.Queued, slow.Connection.SendFrame(frame));
        Assert.Equal("all", await one.ReadTextAsync());
        Assert.Equal("all", await slow.ReadTextAsync());
        Assert.Equal("all", await slow.ReadTextAsync());
    }

    [Fact]
    public async Task What_a_handler_sends_leaves_when_the_batch_ends()
    {
        long duringBatch = -1;
        var handler = new TestHandler
        {
            OnMessage = (connection, _) =>
            {
                connection.Send("a");
                connection.Send("b");
                duringBatch = connection.BufferedAmount;
                return default;
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler);
        await peer.SendAsync(WireFrame.OfText("go"u8));
        Assert.Equal("a", await peer.ReadTextAsync());
        Assert.Equal("b", await peer.ReadTextAsync());
        Assert.Equal(6, duringBatch);
    }
}
