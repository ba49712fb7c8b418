using System.Buffers;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Duologue.AspNetCore;
using Duologue.EventLoop.Detached;
using Duologue.EventLoop.Diagnostics;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Tests.Support;
using Duologue.EventLoop.Transport;
using Duologue.Protocol;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.EventLoop.Tests.Diagnostics;

public class LoopWatchdogTests
{
    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_handler_that_blocks_is_counted_and_named(EventLoopBackend backend)
    {
        using var release = new ManualResetEventSlim();
        await using LoopHost host = await LoopHost.StartAsync(
            backend,
            app => app.MapDuologue<Blocking>("/blocking"),
            builder => builder.Services.AddSingleton(release));
        using var counted = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), LoopWatchdog.MeterName, LoopWatchdog.CounterName);
        await using Connection client = await Connection.ConnectAsync(host.WebSocketUrl("/blocking"), new ConnectOptions(), TestContext.Current.CancellationToken);
        client.Send("block");
        await Eventually.True(
            () => host.Log.GetSnapshot().Any(record => record.Id.Name == "LoopBlocked" && record.Message.Contains("/blocking", StringComparison.Ordinal)),
            () => "The log does not name the endpoint that blocks.");
        release.Set();
        Assert.Equal("done", (await client.ReceiveAsync(TestContext.Current.CancellationToken)).Text);
        // A loop that the machine held up elsewhere is counted as well.
        Assert.Single(counted.GetMeasurementSnapshot(), measurement => Equals(measurement.Tags["duologue.endpoint"], "/blocking"));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_log_sink_that_throws_ended_the_process(EventLoopBackend backend)
    {
        using var release = new ManualResetEventSlim();
        using var full = new FullDisk();
        await using LoopHost host = await LoopHost.StartAsync(
            backend,
            app => app.MapDuologue<Blocking>("/blocking"),
            builder =>
            {
                builder.Logging.AddProvider(full);
                builder.Services.AddSingleton(release);
            });
        using var counted = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), LoopWatchdog.MeterName, LoopWatchdog.CounterName);
        await using Connection client = await Connection.ConnectAsync(host.WebSocketUrl("/blocking"), new ConnectOptions(), TestContext.Current.CancellationToken);

        // The watchdog's thread is told of by a sink that throws, and so are a loop's failures.
        client.Send("block");
        await Eventually.True(() => counted.GetMeasurementSnapshot().Count > 0 && full.Refused > 0, () => "Nobody has told that a handler blocks.");
        release.Set();
        Assert.Equal("done", (await client.ReceiveAsync(TestContext.Current.CancellationToken)).Text);
        foreach (Loop loop in host.Loops.Loops)
        {
            var next = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            loop.Post(() => throw new InvalidOperationException("by the test"));
            loop.Post(next.SetResult);
            await next.Task.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);
        }

        client.Send("again");
        Assert.Equal("done", (await client.ReceiveAsync(TestContext.Current.CancellationToken)).Text);
    }

    [Fact]
    public void A_turn_of_little_more_than_the_limit_does_not_end_between_two_looks()
    {
        var log = new FakeLogger();
        var loop = new Turning();
        using var watchdog = new LoopWatchdog([loop], collects: false, log, null);
        Assert.Equal(LoopWatchdog.Limit, watchdog.Look());
        loop.Begin();
        TimeSpan lasted = Last(LoopWatchdog.Limit / 4);
        TimeSpan next = watchdog.Look();

        // Unless the machine held us up until it was too late already.
        Assert.True(log.Collector.Count == 1 || lasted + next <= LoopWatchdog.Limit + TimeSpan.FromMilliseconds(1), $"A turn of {lasted} is looked at again in {next}.");
        Last(LoopWatchdog.Limit + TimeSpan.FromMilliseconds(1));
        watchdog.Look();
        Assert.Equal(LoopWatchdog.Limit, watchdog.Look());
        // No handler is under way, and so none is blamed: "a handler at unknown" was.
        Assert.Equal("LoopHeldUp", Assert.Single(log.Collector.GetSnapshot()).Id.Name);

        TimeSpan Last(TimeSpan time)
        {
            TimeSpan passed;
            while ((passed = Stopwatch.GetElapsedTime(loop.TurnStarted)) < time)
            {
                Thread.Yield();
            }

            return passed;
        }
    }

    [Theory]
    [InlineData(true, "LoopBlocked")]
    [InlineData(false, "LoopHeldUp")]
    public void A_turn_that_was_held_up_where_no_handler_runs_on_the_loop_accused_one(bool runsOnLoop, string named)
    {
        var log = new FakeLogger();
        var loop = new Turning();
        using var watchdog = new LoopWatchdog([loop], collects: false, log, null);
        var request = new RequestInfo { Path = "/somewhere" };
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions(), OnThreadPool = !runsOnLoop }, request, new object());
        var detached = new LoopSocket(loop, -1, null!);
        detached.Handler = new EventLoopCarrier(detached, connection);
        loop.Begin(detached);
        watchdog.Look(loop.TurnStarted + Ticks(2 * LoopWatchdog.Limit));

        Assert.Equal(named, Assert.Single(log.Collector.GetSnapshot()).Id.Name);
    }

    [Fact]
    public void A_turn_that_was_held_up_at_Kestrels_pipes_accused_a_handler_there()
    {
        var log = new FakeLogger();
        var loop = new Turning();
        using var watchdog = new LoopWatchdog([loop], collects: false, log, null);
        var pipes = new PipeConnection(null, null, new PipeSettings(MemoryPool<byte>.Shared));
        loop.Begin(new LoopSocket(loop, -1, pipes));
        watchdog.Look(loop.TurnStarted + Ticks(2 * LoopWatchdog.Limit));

        Assert.Equal("LoopHeldUp", Assert.Single(log.Collector.GetSnapshot()).Id.Name);
    }

    [Fact]
    public void A_turn_that_ended_while_the_watchdog_looked_at_it_was_put_down_to_the_handler_of_the_next()
    {
        var log = new FakeLogger();
        var loop = new Turning();
        using var watchdog = new LoopWatchdog([loop], collects: false, log, null);
        var next = new Asked { OnAsked = () => loop.Begin() };
        loop.Begin(new LoopSocket(loop, -1, next));
        watchdog.Look(loop.TurnStarted + Ticks(2 * LoopWatchdog.Limit));

        Assert.Equal("LoopHeldUp", Assert.Single(log.Collector.GetSnapshot()).Id.Name);
    }

    [Fact]
    public void A_turn_was_as_long_as_the_watchdog_itself_had_been_held_up_in_its_look()
    {
        var log = new FakeLogger();
        var loop = new Turning();
        using var watchdog = new LoopWatchdog([loop], collects: false, log, null);
        long now = Stopwatch.GetTimestamp();
        loop.Begin(new LoopSocket(loop, -1, new Asked()));
        while (Stopwatch.GetElapsedTime(loop.TurnStarted) <= LoopWatchdog.Limit)
        {
            Thread.Yield();
        }

        Assert.Equal(LoopWatchdog.Limit, watchdog.Look(now));
        Assert.Equal(0, log.Collector.Count);
    }

    [Fact]
    public async Task An_action_behind_a_handler_was_put_down_to_the_handler()
    {
        var loop = new Turning { Next = new Asked() };
        var seen = new TaskCompletionSource<LoopSocket?>(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Post(() => seen.SetResult(loop.Current));
        loop.Start();

        Assert.Null(await seen.Task.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken));
        loop.Stop();
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    private sealed class Turning() : ImaginaryLoop(NullLogger.Instance)
    {
        /// <summary>Whose handler has run when a wait is over.</summary>
        public ISocketHandler? Next { get; init; }

        public void Begin() => BeginTurn();

        public void Begin(LoopSocket socket)
        {
            BeginTurn();
            Enter(socket);
        }

        protected override void Wait(int timeout) => Begin(new LoopSocket(this, -1, Next!));
    }

    private sealed class Asked : IdleHandler
    {
        public Action OnAsked { get; init; } = () => { };

        public override string? Endpoint
        {
            get
            {
                OnAsked();
                return "/asked";
            }
        }
    }

    private sealed class Blocking(ManualResetEventSlim release) : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            release.Wait(LoopHost.Patience);
            connection.Send("done");
            return ValueTask.CompletedTask;
        }
    }
}
