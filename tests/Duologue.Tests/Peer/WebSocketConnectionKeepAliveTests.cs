using System.Runtime.CompilerServices;
using Duologue.Tests.Protocol;
using Duologue.Tests.Shared;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Peer;

public sealed class WebSocketConnectionKeepAliveTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // Shorter than the defaults: every step of virtual time costs some real time.
    private ConnectionOptions Options => new()
    {
        TimeProvider = _time,
        KeepAliveInterval = TimeSpan.FromSeconds(5),
        KeepAliveTimeout = TimeSpan.FromSeconds(5),
    };

    [Fact]
    public async Task Pings_by_itself_and_measures_the_latency()
    {
        await using RawPeer peer = RawPeer.Start(Options);
        Assert.Null(peer.Connection.Latency);
        TimeSpan passed = TimeSpan.FromSeconds(4.8);
        for (int i = 0; i < 3; i++)
        {
            Task<byte[]> ping = peer.ReadAsync(WireFrame.Ping);
            passed = await _time.PassUntil(ping, TimeSpan.FromSeconds(4.8 - (passed.TotalSeconds - 4.8)), TimeSpan.FromSeconds(5.5));
            _time.Advance(TimeSpan.FromMilliseconds(30));

            // When its ping is answered, the pong before it was seen.
            await peer.SendAsync(new WireFrame(WireFrame.Pong, await ping), new WireFrame(WireFrame.Ping, [9]));
            await peer.ReadAsync(WireFrame.Pong);
        }

        // On a busy machine the ping is read somewhat after it left, and the clock has gone on.
        TimeSpan late = passed - TimeSpan.FromSeconds(4.8);
        Assert.InRange(peer.Connection.Latency!.Value, TimeSpan.FromMilliseconds(30), TimeSpan.FromMilliseconds(100) + late);
    }

    [Fact]
    public async Task A_ping_that_nobody_waited_for_any_more_left_an_exception_that_nobody_saw()
    {
        using var unseen = new UnseenExceptions();
        string reason = Guid.NewGuid().ToString("N");
        await GiveUpPingAsync(reason);
        Assert.DoesNotContain(await unseen.CollectAsync(), exception => exception.Message.Contains(reason, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_silent_peer_is_dead_after_interval_and_timeout()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = _time });
        await _time.PassUntil(peer.Connection.Closed, TimeSpan.FromSeconds(40), TimeSpan.FromSeconds(45));
        Assert.Equal(new CloseInfo(1006, "", false, false, CloseCause.KeepAliveTimeout), await peer.Connection.Closed);
        await peer.Running.Soon();
    }

    [Fact]
    public async Task Any_byte_is_a_sign_of_life()
    {
        await using RawPeer peer = RawPeer.Start(Options, handler: new TestHandler());
        for (int i = 0; i < 8; i++)
        {
            await _time.Pass(TimeSpan.FromSeconds(3));
            int before = peer.Observed.Received;
            await peer.SendAsync(WireFrame.OfText("x"u8));
            await Waiting.Until(() => peer.Observed.Received > before);
        }

        Assert.False(peer.Connection.Closed.IsCompleted);
    }

    [Fact]
    public async Task No_verdict_falls_while_reading_is_paused_nor_right_after()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new TestHandler { OnMessage = (_, _) => new ValueTask(gate.Task) };
        await using RawPeer peer = RawPeer.Start(Options, handler: handler);
        await peer.SendAsync(new WireFrame(WireFrame.Binary, new byte[100]), new WireFrame(WireFrame.Binary, new byte[500_000]));
        await Waiting.Until(() => peer.Observed.Received == 1);
        await _time.Pass(TimeSpan.FromSeconds(20));
        Assert.False(peer.Connection.Closed.IsCompleted);
        gate.SetResult();
        await Waiting.Until(() => peer.Observed.Received == 2);
        Assert.False(peer.Connection.Closed.IsCompleted);

        // Reading again, it judges again.
        await _time.PassUntil(peer.Connection.Closed, TimeSpan.FromMinutes(2));
        Assert.Equal(CloseCause.KeepAliveTimeout, (await peer.Connection.Closed).Cause);
    }

    [Fact]
    public async Task A_handler_pending_for_long_under_a_peer_that_answers_lives()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new TestHandler { OnMessage = (_, _) => new ValueTask(gate.Task) };
        await using RawPeer peer = RawPeer.Start(Options, handler: handler);
        await peer.SendAsync(WireFrame.OfText("x"u8));
        for (int i = 0; i < 4; i++)
        {
            Task<byte[]> ping = peer.ReadAsync(WireFrame.Ping);
            await _time.PassUntil(ping, Minute);

            // When its ping is answered, the pong before it was seen: else the clock could go on to the verdict.
            await peer.SendAsync(new WireFrame(WireFrame.Pong, await ping), new WireFrame(WireFrame.Ping, [9]));
            await peer.ReadAsync(WireFrame.Pong);
        }

        Assert.False(peer.Connection.Closed.IsCompleted);
        gate.SetResult();
    }

    [Fact]
    public async Task It_can_be_switched_off()
    {
        await using RawPeer peer = RawPeer.Start(Options with { KeepAliveInterval = Timeout.InfiniteTimeSpan });
        await _time.Pass(TimeSpan.FromSeconds(20));
        Assert.False(peer.Connection.Closed.IsCompleted);
        peer.Connection.Send("x");
        Assert.Equal("x", await peer.ReadTextAsync());
    }

    [Fact]
    public async Task Without_a_timeout_it_pings_but_does_not_judge()
    {
        await using RawPeer peer = RawPeer.Start(Options with { KeepAliveTimeout = Timeout.InfiniteTimeSpan });
        await _time.PassUntil(peer.ReadAsync(WireFrame.Ping), Minute);
        await _time.PassUntil(peer.ReadAsync(WireFrame.Ping), Minute);
        await _time.Pass(TimeSpan.FromSeconds(15));
        Assert.False(peer.Connection.Closed.IsCompleted);
    }

    [Fact]
    public async Task PingAsync_returns_the_round_trip()
    {
        await using RawPeer peer = RawPeer.Start(Options);
        Task<TimeSpan> ping = peer.Connection.PingAsync(Token).AsTask();
        byte[] payload = await peer.ReadAsync(WireFrame.Ping);
        _time.Advance(TimeSpan.FromMilliseconds(120));
        await peer.SendAsync(new WireFrame(WireFrame.Pong, []), new WireFrame(WireFrame.Pong, [1, 2, 3, 4, 5, 6, 7, 8]));
        await peer.SendAsync(new WireFrame(WireFrame.Pong, payload));
        Assert.Equal(TimeSpan.FromMilliseconds(120), await ping.Soon());
        Assert.Equal(TimeSpan.FromMilliseconds(120), peer.Connection.Latency);
    }

    [Fact]
    public async Task Many_pings_at_once_are_all_answered_and_few_leave()
    {
        await using RawPeer peer = RawPeer.Start(Options);
        Task<TimeSpan>[] pings = [.. Enumerable.Range(0, 100).Select(_ => peer.Connection.PingAsync(Token).AsTask())];
        for (int i = 0; i < 16; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Pong, await peer.ReadAsync(WireFrame.Ping)));
        }

        await Task.WhenAll(pings).Soon();
        peer.Connection.Send("no more pings");
        await peer.ReadTextAsync();
    }

    [Fact]
    public async Task A_pong_to_the_latest_ping_answers_the_earlier_ones()
    {
        await using RawPeer peer = RawPeer.Start(Options);
        Task<TimeSpan> first = peer.Connection.PingAsync(Token).AsTask();
        Task<TimeSpan> second = peer.Connection.PingAsync(Token).AsTask();
        await peer.ReadAsync(WireFrame.Ping);
        await peer.SendAsync(new WireFrame(WireFrame.Pong, await peer.ReadAsync(WireFrame.Ping)));
        await Task.WhenAll(first, second).Soon();
    }

    [Fact]
    public async Task A_cancelled_ping_only_stops_the_waiting()
    {
        await using RawPeer peer = RawPeer.Start(Options);
        using var cancel = new CancellationTokenSource();
        Task<TimeSpan> ping = peer.Connection.PingAsync(cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ping.Soon());
        await peer.SendAsync(new WireFrame(WireFrame.Pong, await peer.ReadAsync(WireFrame.Ping)));
        await Waiting.Until(() => peer.Connection.Latency is not null);
    }

    [Fact]
    public async Task Pings_fail_when_the_connection_ends()
    {
        await using RawPeer peer = RawPeer.Start(Options);
        Task<TimeSpan> ping = peer.Connection.PingAsync(Token).AsTask();
        peer.Connection.Abort();
        await Assert.ThrowsAsync<ConnectionClosedException>(() => ping.Soon());
        await Assert.ThrowsAsync<ConnectionClosedException>(() => peer.Connection.PingAsync(Token).AsTask());
    }

    [Fact]
    public async Task Pings_are_answered_with_their_payload_the_latest_while_the_carrier_is_busy()
    {
        await using RawPeer peer = RawPeer.Start(Options, takes: 100);
        await peer.SendAsync(new WireFrame(WireFrame.Ping, [1, 2, 3]));
        Assert.Equal([1, 2, 3], await peer.ReadAsync(WireFrame.Pong));
        peer.Connection.Send(new byte[200], MessageType.Binary);
        await peer.SendAsync(new WireFrame(WireFrame.Ping, [1]), new WireFrame(WireFrame.Ping, [2]), WireFrame.OfText("seen"u8));
        await Waiting.Until(() => peer.Observed.Received == 1);
        await peer.ReadAsync(WireFrame.Binary);
        Assert.Equal([2], await peer.ReadAsync(WireFrame.Pong));
    }

    [Fact]
    public async Task More_control_frames_in_a_second_than_allowed_close_with_1008()
    {
        await using RawPeer peer = RawPeer.Start(Options with { MaxControlFramesPerSecond = 10 });
        for (int i = 0; i < 10; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Ping, []));
            await peer.ReadAsync(WireFrame.Pong);
        }

        _time.Advance(TimeSpan.FromSeconds(1.1));
        for (int i = 0; i < 10; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Ping, []));
            await peer.ReadAsync(WireFrame.Pong);
        }

        await peer.SendAsync(new WireFrame(WireFrame.Pong, []));
        (int code, string reason) = await peer.ReadCloseAsync();
        Assert.Equal(1008, code);
        Assert.Contains("MaxControlFramesPerSecond", reason, StringComparison.Ordinal);
        Assert.Equal(ProtocolViolation.TooManyControlFrames, (await peer.Connection.Closed.Soon()).Violation);
    }

    [Fact]
    public async Task More_messages_in_a_second_than_allowed_close_with_1008()
    {
        await using RawPeer peer = RawPeer.Start(Options with { MaxMessagesPerSecond = 5 }, handler: new TestHandler());
        for (int i = 0; i < 6; i++)
        {
            await peer.SendAsync(WireFrame.OfText("x"u8));
        }

        Assert.Equal(1008, (await peer.ReadCloseAsync()).Code);
        Assert.Equal(5, peer.Observed.Received);
    }

    [Fact]
    public async Task Two_idle_peers_live_for_ever()
    {
        // Of a timeout as long as this a busy machine uses up nothing; the silence would last for more.
        await using MemoryPair pair = MemoryPair.Create(Options with { KeepAliveTimeout = TimeSpan.FromSeconds(40) });
        await _time.Pass(TimeSpan.FromSeconds(60));
        Assert.False(pair.Server.Closed.IsCompleted);
        Assert.False(pair.Client.Closed.IsCompleted);
        Assert.NotNull(pair.Server.Latency);
    }

    [Fact]
    public async Task User_code_that_blocks_at_the_end_holds_up_no_other_timeout()
    {
        using var release = new ManualResetEventSlim();
        int blocking = 0;
        TestHandler Blocking() => new()
        {
            OnClose = (_, _) =>
            {
                Interlocked.Increment(ref blocking);
                release.Wait(Token);
                return default;
            },
        };

        // Due in the same turn of the wheel, before the third and after it; the fourth pulls, and its continuation blocks.
        await using RawPeer before = RawPeer.Start(Options, handler: Blocking());
        await using RawPeer pulling = RawPeer.Start(Options);
        await using RawPeer other = RawPeer.Start(Options);
        await using RawPeer after = RawPeer.Start(Options, handler: Blocking());
        Task receiving = ReceiveAndBlockAsync(pulling.Connection);
        Task<TimeSpan> passing = Task.Run(() => _time.PassUntil(other.Connection.Closed, Minute), Token);
        try
        {
            Assert.Equal(CloseCause.KeepAliveTimeout, (await other.Connection.Closed.Soon()).Cause);
            await passing.Soon();
            await Waiting.Until(() => Volatile.Read(ref blocking) == 3);
        }
        finally
        {
            release.Set();
        }

        await receiving.Soon();

        async Task ReceiveAndBlockAsync(Connection connection)
        {
            await Assert.ThrowsAsync<ConnectionClosedException>(() => connection.ReceiveAsync(Token).AsTask());
            Interlocked.Increment(ref blocking);
            release.Wait(Token);
        }
    }

    [Fact]
    public async Task An_ended_connection_leaves_nothing_on_the_wheel()
    {
        await using (RawPeer peer = RawPeer.Start(Options))
        {
            await peer.SendAsync(WireFrame.OfClose(1000, ""));
            await peer.Connection.Closed.Soon();
            await peer.Running.Soon();
        }

        Assert.Equal(0, Duologue.Peer.TimeoutWheel.For(_time).Count);
    }

    // In a method of its own, so that nothing holds the task.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task GiveUpPingAsync(string reason)
    {
        await using RawPeer peer = RawPeer.Start();
        using var giveUp = new CancellationTokenSource();
        ValueTask<TimeSpan> ping = peer.Connection.PingAsync(giveUp.Token);
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ping.Soon());
        _ = peer.Connection.CloseAsync(1000, reason).AsTask();
        peer.Connection.Abort();
        await peer.Running.Soon();
    }
}
