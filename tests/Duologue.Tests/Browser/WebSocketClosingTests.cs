using System.Text;
using Duologue.Browser;

namespace Duologue.Tests.Browser;

public class WebSocketClosingTests
{
    private const string TooLong = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123";

    [Theory]
    [InlineData(0)]
    [InlineData(999)]
    [InlineData(1001)]
    [InlineData(1005)]
    [InlineData(1006)]
    [InlineData(2999)]
    [InlineData(5000)]
    [InlineData(65535)]
    public async Task Codes_are_checked_before_the_reason_and_in_every_state(int code)
    {
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket(server.Url);
        var log = new EventLog(socket);
        server.Go();
        AssertChecks();
        await log.Opened;
        AssertChecks();
        socket.Close();
        AssertChecks();
        await log.Closed;
        AssertChecks();

        void AssertChecks()
        {
            Assert.Equal("InvalidAccessError", Assert.Throws<DomException>(() => socket.Close((ushort)code)).Name);
            Assert.Equal("InvalidAccessError", Assert.Throws<DomException>(() => socket.Close((ushort)code, TooLong)).Name);
            Assert.Equal("SyntaxError", Assert.Throws<DomException>(() => socket.Close(1000, TooLong)).Name);
            Assert.Equal("SyntaxError", Assert.Throws<DomException>(() => socket.Close(1000, new string('é', 62))).Name);
        }
    }

    [Fact]
    public async Task Close_without_arguments_sends_an_empty_body_and_reports_1005()
    {
        (RawFrame frame, EventLog log) = await CloseAsync(static socket => socket.Close());

        Assert.Empty(frame.Payload);
        Assert.Equal(["open Open", "close Closed 1005 '' clean"], log.Entries);
    }

    [Theory]
    [InlineData(1000, "")]
    [InlineData(3000, "bye")]
    [InlineData(4999, "tschüß")]
    public async Task Close_sends_code_and_reason_and_reports_the_peers(int code, string reason)
    {
        (RawFrame frame, EventLog log) = await CloseAsync(socket => socket.Close((ushort)code, reason));

        Assert.Equal(RawPeer.CloseFrame(code, reason)[2..], frame.Payload);
        Assert.Equal(["open Open", $"close Closed {code} '{reason}' clean"], log.Entries);
    }

    [Fact]
    public async Task A_reason_of_123_bytes_is_allowed_and_lone_surrogates_are_replaced()
    {
        (RawFrame frame, _) = await CloseAsync(static socket => socket.Close(1000, "\uD800" + TooLong[..120]));

        Assert.Equal("\uFFFD" + TooLong[..120], Encoding.UTF8.GetString(frame.Payload.AsSpan(2)));
    }

    [Fact]
    public async Task Closing_while_connecting_does_not_wait_for_the_handshake()
    {
        using var context = new ManualContext();
        await using RawServer server = RawServer.Start(static async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.FinishAsync();
        });
        WebSocket socket = context.Make(() => new WebSocket(server.Url));
        var log = new EventLog(socket);
        server.Go();

        socket.Close();
        Assert.Equal(ReadyState.Closing, socket.ReadyState);
        Assert.Empty(log.Entries);
        socket.Close();
        context.Turn();

        Assert.Equal(["error Closed", "close Closed 1006 '' unclean"], log.Entries);
        Assert.Equal(ReadyState.Closed, socket.ReadyState);
        socket.Close();
        Assert.Equal(2, log.Entries.Count);
    }

    [Fact]
    public async Task Closing_when_the_answer_came_but_open_has_not_fired_gives_up_as_well()
    {
        using var context = new ManualContext();
        await using RawServer server = RawServer.StartEcho();
        WebSocket socket = context.Make(() => new WebSocket(server.Url));
        var log = new EventLog(socket);
        server.Go();
        context.WaitForWork();

        socket.Close(3000, "never mind");
        context.TurnUntil(() => socket.ReadyState == ReadyState.Closed);

        Assert.Equal(["error Closed", "close Closed 1006 '' unclean"], log.Entries);
    }

    [Fact]
    public async Task Queued_messages_leave_before_the_close_frame_and_the_event_waits_for_the_peers()
    {
        const int Count = 200;
        var received = new List<string>();
        var gotClose = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var mayAnswer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RawServer server = RawServer.StartAccepting(async peer =>
        {
            RawFrame frame = await peer.ReadFrameAsync();
            for (; frame.Opcode != 8; frame = await peer.ReadFrameAsync())
            {
                received.Add(Encoding.UTF8.GetString(frame.Payload));
            }

            gotClose.SetResult();
            await mayAnswer.Task;
            await peer.WriteAsync(RawPeer.CloseFrame(4000, "answer"));
        });
        var socket = new WebSocket(server.Url);
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        for (int i = 0; i < Count; i++)
        {
            socket.Send($"{i}");
        }

        socket.Close(1000, "done");
        Assert.Equal(ReadyState.Closing, socket.ReadyState);
        socket.Close();
        await gotClose.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(["open Open"], log.Entries);
        Assert.Equal(ReadyState.Closing, socket.ReadyState);
        mayAnswer.SetResult();
        await log.Closed;

        Assert.Equal(Enumerable.Range(0, Count).Select(static i => $"{i}"), received);
        Assert.Equal(["open Open", "close Closed 4000 'answer' clean"], log.Entries);
    }

    [Fact]
    public async Task A_second_close_and_one_inside_its_event_do_nothing()
    {
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket(server.Url);
        socket.OnClose = _ => socket.Close();
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        socket.Close(3001, "first");
        socket.Close(3002, "second");
        await log.Closed;

        Assert.Equal(["open Open", "close Closed 3001 'first' clean"], log.Entries);
    }

    [Fact]
    public async Task The_peers_close_is_seen_as_closing_and_then_as_closed()
    {
        using var context = new ManualContext();
        await using RawServer server = RawServer.StartAccepting(static async peer =>
        {
            await peer.SendTextAsync("last words");
            await peer.WriteAsync(RawPeer.CloseFrame(1001, "leaving"));
        });
        WebSocket socket = context.Make(() => new WebSocket(server.Url));
        var log = new EventLog(socket);
        server.Go();
        var states = new List<ReadyState>();
        while (socket.ReadyState != ReadyState.Closed)
        {
            context.Turn();
            if (states.Count == 0 || states[^1] != socket.ReadyState)
            {
                states.Add(socket.ReadyState);
            }
        }

        Assert.Equal([ReadyState.Open, ReadyState.Closing, ReadyState.Closed], states);
        Assert.Equal(["open Open", "message last words", "close Closed 1001 'leaving' clean"], log.Entries);
    }

    [Fact]
    public async Task A_close_without_a_code_by_the_peer_is_1005()
    {
        await using RawServer server = RawServer.StartAccepting(static peer => peer.SendAsync(8, []));
        var log = new EventLog(new WebSocket(server.Url));
        server.Go();
        await log.Closed;

        Assert.Equal(["open Open", "close Closed 1005 '' clean"], log.Entries);
    }

    [Fact]
    public async Task A_peer_that_never_answers_the_close_is_left_after_the_timeout()
    {
        await using RawServer server = RawServer.StartAccepting(static _ => Task.CompletedTask);
        var socket = new WebSocket(server.Url, new WebSocketOptions { Connection = new ConnectOptions { CloseTimeout = TimeSpan.FromMilliseconds(50) } });
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        socket.Close();
        await log.Closed;

        Assert.Equal(["open Open", "close Closed 1006 '' unclean"], log.Entries);
    }

    [Theory]
    [InlineData("end")]
    [InlineData("reset")]
    [InlineData("violation")]
    public async Task A_connection_that_fails_before_the_close_is_answered_fires_error_and_close(string how)
    {
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.AcceptAsync();
            await peer.ReadFrameAsync();
            switch (how)
            {
                case "reset":
                    peer.Reset();
                    break;
                case "violation":
                    await peer.SendAsync(3, []);
                    await peer.FinishAsync();
                    break;
            }
        });
        Exception? reason = null;
        var socket = new WebSocket(server.Url, new WebSocketOptions { ConnectionFailed = e => reason = e });
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        socket.Close(3000, "mine");
        await log.Closed;

        Assert.Equal(["open Open", "error Closed", "close Closed 1006 '' unclean"], log.Entries);
        Assert.Equal(how == "violation", reason is ProtocolViolationException);
        Assert.IsType<ConnectionClosedException>(reason, exactMatch: false);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_lost_connection_fires_error_and_close(bool reset)
    {
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.AcceptAsync();
            await peer.SendTextAsync("one");
            await peer.ReadMessageAsync();
            if (reset)
            {
                peer.Reset();
            }
        });
        Exception? reason = null;
        var socket = new WebSocket(server.Url, new WebSocketOptions { ConnectionFailed = e => reason = e });
        socket.OnMessage = _ => socket.Send("got it");
        var log = new EventLog(socket);
        server.Go();
        await log.Closed;

        Assert.Equal(["open Open", "message one", "error Closed", "close Closed 1006 '' unclean"], log.Entries);
        Assert.Equal(CloseCause.ConnectionLost, Assert.IsType<ConnectionClosedException>(reason).CloseInfo.Cause);
    }

    [Fact]
    public async Task What_came_before_a_violation_is_delivered_and_then_error_and_close()
    {
        byte[] invalid = [0xFF];
        await using RawServer server = RawServer.StartAccepting(async peer =>
        {
            await peer.WriteAsync([.. RawPeer.Frame(1, "one"u8.ToArray()), .. RawPeer.Frame(2, [2]), .. RawPeer.Frame(1, invalid), .. RawPeer.Frame(1, "late"u8.ToArray())]);
        });
        Exception? reason = null;
        var socket = new WebSocket(server.Url, new WebSocketOptions { ConnectionFailed = e => reason = e });
        var log = new EventLog(socket);
        server.Go();
        await log.Closed;

        Assert.Equal(["open Open", "message one", "message Blob", "error Closed", "close Closed 1006 '' unclean"], log.Entries);
        Assert.Equal(ProtocolViolation.InvalidUtf8, Assert.IsType<ProtocolViolationException>(reason).Violation);
    }

    private static async Task<(RawFrame Frame, EventLog Log)> CloseAsync(Action<WebSocket> close)
    {
        var received = new TaskCompletionSource<RawFrame>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RawServer server = RawServer.StartAccepting(async peer => received.SetResult(await peer.ReadMessageAsync()));
        var socket = new WebSocket(server.Url);
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        close(socket);
        await log.Closed;
        return (await received.Task, log);
    }
}
