using Duologue.Tests.Protocol;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Peer;

/// <summary>Peers that take too slowly, send too slowly, or send too much of what brings too little.</summary>
public sealed class WebSocketConnectionDeadlinesTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // No keep-alive: what a test sees is not its doing.
    private ConnectionOptions Options => new() { TimeProvider = _time, KeepAliveInterval = Timeout.InfiniteTimeSpan };

    private ConnectionOptions Sending => Options with { SendTimeout = TimeSpan.FromSeconds(5) };

    private ConnectionOptions Receiving => Options with { MessageTimeout = TimeSpan.FromSeconds(5) };

    [Fact]
    public async Task A_peer_that_takes_nothing_is_given_up_though_it_goes_on_talking()
    {
        await using RawPeer peer = RawPeer.Start(Sending with { KeepAliveInterval = TimeSpan.FromSeconds(2), KeepAliveTimeout = TimeSpan.FromSeconds(2) }, handler: new TestHandler(), takes: 100);
        Assert.Equal(SendResult.Sent, peer.Connection.Send(new byte[200], MessageType.Binary));
        Assert.Equal(SendResult.Queued, peer.Connection.Send(new byte[300], MessageType.Binary));
        TimeSpan passed = TimeSpan.Zero;
        for (; !peer.Connection.Closed.IsCompleted && passed < Minute; passed += TimeSpan.FromSeconds(0.5))
        {
            int before = peer.Observed.Received;
            await peer.SendAsync(WireFrame.OfText("I live"u8));
            await Waiting.Until(() => peer.Observed.Received > before || peer.Connection.Closed.IsCompleted);
            await _time.Pass(TimeSpan.FromSeconds(0.5));
        }

        CloseInfo info = await peer.Connection.Closed.Soon();
        Assert.InRange(passed, TimeSpan.FromSeconds(4.5), TimeSpan.FromSeconds(10));
        Assert.Equal((1006, CloseCause.SendTimeout, false, false), (info.Code, info.Cause, info.WasClean, info.ByPeer));
        Assert.True(info.UnsentBytes >= 500, $"{info.UnsentBytes}");
        Assert.Equal(1, peer.Observed.Dropped(DropReason.Unsent));
        await peer.Running.Soon();
    }

    [Fact]
    public async Task A_peer_that_takes_slowly_but_takes_is_served()
    {
        await using RawPeer peer = RawPeer.Start(Sending, takes: 100);
        for (int i = 0; i < 5; i++)
        {
            peer.Connection.Send(new byte[40_000], MessageType.Binary);
        }

        for (int i = 0; i < 5; i++)
        {
            await _time.Pass(TimeSpan.FromSeconds(2));
            Assert.Equal(40_000, (await peer.ReadAsync(WireFrame.Binary)).Length);
        }

        // With nothing to take there is nothing to be late with.
        await _time.Pass(TimeSpan.FromSeconds(12));
        Assert.False(peer.Connection.Closed.IsCompleted);
        Assert.Equal(0, Duologue.Peer.TimeoutWheel.For(_time).Count);
    }

    [Fact]
    public async Task A_large_message_has_the_time_of_its_pieces()
    {
        await using RawPeer peer = RawPeer.Start(Sending, takes: 100);
        peer.Connection.Send(new byte[200_000], MessageType.Binary);
        await _time.PassUntil(peer.Connection.Closed, TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(24));
    }

    [Fact]
    public async Task The_failure_is_the_cause_also_where_its_Close_is_not_taken()
    {
        await using RawPeer peer = RawPeer.Start(Sending with { SendQueueLimit = 1000 }, takes: 100);
        peer.Connection.Send(new byte[200], MessageType.Binary);
        while (peer.Connection.Send(new byte[200], MessageType.Binary) != SendResult.Dropped)
        {
        }

        await _time.PassUntil(peer.Connection.Closed, Minute);
        CloseInfo info = await peer.Connection.Closed;
        Assert.Equal((1013, CloseCause.SendQueueFull, false), (info.Code, info.Cause, info.WasClean));
        Assert.Contains("SendQueueLimit", info.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_message_of_a_byte_a_second_is_refused(bool push)
    {
        await using RawPeer peer = RawPeer.Start(Receiving, handler: push ? new TestHandler() : null);
        Task<Message>? receiving = push ? null : peer.Connection.ReceiveAsync(Token).AsTask();
        await peer.SendBytesAsync(new WireFrame(WireFrame.Binary, new byte[100]).For(Duologue.Protocol.Role.Server).ToBytes().AsMemory(0, 10));
        Task<(int Code, string Reason)> close = peer.ReadCloseAsync();
        TimeSpan passed = TimeSpan.Zero;
        for (; !close.IsCompleted && passed < Minute; passed += TimeSpan.FromSeconds(1))
        {
            await peer.SendBytesAsync(new byte[1]);
            await _time.Pass(TimeSpan.FromSeconds(1));
        }

        Assert.Equal((1008, "The message took longer than 5 s (MessageTimeout)."), await close);
        Assert.InRange(passed, TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(12));
        CloseInfo info = await peer.Connection.Closed.Soon();
        Assert.Equal((CloseCause.LimitExceeded, ProtocolViolation.MessageTooSlow), (info.Cause, info.Violation));
        Assert.Equal(0, peer.Observed.Received);
        if (receiving is not null)
        {
            Assert.Equal(ProtocolViolation.MessageTooSlow, (await Assert.ThrowsAsync<ProtocolViolationException>(() => receiving.Soon())).Violation);
        }

        await _time.PassUntil(peer.Running, Minute);
    }

    [Fact]
    public async Task Fragments_of_one_message_share_its_time_and_messages_do_not()
    {
        await using RawPeer peer = RawPeer.Start(Receiving, handler: new TestHandler());
        for (int i = 0; i < 4; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Text, []) { Fin = false });
            await _time.Pass(TimeSpan.FromSeconds(4));
            await peer.SendAsync(new WireFrame(WireFrame.Continuation, []), new WireFrame(WireFrame.Ping, []));
            await peer.ReadAsync(WireFrame.Pong);
        }

        Assert.Equal(4, peer.Observed.Received);
        await peer.SendAsync(new WireFrame(WireFrame.Text, []) { Fin = false });
        Task<(int Code, string)> close = peer.ReadCloseAsync();
        await _time.Pass(TimeSpan.FromSeconds(3));
        await peer.SendAsync(new WireFrame(WireFrame.Continuation, []) { Fin = false });
        await _time.PassUntil(close, Minute);
        Assert.Equal(1008, (await close).Code);
    }

    [Fact]
    public async Task The_time_in_which_nobody_reads_does_not_count()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new TestHandler { OnMessage = (_, _) => new ValueTask(gate.Task) };
        await using RawPeer peer = RawPeer.Start(Receiving, handler: handler);
        await peer.SendAsync(new WireFrame(WireFrame.Binary, new byte[100]), new WireFrame(WireFrame.Binary, new byte[500_000]));
        await Waiting.Until(() => peer.Observed.Received == 1);
        await _time.Pass(TimeSpan.FromSeconds(14));
        Assert.False(peer.Connection.IsEnding);
        gate.SetResult();
        await Waiting.Until(() => peer.Observed.Received == 2);
        Assert.False(peer.Connection.IsEnding);
    }

    [Fact]
    public async Task A_message_that_is_read_piecewise_may_take_its_time()
    {
        await using RawPeer peer = RawPeer.Start(Receiving);
        await peer.SendAsync(new WireFrame(WireFrame.Binary, [1]) { Fin = false });
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token);
        await _time.Pass(TimeSpan.FromSeconds(12));
        await peer.SendAsync(new WireFrame(WireFrame.Continuation, [2]));
        byte[] all = new byte[2];
        await stream!.ReadExactlyAsync(all, Token);
        Assert.Equal([1, 2], all);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_flood_of_empty_and_of_one_byte_fragments_closes_with_1008(int size)
    {
        await using RawPeer peer = RawPeer.Start(Options with { MaxSmallFragmentsPerSecond = 10, MaxFragments = 0 });
        Task<MessageStream?> reading = peer.Connection.OpenReadAsync(Token).AsTask();
        await peer.SendAsync(new WireFrame(WireFrame.Binary, new byte[size]) { Fin = false });
        for (int i = 0; i < 10; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Continuation, new byte[size]) { Fin = false });
        }

        // It leaves when the reader has ended, or has had its time to.
        Task<(int, string)> close = peer.ReadCloseAsync();
        await _time.PassUntil(close, Minute);
        Assert.Equal((1008, "More than 10 small fragments in a second (MaxSmallFragmentsPerSecond)."), await close);
        Assert.Equal(ProtocolViolation.TooManySmallFragments, (await peer.Connection.Closed.Soon()).Violation);
        await (await reading.Soon())!.DisposeAsync();
    }

    [Fact]
    public async Task Small_fragments_over_more_than_a_second_pass()
    {
        await using RawPeer peer = RawPeer.Start(Options with { MaxSmallFragmentsPerSecond = 10 }, handler: new TestHandler());
        for (int second = 0; second < 3; second++)
        {
            for (int i = 0; i < 5; i++)
            {
                await peer.SendAsync(new WireFrame(WireFrame.Text, []) { Fin = false }, new WireFrame(WireFrame.Continuation, []));
            }

            await peer.SendAsync(new WireFrame(WireFrame.Ping, []));
            await peer.ReadAsync(WireFrame.Pong);
            _time.Advance(TimeSpan.FromSeconds(1.1));
        }

        Assert.Equal(15, peer.Observed.Received);
    }
}
