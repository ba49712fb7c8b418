using Duologue.Protocol;
using Duologue.Tests.Protocol;
using Duologue.Tests.Shared;

namespace Duologue.Tests.Peer;

public sealed class WebSocketConnectionPullTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Receives_what_came_before_and_what_comes_after_the_call()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("a"u8), new WireFrame(WireFrame.Binary, []));
        await Waiting.Until(() => peer.Observed.Received == 2);
        Assert.Equal("a", (await peer.Connection.ReceiveAsync(Token).Soon()).Text);
        Message empty = await peer.Connection.ReceiveAsync(Token).Soon();
        Assert.Equal((MessageType.Binary, 0), (empty.Type, empty.Data.Length));
        Task<Message> waiting = peer.Connection.ReceiveAsync(Token).AsTask();
        await peer.SendAsync(WireFrame.OfText("b"u8));
        Assert.Equal("b", (await waiting.Soon()).Text);
    }

    [Fact]
    public async Task A_second_receive_at_the_same_time_is_refused()
    {
        await using RawPeer peer = RawPeer.Start();
        Task<Message> first = peer.Connection.ReceiveAsync(Token).AsTask();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await peer.Connection.ReceiveAsync(Token));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await peer.Connection.OpenReadAsync(Token));
        await peer.SendAsync(WireFrame.OfText("a"u8));
        Assert.Equal("a", (await first.Soon()).Text);
    }

    [Fact]
    public async Task A_message_stays_valid_until_the_next_receive()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("first"u8), WireFrame.OfText("other"u8));
        Message first = await peer.Connection.ReceiveAsync(Token).Soon();
        await Waiting.Until(() => peer.Observed.Received == 2);
        Assert.Equal("first", first.Text);
        Assert.Equal("other", (await peer.Connection.ReceiveAsync(Token).Soon()).Text);
    }

    [Fact]
    public async Task ReadAllAsync_ends_without_an_exception_on_a_clean_close()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("a"u8), WireFrame.OfText("b"u8), WireFrame.OfClose(1000, ""));
        var texts = new List<string>();
        await foreach (Message message in peer.Connection.ReadAllAsync(Token))
        {
            texts.Add(message.Text);
        }

        Assert.Equal(["a", "b"], texts);
    }

    [Fact]
    public async Task ReadAllAsync_delivers_what_came_before_the_line_was_cut_and_then_throws()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("a"u8));
        await peer.EndAsync();
        await peer.Running.Soon();
        var texts = new List<string>();
        var thrown = await Assert.ThrowsAsync<ConnectionClosedException>(async () =>
        {
            await foreach (Message message in peer.Connection.ReadAllAsync(Token))
            {
                texts.Add(message.Text);
            }
        });
        Assert.Equal(["a"], texts);
        Assert.Equal(CloseCause.ConnectionLost, thrown.CloseInfo.Cause);
    }

    [Fact]
    public async Task ReadAllAsync_may_be_left_and_taken_up_again()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("a"u8), WireFrame.OfText("b"u8));
        foreach (string expected in (string[])["a", "b"])
        {
            await foreach (Message message in peer.Connection.ReadAllAsync(Token))
            {
                Assert.Equal(expected, message.Text);
                break;
            }
        }
    }

    [Fact]
    public async Task ReadAllAsync_stops_waiting_for_either_token()
    {
        await using RawPeer peer = RawPeer.Start();
        using var one = new CancellationTokenSource();
        using var other = new CancellationTokenSource();
        foreach (CancellationTokenSource cancel in (CancellationTokenSource[])[one, other])
        {
            using var given = new CancellationTokenSource();
            CancellationToken first = cancel == one ? cancel.Token : given.Token;
            CancellationToken second = cancel == one ? given.Token : cancel.Token;
            Task reading = Task.Run(
                async () =>
                {
                    await foreach (Message message in peer.Connection.ReadAllAsync(first).WithCancellation(second))
                    {
                    }
                },
                Token);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.Soon());
        }

        await peer.SendAsync(WireFrame.OfText("still here"u8));
        Assert.Equal("still here", (await peer.Connection.ReceiveAsync(Token).Soon()).Text);
    }

    [Fact]
    public async Task ReceiveAsync_throws_at_the_end_also_a_clean_one()
    {
        await using RawPeer peer = RawPeer.Start();
        Task<Message> waiting = peer.Connection.ReceiveAsync(Token).AsTask();
        await peer.SendAsync(WireFrame.OfClose(3000, "bye"));
        var thrown = await Assert.ThrowsAsync<ConnectionClosedException>(() => waiting.Soon());
        Assert.Equal((3000, "bye", true), (thrown.CloseInfo.Code, thrown.CloseInfo.Reason, thrown.CloseInfo.WasClean));
        await Assert.ThrowsAsync<ConnectionClosedException>(() => peer.Connection.ReceiveAsync(Token).AsTask());
        Assert.Null(await peer.Connection.OpenReadAsync(Token));
    }

    [Fact]
    public async Task A_whole_message_that_is_too_big_closes_with_1009()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { MaxMessageSize = 1000 });
        Task<Message> waiting = peer.Connection.ReceiveAsync(Token).AsTask();
        await peer.SendAsync(new WireFrame(WireFrame.Binary, new byte[1001]));
        Assert.Equal(1009, (await peer.ReadCloseAsync()).Code);
        await Assert.ThrowsAsync<ProtocolViolationException>(() => waiting.Soon());
    }

    [Theory]
    [InlineData(5_000)]
    [InlineData(500_000)]
    public async Task A_message_that_was_read_ahead_is_too_big_when_it_is_asked_for_whole(int size)
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { MaxMessageSize = 1000 });
        await peer.SendAsync(new WireFrame(WireFrame.Binary, new byte[size]), WireFrame.OfText("after"u8));
        await Waiting.Until(() => peer.Observed.Received == 2 || peer.Observed.Pauses == 1);
        Task<Message> waiting = peer.Connection.ReceiveAsync(Token).AsTask();
        Assert.Equal(1009, (await peer.ReadCloseAsync()).Code);
        await Assert.ThrowsAsync<ProtocolViolationException>(() => waiting.Soon());
        await Assert.ThrowsAsync<ProtocolViolationException>(() => peer.Connection.ReceiveAsync(Token).Soon());
        Assert.Equal(ProtocolViolation.MessageTooBig, (await peer.Connection.Closed.Soon()).Violation);
    }

    [Fact]
    public async Task A_message_of_which_the_header_alone_has_come_is_too_big_when_it_is_asked_for_whole()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { MaxMessageSize = 1000 });
        byte[] header = new WireFrame(WireFrame.Binary, new byte[1001]).Masked().ToBytes()[..8];
        await peer.SendBytesAsync((byte[])[.. new WireFrame(WireFrame.Ping, []).Masked().ToBytes(), .. header]);

        // The pong leaves when all of that has been received; no further byte follows at which the message could be judged.
        await peer.ReadAsync(WireFrame.Pong);
        Task<Message> waiting = peer.Connection.ReceiveAsync(Token).AsTask();
        Assert.Equal(1009, (await peer.ReadCloseAsync()).Code);
        await Assert.ThrowsAsync<ProtocolViolationException>(() => waiting.Soon());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_message_that_is_too_big_is_refused_at_whichever_moment_it_is_asked_for_whole(bool isWhole)
    {
        // Cut off within, so that nothing comes behind the moment, or with its end.
        byte[] bytes = new WireFrame(WireFrame.Binary, new byte[40_000]).Masked().ToBytes();
        bytes = isWhole ? bytes : bytes[..^1];
        using var together = new Barrier(2);
        for (int i = 0; i < 1_000; i++)
        {
            var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan, MaxMessageSize = 1000 } });
            connection.Start(new TakingCarrier());
            int pause = i;
            Task<Message> asked = Task.Factory.StartNew(
                () =>
                {
                    together.SignalAndWait(Token);
                    Thread.SpinWait(pause);
                    return connection.ReceiveAsync(Token).AsTask();
                },
                Token,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default).Unwrap();
            together.SignalAndWait(Token);
            connection.OnReceived(bytes);
            connection.OnBatchEnd();
            ProtocolViolationException refused = await Assert.ThrowsAsync<ProtocolViolationException>(() => asked.Soon());
            Assert.Equal(ProtocolViolation.MessageTooBig, refused.CloseInfo.Violation);
            connection.Abort();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(700)]
    [InlineData(100_000)]
    public async Task OpenReadAsync_reads_a_message_larger_than_the_limit(int chunk)
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { MaxMessageSize = 1000 });
        byte[] message = new byte[chunk == 1 ? 5_000 : 2_000_000];
        new Random(1).NextBytes(message);
        Task sending = Task.Run(
            async () =>
            {
                await peer.SendAsync(new WireFrame(WireFrame.Binary, message[..3000]) { Fin = false });
                await peer.SendAsync(new WireFrame(WireFrame.Ping, []));
                await peer.SendAsync(new WireFrame(WireFrame.Continuation, message[3000..]), WireFrame.OfText("after"u8));
            },
            Token);
        await using (MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon())
        {
            Assert.Equal(MessageType.Binary, stream!.Type);
            var read = new MemoryStream();
            byte[] buffer = new byte[chunk];
            int count;
            while ((count = await stream.ReadAsync(buffer, Token).Soon()) > 0)
            {
                read.Write(buffer, 0, count);
            }

            Assert.Equal(message, read.ToArray());
            Assert.Equal(0, await stream.ReadAsync(buffer, Token).Soon());
        }

        Assert.Equal("after", (await peer.Connection.ReceiveAsync(Token).Soon()).Text);
        await sending.Soon();
        Assert.Equal(message.Length + 5, peer.Observed.ReceivedBytes);
    }

    [Fact]
    public async Task OpenReadAsync_takes_up_a_message_that_has_partly_arrived()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("part "u8) with { Fin = false });
        await peer.SendAsync(new WireFrame(WireFrame.Ping, []));
        await peer.ReadAsync(WireFrame.Pong);
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        byte[] buffer = new byte[100];
        Assert.Equal(5, await stream!.ReadAsync(buffer, Token).Soon());
        await peer.SendAsync(new WireFrame(WireFrame.Continuation, "two"u8.ToArray()));
        Assert.Equal(3, await stream.ReadAsync(buffer, Token).Soon());
        Assert.Equal(0, await stream.ReadAsync(buffer, Token).Soon());
    }

    [Fact]
    public async Task A_message_that_has_partly_arrived_may_still_be_received_whole()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("part "u8) with { Fin = false });
        await peer.SendAsync(new WireFrame(WireFrame.Ping, []));
        await peer.ReadAsync(WireFrame.Pong);
        Task<Message> whole = peer.Connection.ReceiveAsync(Token).AsTask();
        await peer.SendAsync(new WireFrame(WireFrame.Continuation, "two"u8.ToArray()));
        Assert.Equal("part two", (await whole.Soon()).Text);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stream_disposed_early_skips_the_rest(bool large)
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { MaxMessageSize = 1000 });
        byte[] message = new byte[large ? 1_000_000 : 100];
        await peer.SendAsync(new WireFrame(WireFrame.Binary, message) { Fin = false });
        await using (MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon())
        {
            Assert.True(await stream!.ReadAsync(new byte[10], Token).Soon() > 0);
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await peer.Connection.ReceiveAsync(Token));
        }

        await peer.SendAsync(new WireFrame(WireFrame.Continuation, message), WireFrame.OfText("after"u8));
        Assert.Equal("after", (await peer.Connection.ReceiveAsync(Token).Soon()).Text);
    }

    [Fact]
    public async Task A_stream_that_was_disposed_cannot_be_read()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("x"u8));
        MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        await stream!.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.ReadAsync(new byte[1], Token).AsTask());
        Assert.True(stream.CanRead && !stream.CanSeek && !stream.CanWrite);
    }

    [Fact]
    public async Task A_cancelled_read_of_a_stream_loses_nothing()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("a"u8) with { Fin = false });
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        byte[] buffer = new byte[10];
        Assert.Equal(1, await stream!.ReadAsync(buffer, Token).Soon());
        using var cancel = new CancellationTokenSource();
        Task<int> reading = stream.ReadAsync(buffer, cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.Soon());
        await peer.SendAsync(new WireFrame(WireFrame.Continuation, "bc"u8.ToArray()));
        Assert.Equal(2, await stream.ReadAsync(buffer, Token).Soon());
    }

    [Fact]
    public async Task A_line_cut_within_a_message_fails_its_stream_after_what_came()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("abc"u8) with { Fin = false });
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        await peer.EndAsync();
        await peer.Running.Soon();
        byte[] buffer = new byte[10];
        Assert.Equal(3, await stream!.ReadAsync(buffer, Token).Soon());
        var thrown = await Assert.ThrowsAsync<ConnectionClosedException>(() => stream.ReadAsync(buffer, Token).Soon());
        Assert.Equal(CloseCause.ConnectionLost, thrown.CloseInfo.Cause);
    }

    [Fact]
    public async Task A_large_message_is_read_to_its_end_though_this_side_closes_meanwhile()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { MaxMessageSize = 1000 });
        byte[] message = new byte[300_000];
        await peer.SendAsync(new WireFrame(WireFrame.Binary, message[..5000]) { Fin = false });
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        Assert.True(await stream!.ReadAsync(new byte[100], Token).Soon() > 0);
        Task<CloseInfo> closing = peer.Connection.CloseAsync(1000, "").AsTask();
        await peer.ReadCloseAsync();
        await peer.SendAsync(new WireFrame(WireFrame.Continuation, message[5000..]), WireFrame.OfClose(1000, ""));
        long rest = 0;
        int count;
        byte[] buffer = new byte[4096];
        while ((count = await stream.ReadAsync(buffer, Token).Soon()) > 0)
        {
            rest += count;
        }

        Assert.Equal(message.Length - 100, rest);
        Assert.True((await closing.Soon()).WasClean);
    }

    [Fact]
    public async Task A_cancelled_OpenReadAsync_leaves_the_message_for_the_next()
    {
        await using RawPeer peer = RawPeer.Start();
        using var cancel = new CancellationTokenSource();
        Task<MessageStream?> opening = peer.Connection.OpenReadAsync(cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening.Soon());
        await peer.SendAsync(WireFrame.OfText("x"u8));
        Assert.Equal("x", (await peer.Connection.ReceiveAsync(Token).Soon()).Text);
    }

    [Fact]
    public async Task Many_tiny_pieces_of_an_unread_message_hold_little_memory()
    {
        // One byte a segment: what is held must follow what arrived, not the number of segments.
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(new WireFrame(WireFrame.Binary, [1]) { Fin = false });
        for (int i = 0; i < 3000; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Continuation, [2]) { Fin = false });
        }

        await peer.SendAsync(new WireFrame(WireFrame.Ping, []));
        await peer.ReadAsync(WireFrame.Pong);
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        Assert.InRange(((Duologue.Peer.IncomingMessage)stream!).PieceCount, 1, 20);
        byte[] buffer = new byte[5000];
        int read = 0;
        while (read < 3001)
        {
            read += await stream!.ReadAsync(buffer.AsMemory(read), Token).Soon();
        }

        Assert.All(buffer[1..3001], b => Assert.Equal(2, b));
    }

    [Fact]
    public async Task Random_cancellations_of_receives_lose_no_message_and_keep_the_order()
    {
        await using MemoryPair pair = MemoryPair.Create(new ConnectionOptions());
        const int Count = 20_000;
        Task sending = Task.Run(
            async () =>
            {
                for (int i = 0; i < Count; i++)
                {
                    await pair.Client.SendAsync(BitConverter.GetBytes(i), MessageType.Binary, Token);
                }
            },
            Token);
        var random = new Random(1);
        byte[] buffer = new byte[10];
        for (int next = 0; next < Count;)
        {
            using var cancel = new CancellationTokenSource();
            bool piecewise = random.Next(4) == 0;
            Task<int> receiving = piecewise ? ReadPiecewise(cancel.Token) : ReadWhole(cancel.Token);
            if (random.Next(3) == 0)
            {
                if (random.Next(2) == 0)
                {
                    await Task.Yield();
                }

                cancel.Cancel();
            }

            try
            {
                Assert.Equal(next, await receiving.Soon());
                next++;
            }
            catch (OperationCanceledException)
            {
                // Only the waiting was stopped: the same number is still to come.
            }
        }

        await sending.Soon();

        async Task<int> ReadWhole(CancellationToken cancellationToken) =>
            BitConverter.ToInt32((await pair.Server.ReceiveAsync(cancellationToken)).Data.Span);

        async Task<int> ReadPiecewise(CancellationToken cancellationToken)
        {
            await using MessageStream? stream = await pair.Server.OpenReadAsync(cancellationToken);
            Assert.Equal(4, await stream!.ReadAtLeastAsync(buffer, 4, throwOnEndOfStream: true, Token));
            return BitConverter.ToInt32(buffer);
        }
    }

    [Fact]
    public async Task Nobody_receiving_does_not_stop_pings_and_the_Close()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("unread"u8), new WireFrame(WireFrame.Ping, [1]));
        Assert.Equal([1], await peer.ReadAsync(WireFrame.Pong));
        Task<CloseInfo> closing = peer.Connection.CloseAsync(1000, "").AsTask();
        await peer.ReadCloseAsync();
        for (int i = 0; i < 300; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Binary, new byte[1000]));
        }

        await peer.SendAsync(WireFrame.OfClose(1000, ""));
        Assert.True((await closing.Soon()).WasClean);
        Assert.InRange(peer.Observed.Dropped(DropReason.Unreceived), 200, 300);
        Assert.Equal("unread", (await peer.Connection.ReceiveAsync(Token).Soon()).Text);
    }
}
