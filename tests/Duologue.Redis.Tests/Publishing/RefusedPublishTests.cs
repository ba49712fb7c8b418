using System.Diagnostics.Metrics;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.Redis.Tests;

/// <summary>Issue 6, §1: <c>Publish</c> answers at once with queued or refused; what a node measures of it, and of its link.</summary>
public class RefusedPublishTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_publish_that_nobody_waits_for_was_refused_and_its_publisher_not_told()
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store, options => options.MaxPendingPublishes = 3);
        using var refusals = new MetricCollector<long>(node.Services.GetRequiredService<IMeterFactory>(), "Duologue.Redis", "duologue.redis.publish.refusals");
        await store.KillAsync();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(default, node.Topics.Publish("t", $"{i}"));
        }

        BrokerUnavailableException refused = Assert.Throws<BrokerUnavailableException>(() => node.Topics.Publish("t", "one too many"));
        Assert.Contains("MaxPendingPublishes", refused.Message, StringComparison.Ordinal);
        Assert.False(refused.IsUnknown);
        Assert.Equal(1, refusals.GetMeasurementSnapshot().Sum(measurement => measurement.Value));

        await store.RestartAsync();
        await Eventually.True(() => node.Broker.PendingPublishes == 0 && node.Broker.IsConnected);
        Assert.Equal(["0", "1", "2"], (await node.Topics.ReadAsync("t", TopicStart.Oldest, 10, Token)).Messages.Select(message => message.Text));
    }

    [Fact]
    public async Task The_gauges_show_the_link_the_lag_and_the_nodes_and_an_interruption_is_counted()
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store);
        await using Node other = await Node.StartAsync(store);
        await Eventually.True(() => node.Broker.Nodes.Count == 2 && node.Broker.Lag > TimeSpan.Zero);
        IMeterFactory meters = node.Services.GetRequiredService<IMeterFactory>();
        using var interruptions = new MetricCollector<long>(meters, "Duologue.Redis", "duologue.redis.interruptions");
        Assert.Equal((1, 2), (Read<int>("duologue.redis.connected"), Read<int>("duologue.redis.nodes")));
        Assert.True(Read<double>("duologue.redis.lag") > 0);

        await store.KillAsync();
        await Eventually.True(() => interruptions.GetMeasurementSnapshot().Count > 0);
        Assert.Equal(0, Read<int>("duologue.redis.connected"));
        node.Topics.Publish("t", "waits");
        Assert.Equal(1, Read<int>("duologue.redis.publish.pending"));

        await store.RestartAsync();
        await Eventually.True(() => Read<int>("duologue.redis.connected") == 1 && Read<int>("duologue.redis.publish.pending") == 0);

        T Read<T>(string name)
            where T : struct
        {
            using var collector = new MetricCollector<T>(meters, "Duologue.Redis", name);
            collector.RecordObservableInstruments();
            return collector.LastMeasurement!.Value;
        }
    }
}
