using System.Text;
using Duologue.EngineIo;
using Duologue.Protocol;
using Duologue.Tests.Peer;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.EngineIo;

/// <summary>The common core of a session, over a transport that is a list: no HTTP, no WebSocket.</summary>
public partial class SessionCarrierTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(25);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task What_is_sent_waits_for_the_transport_in_order()
    {
        var session = new TestSession(Role.Server);
        Assert.Equal(SendResult.Sent, session.Connection.Send("one"));
        Assert.Equal(SendResult.Queued, session.Connection.Send([2], MessageType.Binary));
        Task waiting = session.Connection.SendAsync("three", TestContext.Current.CancellationToken).AsTask();
        Assert.False(waiting.IsCompleted);

        await Waiting.Until(() => session.First.Take(10) && session.First.Taken.Count == 3);

        Assert.Equal(["one", "[2]", "three"], session.First.Taken);
        await waiting.Soon();
        Assert.Equal(0, session.Connection.BufferedAmount);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(7)]
    public async Task A_switch_of_the_transport_keeps_the_order_loses_nothing_and_doubles_nothing(int before)
    {
        var session = new TestSession(Role.Server);
        string[] texts = [.. Enumerable.Range(0, 10).Select(i => $"{i}")];
        foreach (string text in texts[..8])
        {
            session.Connection.Send(text);
        }

        session.First.Take(before);
        var second = new ListTransport(session) { TakesAtOnce = true };
        Assert.True(session.Carrier.Switch(second));
        foreach (string text in texts[8..])
        {
            session.Connection.Send(text);
        }

        await Waiting.Until(() => second.Taken.Count == 10 - before);
        Assert.True(session.First.Take(10));
        string[] taken = [.. session.First.Taken, .. second.Taken];
        Assert.Equal(texts, taken);
    }

    [Fact]
    public async Task What_became_due_while_the_old_transport_took_was_never_told_to_the_one_that_had_its_place_by_then()
    {
        using var both = new Barrier(2);
        for (int i = 0; i < 2000; i++)
        {
            var session = new TestSession(Role.Server);
            session.Connection.Send("one");
            session.Connection.Send("two");
            var second = new ListTransport(session) { TakesAtOnce = true };
            Task switching = Task.Run(
                () =>
                {
                    both.SignalAndWait(TestContext.Current.CancellationToken);
                    session.Carrier.Switch(second);
                },
                TestContext.Current.CancellationToken);

            both.SignalAndWait(TestContext.Current.CancellationToken);
            session.First.Take(1);

            await switching.Soon();
            await Waiting.Until(() => session.First.Taken.Count + second.Taken.Count == 2);
            Assert.Equal(["one", "two"], [.. session.First.Taken, .. second.Taken]);
        }
    }

    [Fact]
    public async Task A_message_in_pieces_is_one_packet()
    {
        var session = new TestSession(Role.Server, options => options with { SendQueueLimit = 1000 });
        session.First.TakesAtOnce = true;
        string text = new('x', 10_000);

        await session.Connection.SendAsync(text, TestContext.Current.CancellationToken).Soon();

        Assert.Equal([text], session.First.Taken);
    }

    [Fact]
    public async Task A_clients_frames_leave_unmasked()
    {
        var session = new TestSession(Role.Client);
        session.First.TakesAtOnce = true;

        await session.Connection.SendAsync("hello", TestContext.Current.CancellationToken).Soon();

        Assert.Equal(["hello"], session.First.Taken);
    }

    [Fact]
    public async Task A_close_from_here_is_the_last_packet_and_its_echo_ends_the_conversation()
    {
        var session = new TestSession(Role.Server);
        session.Connection.Send("last");
        Task<CloseInfo> closing = session.Connection.CloseAsync(4000, "enough").AsTask();

        Assert.True(session.First.Take(10));
        Assert.Equal(["last", "close 4000 enough"], session.First.Taken);
        session.Carrier.OnClose(4000, "enough");
        await session.Carrier.DispatchAsync().Soon();

        CloseInfo info = await closing.Soon();
        Assert.Equal((CloseCause.LocalClose, true, (ushort)4000), (info.Cause, info.WasClean, info.Code));
        Assert.True(session.First.Ended);
    }

    [Fact]
    public async Task What_was_not_taken_is_unsent_when_the_way_is_lost()
    {
        var session = new TestSession(Role.Server);
        session.Connection.Send("one");
        session.Connection.Send("two");

        session.Carrier.Lose();

        CloseInfo info = await session.Connection.Closed.Soon();
        Assert.Equal(CloseCause.ConnectionLost, info.Cause);
        Assert.True(info.UnsentBytes >= 6, $"{info.UnsentBytes}");
        await Assert.ThrowsAsync<ConnectionClosedException>(() => session.Connection.SendAsync("three", TestContext.Current.CancellationToken).AsTask());
    }

    [Theory]
    [InlineData((int)Role.Server)]
    [InlineData((int)Role.Client)]
    public async Task A_clean_close_of_a_peer_that_takes_nothing_any_more_is_clean_and_says_what_was_not_sent(int role)
    {
        var session = new TestSession((Role)role);
        session.Connection.Send("one");
        session.Connection.Send("two");
        session.Carrier.OnClose(1005, "");
        await session.Carrier.DispatchAsync().Soon();

        session.Carrier.LoseClosed();

        CloseInfo info = await session.Connection.Closed.Soon();
        Assert.Equal((CloseCause.PeerClosed, true, true), (info.Cause, info.ByPeer, info.WasClean));
        Assert.True(info.UnsentBytes >= 6, $"{info.UnsentBytes}");
    }

    [Fact]
    public async Task A_way_that_is_lost_without_a_close_is_not_clean_whoever_thinks_so()
    {
        var session = new TestSession(Role.Server);

        session.Carrier.LoseClosed();

        CloseInfo info = await session.Connection.Closed.Soon();
        Assert.Equal((CloseCause.ConnectionLost, false), (info.Cause, info.WasClean));
    }

    [Fact]
    public async Task A_transport_that_took_over_a_session_that_had_just_ended_was_never_told_and_stayed()
    {
        var session = new TestSession(Role.Client);
        var second = new ListTransport(session);
        session.Connection.Abort();
        await session.Connection.Closed.Soon();

        Assert.False(session.Carrier.Switch(second));

        Assert.True(second.Ended);
        Assert.True(session.First.Ended);
    }

    [Fact]
    public async Task A_violation_ends_the_conversation_at_once()
    {
        var session = new TestSession(Role.Server);

        session.Carrier.Violate(ProtocolViolation.InvalidPacket);

        CloseInfo info = await session.Connection.Closed.Soon();
        Assert.Equal((CloseCause.ProtocolViolation, ProtocolViolation.InvalidPacket), (info.Cause, info.Violation!.Value));
    }

    [Fact]
    public async Task What_the_protocol_cannot_carry_is_named()
    {
        var client = new TestSession(Role.Client);

        Assert.Throws<NotSupportedException>(() => client.Connection.OpenWrite(MessageType.Binary));
        await Assert.ThrowsAsync<NotSupportedException>(() => client.Connection.PingAsync(TestContext.Current.CancellationToken).AsTask());
    }

    [Fact]
    public async Task Many_threads_send_while_the_transport_changes_and_nothing_is_lost_or_out_of_order()
    {
        const int Threads = 4;
        const int Each = 500;
        var session = new TestSession(Role.Server, options => options with { SendQueueLimit = 16 * 1024 * 1024 });
        session.First.TakesAtOnce = true;
        var second = new ListTransport(session) { TakesAtOnce = true };
        Task[] senders = [.. Enumerable.Range(0, Threads).Select(thread => Task.Run(() =>
        {
            for (int i = 0; i < Each; i++)
            {
                Assert.NotEqual(SendResult.Dropped, session.Connection.Send($"{thread}:{i}"));
            }
        }))];
        await Waiting.Until(() => session.First.Taken.Count > 0);

        session.Carrier.Switch(second);
        await Task.WhenAll(senders).Soon();
        await Waiting.Until(() => session.First.Taken.Count + second.Taken.Count == Threads * Each);

        string[] all = [.. session.First.Taken, .. second.Taken];
        for (int thread = 0; thread < Threads; thread++)
        {
            Assert.Equal(Enumerable.Range(0, Each).Select(i => $"{thread}:{i}"), all.Where(text => text.StartsWith($"{thread}:", StringComparison.Ordinal)));
        }
    }

    private sealed class TestSession
    {
        public TestSession(Role role)
            : this(role, options => options)
        {
        }

        public TestSession(Role role, Func<ConnectionOptions, ConnectionOptions> vary)
            : this(role, vary, null)
        {
        }

        public TestSession(Role role, Func<ConnectionOptions, ConnectionOptions> vary, IMessageHandler? handler)
            : this(role, vary, handler, SessionCarrierTests.Interval)
        {
        }

        public TestSession(Role role, Func<ConnectionOptions, ConnectionOptions> vary, IMessageHandler? handler, TimeSpan interval)
        {
            Connection = new WebSocketConnection(new ConnectionSetup
            {
                Role = role,
                IsSession = true,
                Options = vary(new ConnectionOptions { KeepAliveInterval = System.Threading.Timeout.InfiniteTimeSpan, TimeProvider = Time }),
                Handler = handler,
            });
            First = new ListTransport(this);
            Carrier = new SessionCarrier(Connection, First, interval, Timeout);
            Carrier.Start();
        }

        public FakeTimeProvider Time { get; } = new();

        public WebSocketConnection Connection { get; }

        public ListTransport First { get; }

        public SessionCarrier Carrier { get; }
    }

    private sealed class ListTransport(TestSession session) : SessionTransport
    {
        private readonly Lock _lock = new();
        private readonly List<string> _taken = [];

        public bool TakesAtOnce { get; set; }

        public volatile bool Ended;

        public override Transport Kind => Transport.LongPolling;

        public IReadOnlyList<string> Taken
        {
            get
            {
                lock (_lock)
                {
                    return [.. _taken];
                }
            }
        }

        /// <summary>Takes at most so many packets; false if some are left.</summary>
        public bool Take(int most)
        {
            var sink = new ListSink(_taken, _lock, most);
            return !session.Carrier.Take(this, ref sink);
        }

        public override void OnPackets()
        {
            if (TakesAtOnce)
            {
                Take(int.MaxValue);
            }
        }

        public override void OnEnd(bool aborted) => Ended = true;
    }

    private struct ListSink(List<string> taken, Lock gate, int most) : IPacketSink
    {
        private int _count;

        public bool Message(MessageType type, ReadOnlySpan<byte> data) =>
            Add(type == MessageType.Text ? Encoding.UTF8.GetString(data) : $"[{string.Join(' ', data.ToArray())}]");

        public bool Ping() => Add("ping");

        public bool Pong() => Add("pong");

        public bool Close(ushort code, string reason) => Add($"close {code} {reason}");

        private bool Add(string packet)
        {
            if (_count == most)
            {
                return false;
            }

            _count++;
            lock (gate)
            {
                taken.Add(packet);
            }

            return true;
        }
    }
}
