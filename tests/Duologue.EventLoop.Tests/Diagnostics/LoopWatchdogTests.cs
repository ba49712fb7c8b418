using System.Diagnostics;
using System.Diagnostics.Metrics;
using Duologue.AspNetCore;
using Duologue.EventLoop.Diagnostics;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Tests.Support;
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

    private sealed class Turning() : ImaginaryLoop(NullLogger.Instance)
    {
        public void Begin() => BeginTurn();
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
