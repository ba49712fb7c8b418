using System.Diagnostics.Metrics;
using Duologue.AspNetCore;
using Duologue.EventLoop.Diagnostics;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

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
