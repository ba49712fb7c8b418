using System.Text;
using Duologue.Interop.Tests.Peers;

namespace Duologue.Interop.Tests;

/// <summary>What must hold between Duologue and another implementation, whichever of the two is the server.</summary>
public abstract class InteropTests : IDisposable
{
    /// <summary>The subprotocol that every server here speaks.</summary>
    internal const string Spoken = "talk.v2";

    // Each length form of RFC 6455 §5.2 at its edges, and the largest message received by default.
    public static readonly TheoryData<int> Sizes = [0, 1, 125, 126, 65_535, 65_536, 1024 * 1024];

    public static readonly TheoryData<ushort, string> Closes = new()
    {
        { 1000, "" },
        { 1000, "Bye." },
        { 1001, "Going away." },
        { 1003, "No binary, please." },
        { 3000, "A library's" },
        { 4999, new string('\u00e4', 61) + "!" }, // 123 bytes, the most that fits
    };

    // Only a broken conversation lasts so long.
    private readonly CancellationTokenSource _patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

    protected InteropTests() => _patience.CancelAfter(TimeSpan.FromSeconds(60));

    internal CancellationToken Cancellation => _patience.Token;

    /// <summary>Opens a conversation in which the client offers the given subprotocols.</summary>
    internal abstract Task<Pair> OpenAsync(params string[] offered);

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task Text_arrives_whole_in_both_directions(int size)
    {
        await using Pair pair = await OpenAsync();
        string text = string.Create(size, 0, (span, _) =>
        {
            for (int i = 0; i < span.Length; i++)
            {
                span[i] = (char)('a' + (i % 26));
            }
        });

        await pair.Ours.SendAsync(text, Cancellation);
        ReceivedMessage there = await pair.Theirs.ReceiveAsync(Cancellation);
        Assert.Equal(MessageType.Text, there.Type);
        Assert.Equal(text, Encoding.UTF8.GetString(there.Data));

        // Over HTTP/2 a message larger than the window leaves only while it is received.
        Task sending = pair.Theirs.SendAsync(MessageType.Text, there.Data);
        Message here = await pair.Ours.ReceiveAsync(Cancellation);
        await sending;
        Assert.Equal(MessageType.Text, here.Type);
        Assert.Equal(text, here.Text);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task Binary_arrives_whole_in_both_directions(int size)
    {
        await using Pair pair = await OpenAsync();
        byte[] data = RandomBytes(size);

        await pair.Ours.SendAsync(data, MessageType.Binary, Cancellation);
        ReceivedMessage there = await pair.Theirs.ReceiveAsync(Cancellation);
        Assert.Equal(MessageType.Binary, there.Type);
        Assert.Equal(data, there.Data);

        Task sending = pair.Theirs.SendAsync(MessageType.Binary, data);
        Message here = await pair.Ours.ReceiveAsync(Cancellation);
        await sending;
        Assert.Equal(MessageType.Binary, here.Type);
        Assert.Equal(data, here.ToArray());
    }

    [Fact]
    public async Task Their_fragments_arrive_as_one_message()
    {
        await using Pair pair = await OpenAsync();
        byte[] text = Encoding.UTF8.GetBytes("Grüße, 你好, 🙂 — cut inside every character");

        await pair.Theirs.SendAsync(MessageType.Text, [.. Enumerable.Range(0, text.Length).Select(i => (ReadOnlyMemory<byte>)text.AsMemory(i, 1))]);
        Assert.Equal(text, (await pair.Ours.ReceiveAsync(Cancellation)).ToArray());

        await pair.Theirs.SendAsync(MessageType.Binary, ReadOnlyMemory<byte>.Empty, text, ReadOnlyMemory<byte>.Empty);
        Message binary = await pair.Ours.ReceiveAsync(Cancellation);
        Assert.Equal(MessageType.Binary, binary.Type);
        Assert.Equal(text, binary.ToArray());
    }

    [Fact]
    public async Task A_message_that_we_write_piecewise_arrives_as_one()
    {
        await using Pair pair = await OpenAsync();
        byte[] data = RandomBytes(300_000);
        await using (Stream message = pair.Ours.OpenWrite(MessageType.Binary))
        {
            foreach (byte[] piece in data.Chunk(70_001))
            {
                await message.WriteAsync(piece, Cancellation);
            }
        }

        Assert.Equal(data, (await pair.Theirs.ReceiveAsync(Cancellation)).Data);
    }

    [Fact]
    public async Task A_message_that_we_read_piecewise_is_theirs()
    {
        await using Pair pair = await OpenAsync();
        byte[] data = RandomBytes(3 * 1024 * 1024); // over the limit for whole messages
        Task sending = pair.Theirs.SendAsync(MessageType.Binary, [.. data.Chunk(400_000).Select(piece => new ReadOnlyMemory<byte>(piece))]);

        await using MessageStream? message = await pair.Ours.OpenReadAsync(Cancellation);
        Assert.NotNull(message);
        using MemoryStream copy = new();
        await message.CopyToAsync(copy, Cancellation);
        await sending;
        Assert.Equal(data, copy.ToArray());
    }

    [Fact]
    public async Task A_thousand_messages_each_way_at_once_keep_their_order()
    {
        const int Count = 1000;
        await using Pair pair = await OpenAsync();

        async Task OursSendAsync()
        {
            for (int i = 0; i < Count; i++)
            {
                await pair.Ours.SendAsync($"ours {i}", Cancellation);
            }
        }

        async Task TheirsSendAsync()
        {
            for (int i = 0; i < Count; i++)
            {
                await pair.Theirs.SendAsync(MessageType.Text, Encoding.UTF8.GetBytes($"theirs {i}"));
            }
        }

        async Task OursReceiveAsync()
        {
            for (int i = 0; i < Count; i++)
            {
                Assert.Equal($"theirs {i}", (await pair.Ours.ReceiveAsync(Cancellation)).Text);
            }
        }

        async Task TheirsReceiveAsync()
        {
            for (int i = 0; i < Count; i++)
            {
                Assert.Equal($"ours {i}", Encoding.UTF8.GetString((await pair.Theirs.ReceiveAsync(Cancellation)).Data));
            }
        }

        await Task.WhenAll(OursSendAsync(), TheirsSendAsync(), OursReceiveAsync(), TheirsReceiveAsync());
    }

    [Fact]
    public async Task Our_ping_is_answered()
    {
        await using Pair pair = await OpenAsync();
        TimeSpan roundTrip = await pair.Ours.PingAsync(Cancellation);
        Assert.True(roundTrip > TimeSpan.Zero);
        Assert.NotNull(pair.Ours.Latency);
    }

    [Fact]
    public async Task Their_ping_is_answered()
    {
        await using Pair pair = await OpenAsync();
        await pair.Theirs.PingAsync(Cancellation);
        await pair.Ours.SendAsync("still here", Cancellation);
        Assert.Equal("still here", Encoding.UTF8.GetString((await pair.Theirs.ReceiveAsync(Cancellation)).Data));
    }

    [Theory]
    [MemberData(nameof(Closes))]
    public async Task Our_close_arrives_with_code_and_reason(ushort code, string reason)
    {
        await using Pair pair = await OpenAsync();
        CloseInfo info = await pair.Ours.CloseAsync(code, reason);

        Assert.Equal(new ForeignClose(code, reason), await Within(pair.Theirs.Closed));
        Assert.Equal(code, info.Code);
        Assert.Equal(reason, info.Reason);
        Assert.True(info.WasClean);
        Assert.False(info.ByPeer);
        Assert.Equal(CloseCause.LocalClose, info.Cause);
        Assert.Same(info, await Within(pair.Ours.Closed));
    }

    [Theory]
    [MemberData(nameof(Closes))]
    public async Task Their_close_arrives_with_code_and_reason(ushort code, string reason)
    {
        await using Pair pair = await OpenAsync();
        await pair.Theirs.CloseAsync(code, reason);

        CloseInfo info = await Within(pair.Ours.Closed);
        Assert.Equal(code, info.Code);
        Assert.Equal(reason, info.Reason);
        Assert.True(info.WasClean);
        Assert.True(info.ByPeer);
        Assert.Equal(CloseCause.PeerClosed, info.Cause);

        // RFC 6455 §5.5.1: the answer typically echoes the code.
        Assert.Equal(code, (await Within(pair.Theirs.Closed)).Code);
    }

    [Fact]
    public async Task What_they_sent_before_their_close_is_received()
    {
        await using Pair pair = await OpenAsync();
        await pair.Theirs.SendAsync(MessageType.Text, "last words"u8.ToArray());
        await pair.Theirs.CloseAsync(1000, "");

        Assert.Equal("last words", (await pair.Ours.ReceiveAsync(Cancellation)).Text);
        ConnectionClosedException over = await Assert.ThrowsAsync<ConnectionClosedException>(async () => await pair.Ours.ReceiveAsync(Cancellation));
        Assert.Equal(1000, over.CloseInfo.Code);
    }

    [Fact]
    public async Task What_we_sent_before_our_close_is_received()
    {
        await using Pair pair = await OpenAsync();
        byte[] data = RandomBytes(500_000);
        pair.Ours.Send(data, MessageType.Binary);
        await pair.Ours.CloseAsync(1000, "");
        Assert.Equal(data, (await pair.Theirs.ReceiveAsync(Cancellation)).Data);
    }

    [Fact]
    public async Task Closing_from_both_sides_at_once_ends_clean()
    {
        await using Pair pair = await OpenAsync();
        Task theirs = pair.Theirs.CloseAsync(4001, "theirs");
        CloseInfo info = await pair.Ours.CloseAsync(4002, "ours");
        await theirs;

        Assert.True(info.WasClean);
        Assert.InRange(info.Code, 4001, 4002);
        Assert.InRange((await Within(pair.Theirs.Closed)).Code, 4001, 4002);
    }

    [Fact]
    public async Task An_end_without_a_close_handshake_by_them_is_unclean_here()
    {
        await using Pair pair = await OpenAsync();
        await pair.Ours.SendAsync("first", Cancellation);
        await pair.Theirs.ReceiveAsync(Cancellation);
        pair.Theirs.Cut();

        CloseInfo info = await Within(pair.Ours.Closed);
        Assert.Equal(1006, info.Code);
        Assert.False(info.WasClean);
        Assert.Equal(CloseCause.ConnectionLost, info.Cause);
        await Assert.ThrowsAsync<ConnectionClosedException>(async () => await pair.Ours.ReceiveAsync(Cancellation));
    }

    [Fact]
    public async Task An_end_without_a_close_handshake_by_us_is_unclean_there()
    {
        await using Pair pair = await OpenAsync();
        await pair.Ours.SendAsync("first", Cancellation);
        await pair.Theirs.ReceiveAsync(Cancellation);
        pair.Ours.Abort();

        Assert.Equal(1006, (await Within(pair.Theirs.Closed)).Code);
        CloseInfo info = await Within(pair.Ours.Closed);
        Assert.Equal(CloseCause.Aborted, info.Cause);
        Assert.False(info.WasClean);
    }

    [Fact]
    public async Task Both_agree_on_the_subprotocol()
    {
        await using Pair pair = await OpenAsync("talk.v9", Spoken);
        Assert.Equal(Spoken, pair.Ours.Subprotocol);
        Assert.Equal(Spoken, pair.Theirs.Subprotocol);
    }

    [Fact]
    public async Task Without_an_offer_there_is_no_subprotocol()
    {
        await using Pair pair = await OpenAsync();
        Assert.Null(pair.Ours.Subprotocol);
        Assert.True(string.IsNullOrEmpty(pair.Theirs.Subprotocol));
    }

    public void Dispose()
    {
        _patience.Dispose();
        GC.SuppressFinalize(this);
    }

    private Task<T> Within<T>(Task<T> task) => task.WaitAsync(Cancellation);

    private static byte[] RandomBytes(int size)
    {
        byte[] data = new byte[size];
        new Random(size).NextBytes(data);
        return data;
    }
}
