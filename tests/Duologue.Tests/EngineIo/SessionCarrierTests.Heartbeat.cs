using Duologue.Protocol;
using Duologue.Tests.Peer;

namespace Duologue.Tests.EngineIo;

/// <summary>Pings, and the silence that ends a session.</summary>
public partial class SessionCarrierTests
{
    [Fact]
    public async Task The_server_pings_one_at_a_time_and_counts_the_silence_from_when_the_ping_was_due()
    {
        var session = new TestSession(Role.Server);
        session.First.TakesAtOnce = true;
        session.Time.Advance(Interval);
        session.Carrier.CheckClock();

        // By this thread, or by one that the wheel had look at the clock at the same time.
        await Waiting.Until(() => session.First.Taken.Count > 0);
        Assert.Equal(["ping"], session.First.Taken);

        Task<TimeSpan> asked = session.Connection.PingAsync(TestContext.Current.CancellationToken).AsTask();
        Assert.Equal(["ping"], session.First.Taken);
        session.Carrier.OnPong();
        await session.Carrier.DispatchAsync().Soon();
        Assert.Equal(["ping", "ping"], session.First.Taken);
        session.Time.Advance(TimeSpan.FromMilliseconds(30));
        session.Carrier.OnPong();
        await session.Carrier.DispatchAsync().Soon();
        Assert.True(await asked.Soon() > TimeSpan.Zero);

        session.Time.Advance(Interval + TimeSpan.FromSeconds(1));
        session.Carrier.CheckClock();
        session.Time.Advance(Timeout - TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1));
        session.Carrier.CheckClock();
        Assert.False(session.Connection.Closed.IsCompleted);
        session.Time.Advance(TimeSpan.FromTicks(1));
        session.Carrier.CheckClock();

        Assert.Equal(CloseCause.KeepAliveTimeout, (await session.Connection.Closed.Soon()).Cause);
    }

    [Fact]
    public async Task The_client_answers_pings_and_ends_when_none_comes()
    {
        var session = new TestSession(Role.Client);
        session.Time.Advance(Interval + Timeout - TimeSpan.FromSeconds(1));
        session.Carrier.OnPing();
        Assert.True(session.First.Take(1));
        Assert.Equal(["pong"], session.First.Taken);
        session.Time.Advance(Interval + Timeout - TimeSpan.FromTicks(1));
        session.Carrier.CheckClock();
        Assert.False(session.Connection.Closed.IsCompleted);

        session.Time.Advance(TimeSpan.FromTicks(1));
        session.Carrier.CheckClock();

        Assert.Equal(CloseCause.KeepAliveTimeout, (await session.Connection.Closed.Soon()).Cause);
    }

    [Theory]
    [InlineData((int)Role.Server)]
    [InlineData((int)Role.Client)]
    public async Task A_heartbeat_that_stood_behind_what_a_slow_application_had_not_taken_was_taken_for_silence(int role)
    {
        var session = new TestSession((Role)role);
        session.First.TakesAtOnce = true;
        session.Time.Advance(Interval);
        session.Carrier.CheckClock();

        // More than is read ahead: the heartbeat stands behind it. The application goes on just before the clock is looked at.
        for (int i = 0; i < 30; i++)
        {
            session.Carrier.OnMessage(MessageType.Binary, new byte[10_000]);
        }

        Task dispatched = session.Carrier.DispatchAsync().AsTask();
        Assert.False(dispatched.IsCompleted);
        session.Time.Advance(Timeout - TimeSpan.FromTicks(1));
        for (int i = 0; i < 30; i++)
        {
            await session.Connection.ReceiveAsync(TestContext.Current.CancellationToken).Soon();
        }

        await dispatched.Soon();
        session.Time.Advance(TimeSpan.FromTicks(1));
        session.Carrier.CheckClock();
        Assert.False(session.Connection.Closed.IsCompleted);

        // One that stays silent with nothing before it has its time, and no more.
        session.Time.Advance(Timeout - TimeSpan.FromTicks(1));
        session.Carrier.CheckClock();
        Assert.False(session.Connection.Closed.IsCompleted);
        session.Time.Advance(TimeSpan.FromTicks(1));
        session.Carrier.CheckClock();
        Assert.Equal(CloseCause.KeepAliveTimeout, (await session.Connection.Closed.Soon()).Cause);
    }

    [Fact]
    public async Task A_ping_of_the_applications_was_given_more_time_for_what_had_stood_before_it_was_sent()
    {
        var session = new TestSession(Role.Server);
        session.First.TakesAtOnce = true;
        for (int i = 0; i < 30; i++)
        {
            session.Carrier.OnMessage(MessageType.Binary, new byte[10_000]);
        }

        Task dispatched = session.Carrier.DispatchAsync().AsTask();
        Assert.False(dispatched.IsCompleted);
        for (int i = 0; i < 30; i++)
        {
            await session.Connection.ReceiveAsync(TestContext.Current.CancellationToken).Soon();
        }

        await dispatched.Soon();
        Task<TimeSpan> ping = session.Connection.PingAsync(TestContext.Current.CancellationToken).AsTask();
        session.Time.Advance(Timeout);
        session.Carrier.CheckClock();

        Assert.Equal(CloseCause.KeepAliveTimeout, (await session.Connection.Closed.Soon()).Cause);
        await Assert.ThrowsAsync<ConnectionClosedException>(() => ping.Soon());
    }

    [Theory]
    [InlineData((int)Role.Server)]
    [InlineData((int)Role.Client)]
    public async Task A_heartbeat_that_no_clock_can_count_was_due_at_once(int role)
    {
        var session = new TestSession((Role)role, options => options, null, TimeSpan.FromDays(10_000_000));
        session.First.TakesAtOnce = true;

        session.Time.Advance(Interval);
        session.Carrier.CheckClock();

        Assert.Empty(session.First.Taken);
        Assert.False(session.Connection.Closed.IsCompleted);
        session.Connection.Abort();
        await session.Connection.Closed.Soon();
    }
}
