using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Duologue.Carriers;
using Duologue.Protocol;
using Duologue.Tests.Protocol;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Peer;

/// <summary>A peer that ends its direction right behind what it sent, while the application has not answered yet.</summary>
public sealed class WebSocketConnectionHalfClosedTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // The clock stands still: what ends, ends because all was said.
    private static ConnectionOptions Still => new() { TimeProvider = new FakeTimeProvider() };

    [Theory]
    [InlineData(Role.Server, true)]
    [InlineData(Role.Server, false)]
    [InlineData(Role.Client, true)]
    [InlineData(Role.Client, false)]
    internal async Task A_FIN_right_behind_the_Close_does_not_cost_the_late_answer(Role role, bool push)
    {
        var answering = new Answering();
        await using RawPeer peer = answering.Start(Still, role, push);
        await peer.SendAsync(WireFrame.OfText("late"u8), WireFrame.OfClose(4000, "enough"));
        await peer.EndAsync();
        await answering.Begun.Soon();
        Assert.False(peer.Connection.Closed.IsCompleted);

        answering.Finish();

        Assert.Equal("late", await peer.ReadTextAsync());
        Assert.Equal((4000, "enough"), await peer.ReadCloseAsync());
        Assert.Null(await peer.ReadAsync());
        Assert.Equal(new CloseInfo(4000, "enough", true, true, CloseCause.PeerClosed), await peer.Connection.Closed.Soon());
        await peer.Running.Soon();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_FIN_right_behind_a_violation_does_not_cost_the_late_answer_nor_the_Close(bool push)
    {
        var answering = new Answering();
        await using RawPeer peer = answering.Start(Still, Role.Server, push);
        await peer.SendAsync(WireFrame.OfText("late"u8), new WireFrame(5, []));
        await peer.EndAsync();
        await answering.Begun.Soon();

        answering.Finish();

        Assert.Equal("late", await peer.ReadTextAsync());
        Assert.Equal(1002, (await peer.ReadCloseAsync()).Code);
        Assert.Null(await peer.ReadAsync());
        CloseInfo info = await peer.Connection.Closed.Soon();
        Assert.Equal((CloseCause.ProtocolViolation, ProtocolViolation.ReservedOpcode, false), (info.Cause, info.Violation, info.WasClean));
        await peer.Running.Soon();
    }

    [Theory]
    [InlineData(Role.Server, true)]
    [InlineData(Role.Server, false)]
    [InlineData(Role.Client, true)]
    [InlineData(Role.Client, false)]
    internal async Task A_FIN_right_behind_messages_does_not_cost_their_answers_and_is_told_as_1006(Role role, bool push)
    {
        var answering = new Answering();
        await using RawPeer peer = answering.Start(Still, role, push);
        await peer.SendAsync(WireFrame.OfText("one"u8), WireFrame.OfText("two"u8), WireFrame.OfText("three"u8));
        await peer.EndAsync();
        await answering.Begun.Soon();

        answering.Finish();

        Assert.Equal("one", await peer.ReadTextAsync());
        Assert.Equal("two", await peer.ReadTextAsync());
        Assert.Equal("three", await peer.ReadTextAsync());
        Assert.Null(await peer.ReadAsync());
        Assert.Equal(new CloseInfo(1006, "", false, false, CloseCause.ConnectionLost), await peer.Connection.Closed.Soon());
        await peer.Running.Soon();
    }

    [Fact]
    public async Task What_waits_for_a_peer_that_reads_slowly_leaves_behind_its_FIN()
    {
        await using RawPeer peer = RawPeer.Start(Still, takes: 100);
        for (int i = 0; i < 20; i++)
        {
            peer.Connection.Send([(byte)i, .. new byte[99]], MessageType.Binary);
        }

        await peer.EndAsync();
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(i, (await peer.ReadAsync(WireFrame.Binary))[0]);
        }

        Assert.Null(await peer.ReadAsync());
        CloseInfo info = await peer.Connection.Closed.Soon();
        Assert.Equal((CloseCause.ConnectionLost, 0L), (info.Cause, info.UnsentBytes));
        Assert.Equal(0, peer.Observed.Dropped(DropReason.Unsent));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_handler_that_does_not_answer_holds_a_half_closed_line_for_half_the_close_timeout(bool closes)
    {
        var time = new FakeTimeProvider();
        var answering = new Answering();
        await using RawPeer peer = answering.Start(new ConnectionOptions { TimeProvider = time, CloseTimeout = TimeSpan.FromSeconds(10) }, Role.Server, push: true);
        await peer.SendAsync(closes ? [WireFrame.OfText("x"u8), WireFrame.OfClose(4000, "")] : [WireFrame.OfText("x"u8)]);
        await peer.EndAsync();
        await answering.Begun.Soon();

        await time.PassUntil(peer.Running, TimeSpan.FromSeconds(4.9), TimeSpan.FromSeconds(6));
        CloseInfo info = await peer.Connection.Closed.Soon();
        Assert.Equal(closes ? (CloseCause.PeerClosed, true) : (CloseCause.ConnectionLost, false), (info.Cause, info.WasClean));
        Assert.Equal(closes ? WireFrame.Close : null, (await peer.ReadAsync())?.Opcode);
        answering.Finish();
    }

    [Fact]
    public async Task A_half_closed_peer_that_reads_nothing_is_left_after_half_the_close_timeout()
    {
        var time = new FakeTimeProvider();
        await using RawPeer peer = RawPeer.Start(new ConnectionOptions { TimeProvider = time, KeepAliveInterval = Timeout.InfiniteTimeSpan }, takes: 16);
        Assert.Equal(SendResult.Sent, peer.Connection.Send(new byte[100], MessageType.Binary));
        Assert.Equal(SendResult.Queued, peer.Connection.Send(new byte[100], MessageType.Binary));
        await peer.EndAsync();

        await time.PassUntil(peer.Connection.Closed, TimeSpan.FromSeconds(2.4), TimeSpan.FromSeconds(4));
        CloseInfo info = await peer.Connection.Closed;
        Assert.Equal((CloseCause.ConnectionLost, 1006), (info.Cause, info.Code));
        Assert.True(info.UnsentBytes >= 100, $"{info.UnsentBytes}");
        Assert.Equal(1, peer.Observed.Dropped(DropReason.Unsent));
    }

    [Fact]
    public async Task A_FIN_at_rest_ends_the_conversation_at_once()
    {
        await using RawPeer peer = RawPeer.Start(Still);
        Task<Message> receiving = peer.Connection.ReceiveAsync(Token).AsTask();
        await peer.EndAsync();
        Assert.Equal(CloseCause.ConnectionLost, (await peer.Connection.Closed.Soon()).Cause);
        await Assert.ThrowsAsync<ConnectionClosedException>(() => receiving.Soon());
        await peer.Running.Soon();
    }

    [Fact]
    public async Task A_message_that_the_FIN_cut_off_ends_its_stream_at_once()
    {
        await using RawPeer peer = RawPeer.Start(Still);
        await peer.SendAsync(new WireFrame(WireFrame.Binary, [1, 2, 3]) { Fin = false });
        await using MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        byte[] buffer = new byte[10];
        Assert.Equal(3, await stream!.ReadAsync(buffer, Token).Soon());
        Task<int> reading = stream.ReadAsync(buffer, Token).AsTask();
        await peer.EndAsync();
        var thrown = await Assert.ThrowsAsync<ConnectionClosedException>(() => reading.Soon());
        Assert.Equal(CloseCause.ConnectionLost, thrown.CloseInfo.Cause);
    }

    [Fact]
    public async Task An_application_that_closes_a_half_closed_line_does_not_wait_for_an_answer_that_cannot_come()
    {
        var answering = new Answering();
        await using RawPeer peer = answering.Start(Still, Role.Server, push: true);
        await peer.SendAsync(WireFrame.OfText("x"u8));
        await peer.EndAsync();
        await answering.Begun.Soon();

        peer.Connection.BeginClose(3000, "mine", CloseCause.LocalClose);

        Assert.Equal((3000, "mine"), await peer.ReadCloseAsync());
        Assert.Equal(new CloseInfo(3000, "mine", false, false, CloseCause.LocalClose), await peer.Connection.Closed.Soon());
        await peer.Running.Soon();
        answering.Finish();
    }

    [Fact]
    public async Task A_half_closed_line_that_is_lost_as_a_whole_waits_no_more()
    {
        var answering = new Answering();
        await using RawPeer peer = answering.Start(Still, Role.Server, push: true);
        await peer.SendAsync(WireFrame.OfText("x"u8));
        await peer.EndAsync();
        await answering.Begun.Soon();

        // A line whose end was not seen yet is not half closed, and its loss comes another way.
        Task<CloseInfo> closed = peer.Connection.Closed;
        while (!closed.IsCompleted)
        {
            peer.Connection.OnGone();
            await Task.WhenAny(closed, Task.Delay(5, TestContext.Current.CancellationToken));
        }

        Assert.Equal(CloseCause.ConnectionLost, (await closed).Cause);
        await peer.Running.Soon();
        answering.Finish();
    }

    [Fact]
    public async Task A_carrier_that_ends_with_its_input_is_not_waited_for()
    {
        var input = new Pipe();
        var output = new Pipe();
        var answering = new Answering();
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Server, Options = Still, Handler = answering.Handler });
        Task running = new PipeCarrier(input.Reader, output.Writer, connection, null) { HalfCloses = false }.RunAsync();
        input.Writer.Write(WireFrame.OfText("x"u8).Masked().ToBytes());
        await input.Writer.CompleteAsync();
        await answering.Begun.Soon();
        await running.Soon();
        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.Soon()).Cause);
        answering.Finish();
    }

    [Fact]
    public async Task An_end_is_not_clean_where_the_carrier_was_lost_before_it_took_our_Close()
    {
        await using RawPeer peer = RawPeer.Start(Still, takes: 4);
        await peer.SendAsync(WireFrame.OfClose(4000, "a reason that does not fit"));
        await Waiting.Until(() => peer.Connection.ReceivedClose is not null && peer.Connection.BufferedAmount > 0);
        await peer.RefuseAsync();
        CloseInfo info = await peer.Connection.Closed.Soon();
        Assert.Equal((4000, false), (info.Code, info.WasClean));
    }

    /// <summary>An application that echoes, but only when it is let, by push or by pull.</summary>
    private sealed class Answering
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Answering() => Handler = new TestHandler { OnMessage = AnswerAsync };

        public TestHandler Handler { get; }

        /// <summary>Completes when the first message is in the application's hands.</summary>
        public Task Begun => _begun.Task;

        public void Finish() => _gate.SetResult();

        public RawPeer Start(ConnectionOptions options, Role role, bool push)
        {
            RawPeer peer = RawPeer.Start(options, role, push ? Handler : null);
            if (!push)
            {
                _ = TalkAsync(peer.Connection);
            }

            return peer;
        }

        private async Task TalkAsync(WebSocketConnection connection)
        {
            while (true)
            {
                try
                {
                    await AnswerAsync(connection, await connection.ReceiveAsync(Token));
                }
                catch (ConnectionClosedException)
                {
                    return;
                }
            }
        }

        private async ValueTask AnswerAsync(Connection connection, Message message)
        {
            string text = Encoding.UTF8.GetString(message.Data.Span);
            _begun.TrySetResult();
            await _gate.Task;
            connection.Send(text);
        }
    }
}
