using Duologue.Backplane;
using Microsoft.AspNetCore.Builder;

namespace Duologue.Bench.Tests;

/// <summary>Two nodes in this process and a redis-server, once, small, under either engine.</summary>
public sealed class BackplaneSmokeTests
{
    [Theory]
    [InlineData("SignalR")]
    [InlineData("Duologue")]
    public async Task What_is_published_on_one_node_is_counted_on_both(string engine)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The load needs Linux.");
        Assert.SkipUnless(RedisProcess.Program is not null, "redis-server is not installed (Debian: redis-server).");
        using RedisProcess redis = new(appendOnly: false, core: null);
        NodeArguments arguments = new(Enum.Parse<Engine>(engine), redis.Address, Port: 0, EventLoop: false);
        await using WebApplication first = NodeApplication.Build(arguments);
        await using WebApplication second = NodeApplication.Build(arguments);
        await first.StartAsync(TestContext.Current.CancellationToken);
        await second.StartAsync(TestContext.Current.CancellationToken);
        int[] ports = [NodeApplication.PortOf(first), NodeApplication.PortOf(second)];
        LoadShape shape = new("smoke", Topics: 2, Receivers: 2, Rate: 50, Depth: 0);
        int own = Environment.ProcessId;
        Dictionary<string, double> figures = await Task.Run(
            () =>
            {
                Array.ForEach(ports, NodeProcess.WaitUntilReady);
                using BackplaneLoad load = new(shape, arguments.Engine, ports, [own, own], redis.Id);
                return load.Run(TimeSpan.FromSeconds(0.2), TimeSpan.FromSeconds(0.5));
            },
            TestContext.Current.CancellationToken);
        Assert.True(figures["mps"] > 0 && figures["cpu_ns"] > 0 && figures["p50_us"] > 0 && figures["p99_us"] >= figures["p50_us"], string.Join(' ', figures));
        Assert.Equal(0, figures["missing"]);
    }
}
