using Duologue.Peer;
using Duologue.Tests.Protocol;
using Duologue.Tests.Protocol.Deflate;

namespace Duologue.Tests.Peer;

/// <summary>What arrives compressed: read as room comes, bounded whatever it becomes.</summary>
public sealed class WebSocketConnectionInflatingTests
{
    private const int Compressed = 4;

    private static readonly byte[] Json = Reference.Sample(new Random(1), 1000, isText: true);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_compression_saved_of_what_is_received_is_counted(bool context)
    {
        await using RawPeer peer = RawPeer.Start(deflate: Reference.Agreement(context));
        byte[] payload = Reference.Compress(Json);
        await peer.SendAsync(
            new WireFrame(WireFrame.Text, payload) { Reserved = Compressed },
            WireFrame.OfText("plain"u8),
            new WireFrame(WireFrame.Binary, [0]) { Reserved = Compressed },
            new WireFrame(WireFrame.Binary, []) { Reserved = Compressed },
            new WireFrame(WireFrame.Text, payload[..10]) { Reserved = Compressed, Fin = false },
            new WireFrame(WireFrame.Continuation, payload[10..]));
        foreach (int length in (int[])[Json.Length, 5, 0, 0, Json.Length])
        {
            Assert.Equal(length, (await peer.Connection.ReceiveAsync(Token).Soon()).Data.Length);
        }

        Assert.Equal((4, (2L * (Json.Length - payload.Length)) - 1), peer.Observed.Inflated);
        Assert.Equal(5, peer.Observed.Received);
    }

    [Fact]
    public async Task Corrupt_data_closes_with_1007_and_a_bomb_with_1009()
    {
        await using RawPeer corrupt = RawPeer.Start(handler: new TestHandler(), deflate: Reference.Agreement(context: false));
        await corrupt.SendAsync(new WireFrame(WireFrame.Binary, [0xFF, 0xFF]) { Reserved = Compressed });
        (int code, string reason) = await corrupt.ReadCloseAsync();
        Assert.Equal(1007, code);
        Assert.Contains("DEFLATE", reason, StringComparison.Ordinal);
        CloseInfo info = await corrupt.Connection.Closed.Soon();
        Assert.Equal((CloseCause.ProtocolViolation, ProtocolViolation.InvalidCompressedData), (info.Cause, info.Violation));

        await using RawPeer bomb = RawPeer.Start(new ConnectionOptions { MaxMessageSize = 10_000 }, handler: new TestHandler(), deflate: Reference.Agreement(context: true));
        await bomb.SendAsync(new WireFrame(WireFrame.Binary, Reference.Compress(new byte[10_000_000])) { Reserved = Compressed });
        Assert.Equal(1009, (await bomb.ReadCloseAsync()).Code);
        Assert.Equal(CloseCause.MessageTooBig, (await bomb.Connection.Closed.Soon()).Cause);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_message_that_inflates_to_far_more_than_is_read_ahead_is_read_piecewise_as_room_comes(bool context)
    {
        // One frame of some kilobytes becomes megabytes, over the limit for whole messages, while nobody reads.
        byte[] zeros = new byte[5_000_000];
        await using RawPeer peer = RawPeer.Start(deflate: Reference.Agreement(context));
        await peer.SendAsync(
            new WireFrame(WireFrame.Binary, Reference.Compress(zeros)) { Reserved = Compressed },
            new WireFrame(WireFrame.Ping, [1]));
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        byte[] buffer = new byte[10_000];
        long total = 0;
        for (int count; (count = await stream!.ReadAsync(buffer, Token).Soon()) > 0;)
        {
            Assert.Equal(-1, buffer.AsSpan(0, count).IndexOfAnyExcept((byte)0));
            total += count;
        }

        Assert.Equal(zeros.Length, total);
        Assert.Equal([1], await peer.ReadAsync(WireFrame.Pong));
    }

    [Fact]
    public async Task Nothing_is_read_ahead_beyond_the_bound_while_nobody_reads()
    {
        await using RawPeer peer = RawPeer.Start(deflate: Reference.Agreement(context: false));
        await peer.SendAsync(new WireFrame(WireFrame.Binary, Reference.Compress(new byte[50_000_000])) { Reserved = Compressed });
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        await Waiting.Until(() => ((IncomingMessage)stream!).Total >= WebSocketConnection.ReadAhead);
        Assert.Equal(WebSocketConnection.ReadAhead, ((IncomingMessage)stream!).Total);
        await stream.DisposeAsync();
        await peer.SendAsync(WireFrame.OfText("next"u8));
        Assert.Equal("next", (await peer.Connection.ReceiveAsync(Token).Soon()).Text);
    }

    [Fact]
    public async Task A_handler_at_work_holds_back_what_inflates_behind_it()
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var got = new List<int>();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new TestHandler
        {
            OnMessage = async (_, message) =>
            {
                int length = message.Data.Length;
                await release.Task;
                got.Add(length);
                if (got.Count == 4)
                {
                    done.SetResult();
                }
            },
        };
        await using RawPeer peer = RawPeer.Start(handler: handler, deflate: Reference.Agreement(context: false));
        byte[] packed = Reference.Compress(new byte[900_000]);
        for (int i = 0; i < 4; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Binary, packed) { Reserved = Compressed });
        }

        release.SetResult();
        await done.Task.Soon();
        Assert.Equal([900_000, 900_000, 900_000, 900_000], got);
    }

    [Fact]
    public async Task An_end_within_a_message_gives_back_what_was_borrowed()
    {
        RawPeer peer = RawPeer.Start(deflate: Reference.Agreement(context: false));
        byte[] packed = Reference.Compress(Json);
        await peer.SendAsync(new WireFrame(WireFrame.Binary, packed[..20]) { Reserved = Compressed, Fin = false });
        Stream writing = peer.Connection.OpenWrite(MessageType.Binary);
        await writing.WriteAsync(Json, Token);
        await writing.FlushAsync(Token);
        await peer.DisposeAsync();
        await Assert.ThrowsAsync<ConnectionClosedException>(async () => await writing.DisposeAsync());
        Assert.Equal(SendResult.Dropped, peer.Connection.Send(Json, MessageType.Text));
    }
}
