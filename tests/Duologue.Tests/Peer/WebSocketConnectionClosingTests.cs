using Duologue.Protocol;
using Duologue.Tests.Protocol;
using Duologue.Tests.Shared;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Peer;

public sealed class WebSocketConnectionClosingTests
{
    [Fact]
    public async Task Closed_completes_only_when_the_observer_was_told()
    {
        var observer = new Inquisitive();
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions(), Observer = observer });

        connection.Abort();

        Assert.False(observer.SawItCompleted);
        Assert.Equal(CloseCause.Aborted, (await connection.Closed.Soon()).Cause);
    }

    private sealed class Inquisitive : ConnectionObserver
    {
        public bool? SawItCompleted { get; private set; }

        public override void Closed(WebSocketConnection connection, CloseInfo info) => SawItCompleted = connection.Closed.IsCompleted;
    }

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task With_the_reason_of_its_close_a_peer_wrote_lines_into_the_log_of_whoever_logs_exceptions()
    {
        await using MemoryPair pair = MemoryPair.Create(new ConnectionOptions());
        await pair.Client.CloseAsync(3001, "bye\nroot logged in").Soon();
        await pair.Server.Closed.Soon();

        ConnectionClosedException error = await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.Server.SendAsync("x", Token).AsTask());
        Assert.DoesNotContain('\n', error.Message);
        Assert.Equal("bye\nroot logged in", error.CloseInfo.Reason);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Either_side_may_begin_and_both_learn_the_same(bool serverBegins)
    {
        await using MemoryPair pair = MemoryPair.Create(new ConnectionOptions());
        (WebSocketConnection one, WebSocketConnection other) = serverBegins ? (pair.Server, pair.Client) : (pair.Client, pair.Server);
        CloseInfo mine = await one.CloseAsync(3001, "bye").Soon();
        Assert.Equal(new CloseInfo(3001, "bye", false, true, CloseCause.LocalClose), mine);
        Assert.Equal(new CloseInfo(3001, "bye", true, true, CloseCause.PeerClosed), await other.Closed.Soon());
        Assert.Same(mine, await one.Closed.Soon());
    }

    [Fact]
    public async Task Closings_that_cross_are_clean_on_both_sides()
    {
        for (int round = 0; round < 200; round++)
        {
            await using MemoryPair pair = MemoryPair.Create(new ConnectionOptions { CloseTimeout = Minute });
            Task<CloseInfo> server = Task.Run(async () => await pair.Server.CloseAsync(3001, "server"), Token);
            Task<CloseInfo> client = Task.Run(async () => await pair.Client.CloseAsync(3002, "client"), Token);
            Assert.True((await server.Soon()).WasClean);
            Assert.True((await client.Soon()).WasClean);
        }
    }

    [Fact]
    public async Task Closes_that_cross_on_the_wire_end_the_conversation_cleanly()
    {
        await using RawPeer peer = RawPeer.Start();
        ValueTask<CloseInfo> closing = peer.Connection.CloseAsync(3001, "mine");
        await peer.SendAsync(WireFrame.OfClose(3002, "yours"));
        Assert.Equal((3001, "mine"), await peer.ReadCloseAsync());
        Assert.Null(await peer.ReadAsync());
        CloseInfo info = await closing.Soon();
        Assert.Equal(new CloseInfo(3002, "yours", false, true, CloseCause.LocalClose), info);
        Assert.Equal((3002, "yours"), peer.Connection.ReceivedClose!.Value);
    }

    [Fact]
    public async Task An_end_is_not_clean_while_our_Close_waits_behind_what_the_peer_never_took()
    {
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { CloseTimeout = TimeSpan.FromMilliseconds(200) }, takes: 16);
        Assert.Equal(SendResult.Sent, peer.Connection.Send(new byte[100], MessageType.Binary));
        await peer.SendAsync(WireFrame.OfClose(4000, "enough"));
        await peer.EndAsync();
        CloseInfo info = await peer.Connection.Closed.Soon();
        Assert.Equal((4000, false), (info.Code, info.WasClean));
    }

    [Fact]
    public async Task A_pause_of_the_process_while_lingering_begins_does_not_keep_the_connection_for_ever()
    {
        var clock = new LeapingClock { Leap = TimeSpan.FromSeconds(3) };
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = clock, CloseTimeout = Minute });
        await peer.SendAsync(new WireFrame(WireFrame.Text, [0x80]));
        Assert.Equal(1007, (await peer.ReadCloseAsync()).Code);
        await peer.Connection.Closed.Soon();
        clock.Leap = TimeSpan.Zero;
        clock.Advance(Minute);
        Assert.Null(await peer.ReadAsync());
    }

    [Fact]
    public async Task A_peer_that_sends_without_end_behind_its_violation_is_read_only_so_far()
    {
        // The clock stands still: it is not the time that ends it.
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = new FakeTimeProvider() });
        await peer.SendAsync(new WireFrame(WireFrame.Text, [0x80]));
        Assert.Equal(1007, (await peer.ReadCloseAsync()).Code);
        await peer.Connection.Closed.Soon();

        await peer.SendAsync(new WireFrame(WireFrame.Binary, []) { ClaimedLength = 1UL << 40 });
        byte[] piece = new byte[1024 * 1024];
        for (int sent = 0; sent < WebSocketConnection.LingerBytes - piece.Length; sent += piece.Length)
        {
            await peer.SendBytesAsync(piece);
        }

        Assert.False(peer.Running.IsCompleted);
        await peer.SendBytesAsync(piece);
        await peer.SendBytesAsync(piece);
        await peer.Running.Soon();
    }

    [Fact]
    public async Task The_peers_Close_is_answered_with_its_code_and_then_the_server_ends_the_stream()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfClose(4000, "enough"));
        Assert.Equal((4000, "enough"), await peer.ReadCloseAsync());
        Assert.Null(await peer.ReadAsync());
        Assert.Equal(new CloseInfo(4000, "enough", true, true, CloseCause.PeerClosed), await peer.Connection.Closed.Soon());
        await peer.Running.Soon();
    }

    [Fact]
    public async Task A_client_leaves_ending_the_stream_to_the_server_but_not_for_ever()
    {
        var time = new FakeTimeProvider();
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = time }, Role.Client);
        await peer.SendAsync(WireFrame.OfClose(1000, ""));
        Assert.Equal((1000, ""), await peer.ReadCloseAsync());
        await peer.Connection.Closed.Soon();
        Assert.False(peer.Running.IsCompleted);
        await time.PassUntil(peer.Running, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3));
    }

    [Fact]
    public async Task A_Close_without_a_code_is_reported_as_1005_and_answered_without_one()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(new WireFrame(WireFrame.Close, []));
        Assert.Empty(await peer.ReadAsync(WireFrame.Close));
        Assert.Equal(new CloseInfo(1005, "", true, true, CloseCause.PeerClosed), await peer.Connection.Closed.Soon());
    }

    [Fact]
    public async Task A_server_does_not_echo_the_code_that_only_a_client_may_send()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfClose(1010, "no extension"));
        (int code, _) = await peer.ReadCloseAsync();
        Assert.Equal(1000, code);
        Assert.Equal(1010, (await peer.Connection.Closed.Soon()).Code);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(999)]
    [InlineData(1004)]
    [InlineData(1005)]
    [InlineData(1006)]
    [InlineData(1010)]
    [InlineData(1015)]
    [InlineData(2999)]
    [InlineData(5000)]
    public async Task A_code_that_may_not_be_sent_is_refused(int code)
    {
        await using RawPeer peer = RawPeer.Start();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => peer.Connection.CloseAsync((ushort)code, "").AsTask());
        Assert.False(peer.Connection.Closed.IsCompleted);
    }

    [Fact]
    public async Task A_reason_that_does_not_fit_is_refused()
    {
        await using RawPeer peer = RawPeer.Start();
        await Assert.ThrowsAsync<ArgumentException>(() => peer.Connection.CloseAsync(1000, new string('€', 42)).AsTask());
        await Assert.ThrowsAsync<ArgumentNullException>(() => peer.Connection.CloseAsync(1000, null!).AsTask());
        ValueTask<CloseInfo> closing = peer.Connection.CloseAsync(1000, new string('€', 41));
        Assert.Equal((1000, new string('€', 41)), await peer.ReadCloseAsync());
        await peer.SendAsync(WireFrame.OfClose(1000, ""));
        await closing.Soon();
    }

    [Fact]
    public async Task A_client_may_send_1010()
    {
        await using RawPeer peer = RawPeer.Start(role: Role.Client);
        _ = peer.Connection.CloseAsync(1010, "none of mine").AsTask();
        Assert.Equal((1010, "none of mine"), await peer.ReadCloseAsync());
    }

    [Fact]
    public async Task CloseAsync_does_not_hang_on_a_peer_that_never_answers()
    {
        var time = new FakeTimeProvider();
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = time, KeepAliveInterval = Timeout.InfiniteTimeSpan });
        Task<CloseInfo> closing = peer.Connection.CloseAsync(1000, "").AsTask();
        Assert.Equal((1000, ""), await peer.ReadCloseAsync());
        await time.PassUntil(closing, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(6));
        Assert.Equal(new CloseInfo(1000, "", false, false, CloseCause.CloseTimeout), await closing);
        await peer.Running.Soon();
    }

    [Fact]
    public async Task CloseAsync_does_not_hang_on_a_peer_that_takes_no_bytes()
    {
        var time = new FakeTimeProvider();
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = time }, takes: 100);
        peer.Connection.Send(new byte[1000], MessageType.Binary);
        peer.Connection.Send(new byte[500], MessageType.Binary);
        Task<CloseInfo> closing = peer.Connection.CloseAsync(1000, "").AsTask();
        await time.PassUntil(closing, Minute);
        CloseInfo info = await closing;
        Assert.Equal(CloseCause.CloseTimeout, info.Cause);
        Assert.True(info.UnsentBytes >= 1500, $"{info.UnsentBytes}");
        Assert.Equal(1, peer.Observed.Dropped(DropReason.Unsent));
        await peer.Running.Soon();
    }

    [Fact]
    public async Task CloseAsync_does_not_hang_on_a_peer_that_only_talks()
    {
        var time = new FakeTimeProvider();
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = time });
        Task<CloseInfo> closing = peer.Connection.CloseAsync(1000, "").AsTask();
        for (int i = 0; i < 5000 && !closing.IsCompleted; i++)
        {
            await peer.SendAsync(new WireFrame(WireFrame.Binary, new byte[1000]));
            time.Advance(TimeSpan.FromMilliseconds(10));
        }

        Assert.Equal(CloseCause.CloseTimeout, (await closing.Soon()).Cause);
    }

    [Fact]
    public async Task What_was_queued_leaves_before_the_Close()
    {
        await using RawPeer peer = RawPeer.Start(takes: 100);
        for (int i = 0; i < 20; i++)
        {
            Assert.NotEqual(SendResult.Dropped, peer.Connection.Send([(byte)i, .. new byte[99]], MessageType.Binary));
        }

        Task<CloseInfo> closing = peer.Connection.CloseAsync(1000, "").AsTask();
        Assert.Equal(SendResult.Dropped, peer.Connection.Send("late"));
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(i, (await peer.ReadAsync(WireFrame.Binary))[0]);
        }

        Assert.Equal((1000, ""), await peer.ReadCloseAsync());
        await peer.SendAsync(WireFrame.OfClose(1000, ""));
        Assert.True((await closing.Soon()).WasClean);
        Assert.Equal(0, (await closing).UnsentBytes);
        Assert.Equal(1, peer.Observed.Dropped(DropReason.Closed));
    }

    [Fact]
    public async Task A_dropped_line_is_told_as_1006()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendBytesAsync(WireFrame.OfText("cut"u8).Masked().ToBytes().AsMemory(0, 7));
        await peer.EndAsync();
        Assert.Equal(new CloseInfo(1006, "", false, false, CloseCause.ConnectionLost), await peer.Connection.Closed.Soon());
        await peer.Running.Soon();
        Assert.Null(peer.Connection.ReceivedClose);
    }

    [Fact]
    public async Task A_line_that_takes_no_more_bytes_ends_the_connection_and_its_carrier()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.RefuseAsync();
        peer.Connection.Send("x");
        Assert.Equal(CloseCause.ConnectionLost, (await peer.Connection.Closed.Soon()).Cause);
        await peer.Running.Soon();
    }

    [Fact]
    public async Task A_line_that_drops_during_the_handshake_does_not_hang_it()
    {
        await using RawPeer peer = RawPeer.Start();
        Task<CloseInfo> closing = peer.Connection.CloseAsync(3000, "x").AsTask();
        await peer.ReadCloseAsync();
        await peer.EndAsync();
        Assert.Equal(new CloseInfo(3000, "x", false, false, CloseCause.LocalClose), await closing.Soon());
    }

    [Fact]
    public async Task Abort_ends_at_once_without_a_Close()
    {
        await using RawPeer peer = RawPeer.Start();
        peer.Connection.Abort();
        Assert.Equal(new CloseInfo(1006, "", false, false, CloseCause.Aborted), await peer.Connection.Closed.Soon());
        Assert.True(peer.Connection.Aborted.IsCancellationRequested);
        Assert.Null(await peer.ReadAsync());
        await peer.Running.Soon();
    }

    [Fact]
    public async Task The_token_is_cancelled_at_the_end_and_not_before()
    {
        await using RawPeer peer = RawPeer.Start();
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = peer.Connection.Aborted.Register(cancelled.SetResult);
        await peer.SendAsync(new WireFrame(WireFrame.Ping, []));
        await peer.ReadAsync(WireFrame.Pong);
        Assert.False(cancelled.Task.IsCompleted);
        await peer.SendAsync(WireFrame.OfClose(1000, ""));
        await cancelled.Task.Soon();
    }

    [Fact]
    public async Task However_many_end_it_there_is_one_CloseInfo()
    {
        for (int round = 0; round < 100; round++)
        {
            await using RawPeer peer = RawPeer.Start();
            WebSocketConnection connection = peer.Connection;
            Task[] all =
            [
                Task.Run(connection.Abort, Token),
                Task.Run(async () => await connection.CloseAsync(1000, ""), Token),
                Task.Run(() => peer.SendAsync(WireFrame.OfClose(1001, "")), Token),
                Task.Run(async () => await connection.DisposeAsync(), Token),
                Task.Run(() => connection.FailHandler(new InvalidDataException()), Token),
            ];
            await Task.WhenAll(all).Soon();
            CloseInfo info = await connection.Closed.Soon();
            Assert.Same(info, await connection.CloseAsync().Soon());
            await peer.Running.Soon();
            Assert.Equal(1, peer.Observed.Closings);
        }
    }

    [Fact]
    public async Task Disposing_closes_with_1000()
    {
        await using MemoryPair pair = MemoryPair.Create(new ConnectionOptions());
        await pair.Client.DisposeAsync().Soon();
        Assert.Equal(new CloseInfo(1000, "", true, true, CloseCause.PeerClosed), await pair.Server.Closed.Soon());
        await pair.Client.DisposeAsync().Soon();
    }

    [Fact]
    public async Task A_violation_is_told_to_the_peer_and_to_whoever_receives()
    {
        var time = new FakeTimeProvider();
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = time });
        ValueTask<Message> receiving = peer.Connection.ReceiveAsync(Token);
        await peer.SendAsync(new WireFrame(WireFrame.Text, [0xFF]));
        Assert.Equal((1007, "The text is not valid UTF-8."), await peer.ReadCloseAsync());
        var thrown = await Assert.ThrowsAsync<ProtocolViolationException>(() => receiving.Soon());
        Assert.Equal(ProtocolViolation.InvalidUtf8, thrown.Violation);
        CloseInfo info = await peer.Connection.Closed.Soon();
        Assert.Equal((1007, CloseCause.ProtocolViolation, false, false), (info.Code, info.Cause, info.WasClean, info.ByPeer));
        Assert.Equal(ProtocolViolation.InvalidUtf8, info.Violation);

        // The rest is read, so that our Close does not drown in a reset; the peer's Close ends that.
        Assert.False(peer.Running.IsCompleted);
        await peer.SendAsync(WireFrame.OfText("more"u8), WireFrame.OfClose(1007, ""));
        await peer.Running.Soon();
    }

    [Fact]
    public async Task A_peer_that_broke_the_rules_and_stays_is_left_after_a_while()
    {
        var time = new FakeTimeProvider();
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = time });
        await peer.SendBytesAsync(new byte[] { 0xFF, 0xFF });
        Assert.Equal(1002, (await peer.ReadCloseAsync()).Code);
        await time.PassUntil(peer.Running, TimeSpan.FromSeconds(1.5), TimeSpan.FromSeconds(4));
    }

    [Fact]
    public async Task A_peer_that_breaks_the_rules_instead_of_answering_our_Close_ends_it()
    {
        await using RawPeer peer = RawPeer.Start();
        Task<CloseInfo> closing = peer.Connection.CloseAsync(1000, "").AsTask();
        await peer.ReadCloseAsync();
        await peer.SendAsync(new WireFrame(3, []));
        CloseInfo info = await closing.Soon();
        Assert.Equal((1000, false, CloseCause.LocalClose), (info.Code, info.WasClean, info.Cause));
        Assert.Equal(ProtocolViolation.ReservedOpcode, info.Violation);
    }

    [Fact]
    public async Task A_message_that_the_peers_Close_cut_off_ends_its_stream_at_once()
    {
        // Without the clock moving: nobody has to wait for the rest of a message that cannot come.
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = new FakeTimeProvider() });
        await peer.SendAsync(new WireFrame(WireFrame.Binary, [1, 2, 3]) { Fin = false });
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        byte[] buffer = new byte[10];
        Assert.Equal(3, await stream!.ReadAsync(buffer, Token).Soon());
        Task<int> reading = stream.ReadAsync(buffer, Token).AsTask();
        await peer.SendAsync(WireFrame.OfClose(1000, ""));
        await Assert.ThrowsAsync<ConnectionClosedException>(() => reading.Soon());
    }

    /// <summary>A clock that leaps whenever somebody has looked at it, as it does for a process that is stopped and goes on.</summary>
    private sealed class LeapingClock : FakeTimeProvider
    {
        private long _offset;

        public TimeSpan Leap { get; set; }

        public override long GetTimestamp()
        {
            long leap = (long)(Leap.TotalSeconds * TimestampFrequency);
            return base.GetTimestamp() + Interlocked.Add(ref _offset, leap) - leap;
        }
    }
}
