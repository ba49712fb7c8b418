using System.Text;
using Duologue.Peer;
using Duologue.Protocol;
using Duologue.Tests.Protocol;
using Duologue.Tests.Protocol.Deflate;

namespace Duologue.Tests.Peer;

/// <summary>What is compressed on its way out, what is not, and what the queue and the end do to it.</summary>
public sealed class WebSocketConnectionCompressingTests
{
    private const int Compressed = 4;

    private static readonly byte[] Json = Reference.Sample(new Random(1), 1000, isText: true);

    /// <summary>The server's role, and whether there is a context.</summary>
    public static readonly TheoryData<bool, bool> Combinations = new()
    {
        { true, true },
        { true, false },
        { false, true },
        { false, false },
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task Each_way_of_sending_is_compressed(bool server, bool context)
    {
        await using RawPeer peer = RawPeer.Start(role: server ? Role.Server : Role.Client, deflate: Reference.Agreement(context));
        peer.Connection.Send(Json, MessageType.Text);
        peer.Connection.Send(Encoding.UTF8.GetString(Json));
        await peer.Connection.SendAsync(Json, MessageType.Binary, Token).Soon();
        await peer.Connection.SendAsync(Encoding.UTF8.GetString(Json), Token).Soon();
        await using (Stream stream = peer.Connection.OpenWrite(MessageType.Text))
        {
            await stream.WriteAsync(Json.AsMemory(0, 300), Token);
            await stream.FlushAsync(Token);
            await stream.WriteAsync(Json.AsMemory(300, 400), Token);
            await stream.FlushAsync(Token);
            await stream.WriteAsync(Json.AsMemory(700), Token);
        }

        var decompressor = new Reference.Decompressor();
        long saved = 0;
        for (int i = 0; i < 5; i++)
        {
            (byte[] payload, int reserved) = await ReadPayloadAsync(peer);
            Assert.Equal(Compressed, reserved);
            Assert.True(payload.Length < Json.Length / 2);
            Assert.Equal(Json, context ? decompressor.Next(payload) : Reference.Decompress(payload));
            saved += Json.Length - payload.Length;
        }

        Assert.Equal(5, peer.Observed.Sent);
        Assert.Equal((5, saved), peer.Observed.Compressed);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(3000)]
    [InlineData(100_000)]
    [InlineData(10_000_000)]
    public async Task What_a_broadcast_saved_is_counted_for_each_receiver(int size)
    {
        var frame = new BroadcastFrame(Opcode.Text, Reference.Sample(new Random(5), size, isText: true), MessageFlags.None);
        for (int i = 0; i < 2; i++)
        {
            await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 20_000_000 }, deflate: Reference.Agreement(context: false));
            peer.Connection.SendFrame(frame);
            (byte[] payload, int reserved) = await ReadPayloadAsync(peer);
            Assert.Equal(Compressed, reserved);
            Assert.Equal((1, (long)size - payload.Length), peer.Observed.Compressed);
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task Secrets_and_small_messages_leave_as_they_are(bool server, bool context)
    {
        await using RawPeer peer = RawPeer.Start(role: server ? Role.Server : Role.Client, deflate: Reference.Agreement(context, threshold: 100));
        peer.Connection.Send(Json, MessageType.Text, MessageFlags.DisableCompression);
        peer.Connection.Send(Encoding.UTF8.GetString(Json), MessageFlags.DisableCompression);
        await peer.Connection.SendAsync(Json, MessageType.Binary, MessageFlags.DisableCompression, Token).Soon();
        await peer.Connection.SendAsync(Encoding.UTF8.GetString(Json), MessageFlags.DisableCompression, Token).Soon();
        await using (Stream stream = peer.Connection.OpenWrite(MessageType.Text, MessageFlags.DisableCompression))
        {
            await stream.WriteAsync(Json, Token);
            await stream.FlushAsync(Token);
        }

        for (int i = 0; i < 5; i++)
        {
            (byte[] payload, int reserved) = await ReadPayloadAsync(peer);
            Assert.Equal((0, Json.Length), (reserved, payload.Length));
        }

        byte[] small = Json[..99];
        peer.Connection.Send(small, MessageType.Binary);
        await using (Stream stream = peer.Connection.OpenWrite(MessageType.Binary))
        {
            await stream.WriteAsync(small, Token);
        }

        peer.Connection.Send([], MessageType.Binary);
        peer.Connection.Send(Json.AsSpan(0, 100), MessageType.Binary);
        Assert.Equal(small, (await ReadPayloadAsync(peer)).Payload);
        Assert.Equal(small, (await ReadPayloadAsync(peer)).Payload);
        Assert.Empty((await ReadPayloadAsync(peer)).Payload);
        Assert.Equal(Compressed, (await ReadPayloadAsync(peer)).Reserved);
    }

    [Fact]
    public async Task What_does_not_shrink_leaves_as_it_is_unless_a_context_would_lose_it()
    {
        byte[] noise = Reference.Sample(new Random(2), 2000, isText: false);
        await using RawPeer alone = RawPeer.Start(deflate: Reference.Agreement(context: false));
        alone.Connection.Send(noise, MessageType.Binary);
        await alone.Connection.SendAsync(noise, MessageType.Binary, Token).Soon();
        Assert.Equal(noise, (await ReadPayloadAsync(alone)).Payload);
        Assert.Equal(noise, (await ReadPayloadAsync(alone)).Payload);

        // The second time the noise is known: had the first left as it is, the peer could not follow.
        await using RawPeer with = RawPeer.Start(deflate: Reference.Agreement(context: true));
        with.Connection.Send(noise, MessageType.Binary);
        with.Connection.Send(noise, MessageType.Binary);
        var decompressor = new Reference.Decompressor();
        Assert.Equal(noise, decompressor.Next((await ReadPayloadAsync(with)).Payload));
        (byte[] second, _) = await ReadPayloadAsync(with);
        Assert.True(second.Length < 100);
        Assert.Equal(noise, decompressor.Next(second));
    }

    [Fact]
    public async Task A_message_that_the_queue_dropped_was_never_seen_by_the_context()
    {
        var options = new ConnectionOptions { SendQueueLimit = 3000, SendQueuePolicy = SendQueuePolicy.DropOldest };
        await using RawPeer peer = RawPeer.Start(options, takes: 1, deflate: Reference.Agreement(context: true));
        byte[][] messages = [.. Enumerable.Range(0, 12).Select(i => Reference.Sample(new Random(i % 6), 900, isText: true))];
        var results = new List<SendResult>();
        foreach (byte[] message in messages)
        {
            results.Add(peer.Connection.Send(message, MessageType.Text));
        }

        Assert.Equal(SendResult.Sent, results[0]);
        int dropped = peer.Observed.Dropped(DropReason.Oldest);
        Assert.InRange(dropped, 6, 10);
        Assert.InRange(peer.Connection.BufferedAmount, 1, 3000);
        var decompressor = new Reference.Decompressor();
        Assert.Equal(messages[0], decompressor.Next((await ReadPayloadAsync(peer)).Payload));
        foreach (byte[] message in messages[(1 + dropped)..])
        {
            Assert.Equal(message, decompressor.Next((await ReadPayloadAsync(peer)).Payload));
        }
    }

    [Fact]
    public async Task Without_a_context_the_queue_holds_what_is_compressed()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 3000 }, takes: 1, deflate: Reference.Agreement(context: false));
        for (int i = 0; i < 8; i++)
        {
            Assert.NotEqual(SendResult.Dropped, peer.Connection.Send(Json, MessageType.Text));
        }

        for (int i = 0; i < 8; i++)
        {
            Assert.Equal(Json, Reference.Decompress((await ReadPayloadAsync(peer)).Payload));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_full_queue_closes_with_1013_while_compressing_and_what_it_took_is_still_read(bool context)
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 3000 }, takes: 1, deflate: Reference.Agreement(context));
        var taken = new List<byte[]>();
        SendResult result = SendResult.Sent;
        for (int i = 0; i < 100 && result != SendResult.Dropped; i++)
        {
            // Noise: it does not shrink, so that the limit is reached whether it counts what is compressed or what is not.
            byte[] noise = Reference.Sample(new Random(i), 900, isText: false);
            result = peer.Connection.Send(noise, MessageType.Binary);
            if (result != SendResult.Dropped)
            {
                taken.Add(noise);
            }
        }

        // With the one that is in the carrier's hands.
        Assert.Equal((SendResult.Dropped, 3), (result, taken.Count));
        Assert.Equal(1, peer.Observed.Dropped(DropReason.QueueFull));
        var decompressor = new Reference.Decompressor();
        foreach (byte[] message in taken)
        {
            (byte[] payload, int reserved) = await ReadPayloadAsync(peer);
            Assert.Equal(message, reserved == 0 ? payload : decompressor.Next(payload));
        }

        Assert.Equal(1013, (await peer.ReadCloseAsync()).Code);
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task A_message_larger_than_the_queue_leaves_in_compressed_fragments(bool server, bool context)
    {
        byte[] large = Reference.Sample(new Random(3), 100_000, isText: true);
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 16 * 1024 }, server ? Role.Server : Role.Client, deflate: Reference.Agreement(context));
        await peer.Connection.SendAsync(large, MessageType.Text, Token).Soon();
        await peer.Connection.SendAsync(Json, MessageType.Text, Token).Soon();
        var decompressor = new Reference.Decompressor();
        (byte[] payload, int reserved) = await ReadPayloadAsync(peer);
        Assert.Equal(Compressed, reserved);
        Assert.True(payload.Length < large.Length / 2);
        Assert.Equal(large, decompressor.Next(payload));
        byte[] next = (await ReadPayloadAsync(peer)).Payload;
        Assert.Equal(Json, context ? decompressor.Next(next) : Reference.Decompress(next));
    }

    [Fact]
    public async Task A_cancelled_message_that_has_begun_is_finished_and_the_context_stays()
    {
        byte[] large = Reference.Sample(new Random(4), 200_000, isText: false);
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { SendQueueLimit = 16 * 1024 }, takes: 1, deflate: Reference.Agreement(context: true));
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Token);
        Task sending = peer.Connection.SendAsync(large, MessageType.Binary, cancel.Token).AsTask();
        WireFrame? first = await peer.ReadAsync();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending.Soon());
        Task next = peer.Connection.SendAsync(Json, MessageType.Text, Token).AsTask();
        var decompressor = new Reference.Decompressor();
        (byte[] rest, _) = await ReadPayloadAsync(peer, continues: true);
        Assert.Equal(large, decompressor.Next([.. first!.Payload, .. rest]));
        Assert.Equal(Json, decompressor.Next((await ReadPayloadAsync(peer)).Payload));
        await next.Soon();
    }

    [Fact]
    public async Task A_connection_with_a_context_stays_right_when_it_takes_frames_that_were_compressed_for_many()
    {
        await using RawPeer peer = RawPeer.Start(deflate: Reference.Agreement(context: true));
        var decompressor = new Reference.Decompressor();
        for (int i = 0; i < 20; i++)
        {
            byte[] own = Reference.Sample(new Random(i % 3), 700, isText: true);
            byte[] many = Reference.Sample(new Random(10 + (i % 2)), 900, isText: true);
            peer.Connection.Send(own, MessageType.Text);
            peer.Connection.SendFrame(new BroadcastFrame(Opcode.Text, many, MessageFlags.None));
            peer.Connection.Send(own, MessageType.Text);
            peer.Connection.Send(own, MessageType.Text);
            Assert.Equal(own, decompressor.Next((await ReadPayloadAsync(peer)).Payload));
            Assert.Equal(many, decompressor.Next((await ReadPayloadAsync(peer)).Payload));
            Assert.Equal(own, decompressor.Next((await ReadPayloadAsync(peer)).Payload));
            (byte[] again, _) = await ReadPayloadAsync(peer);
            Assert.True(again.Length < 50, "From here on the context is one again.");
            Assert.Equal(own, decompressor.Next(again));
        }
    }

    [Fact]
    public async Task A_broadcast_is_compressed_once_for_each_window()
    {
        var frame = new BroadcastFrame(Opcode.Text, Reference.Sample(new Random(5), 3000, isText: true), MessageFlags.None);
        Assert.True(frame.TryGetCompressed(15, out ReadOnlyMemory<byte> at15));
        Assert.True(frame.TryGetCompressed(12, out ReadOnlyMemory<byte> at12));
        Assert.True(frame.TryGetCompressed(9, out ReadOnlyMemory<byte> at9));
        Assert.True(frame.TryGetCompressed(15, out ReadOnlyMemory<byte> again));
        Assert.True(at15.Equals(again));
        Assert.True(at15.Equals(at12), "3,000 bytes fit into a window of 4,096.");
        Assert.False(at15.Equals(at9));
        var noise = new BroadcastFrame(Opcode.Binary, Reference.Sample(new Random(6), 3000, isText: false), MessageFlags.None);
        Assert.False(noise.TryGetCompressed(15, out _));

        await using RawPeer off = RawPeer.Start();
        await using RawPeer secret = RawPeer.Start(deflate: Reference.Agreement(context: false));
        off.Connection.SendFrame(frame);
        secret.Connection.SendFrame(new BroadcastFrame(Opcode.Text, Json, MessageFlags.DisableCompression));
        Assert.Equal(3000, (await off.ReadAsync(WireFrame.Text)).Length);
        Assert.Equal(Json, (await ReadPayloadAsync(secret)).Payload);
    }

    [Fact]
    public async Task A_window_that_cannot_be_done_is_answered_by_sending_plain()
    {
        await using RawPeer peer = RawPeer.Start(role: Role.Client, deflate: Reference.Agreement(context: false, windowBits: 0));
        peer.Connection.Send(Json, MessageType.Text);
        Assert.Equal(Json, (await ReadPayloadAsync(peer)).Payload);
    }

    [Fact]
    public async Task A_SendAsync_whose_frame_was_never_written_does_not_succeed_within_a_batch()
    {
        // What is compressed when the connection ends is dropped: its mark is one that is never reached. In a handler, what was sent leaves when the batch
        // ends, and that passed for the answer.
        var thrown = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new TestHandler
        {
            OnMessage = async (connection, _) =>
            {
                connection.Abort();
                thrown.SetResult(await Record.ExceptionAsync(() => ((WebSocketConnection)connection).WaitUntilTakenAsync(long.MaxValue, Token).AsTask()));
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler, deflate: Reference.Agreement(context: true));
        await peer.SendAsync(WireFrame.OfText("go"u8));
        Assert.IsType<ConnectionClosedException>(await thrown.Task.Soon());
    }

    [Fact]
    public async Task A_SendAsync_that_succeeded_while_the_connection_ended_was_written()
    {
        byte[] message = Reference.Sample(new Random(9), 20_000, isText: true);
        for (int round = 0; round < 100; round++)
        {
            await using RawPeer peer = RawPeer.Start(deflate: Reference.Agreement(context: true));
            Task sending = Task.Run(() => peer.Connection.SendAsync(message, MessageType.Text, Token).AsTask(), Token);
            Thread.SpinWait(round * 200);
            peer.Connection.Abort();
            Exception? failure = await Record.ExceptionAsync(() => sending.Soon());
            if (failure is null)
            {
                (byte[] payload, _) = await ReadPayloadAsync(peer);
                Assert.Equal(message, new Reference.Decompressor().Next(payload));
            }
            else
            {
                Assert.IsType<ConnectionClosedException>(failure);
            }
        }
    }

    /// <summary>The next message's payload as it is on the wire, put together from its frames.</summary>
    private static async Task<(byte[] Payload, int Reserved)> ReadPayloadAsync(RawPeer peer, bool continues = false)
    {
        var payload = new List<byte>();
        int reserved = 0;
        for (bool first = !continues; ; first = false)
        {
            WireFrame? frame = await peer.ReadAsync();
            Assert.NotNull(frame);
            Assert.Equal(first, frame.Opcode != WireFrame.Continuation);
            reserved = first ? frame.Reserved : reserved;
            Assert.True(first || frame.Reserved == 0, "Only the first frame says that a message is compressed.");
            payload.AddRange(frame.Payload);
            if (frame.Fin)
            {
                return ([.. payload], reserved);
            }
        }
    }
}
