using System.Globalization;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>The client library's own keep-alive: a server that may not write refuses it, and what was sent behind it is then failed in the server's words, which are no answer to it.</summary>
public class KeepAliveTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_publish_that_landed_behind_a_refused_ping_was_refused_as_if_it_were_in_no_log()
    {
        await using var store = new RedisStore("--appendonly", "no");
        await using var line = new Relay(store.Port);
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await using ConnectionMultiplexer made = await ConnectionMultiplexer.ConnectAsync(StoreServer.Patiently(line.Address) + ",keepAlive=1");
        await using Node node = await Node.StartAsync(store.PatientAddress, options =>
        {
            options.Configuration = null;
            options.ConnectionFactory = _ => Task.FromResult<IConnectionMultiplexer>(made);

            // Between the beats the line is quiet, so that the client library looks after it.
            options.HeartbeatInterval = TimeSpan.FromSeconds(60);
        });
        await store.FailToSaveAsync(admin);
        line.Delay = TimeSpan.FromSeconds(0.5);
        await Eventually.True(() => Refused() >= 2);

        // The pings have been refused, and are not answered yet. What is sent now the server takes.
        await admin.GetServers()[0].ConfigSetAsync("stop-writes-on-bgsave-error", "no");
        Task<TopicPosition> publish = node.Topics.PublishAsync("t", "x", Token).AsTask();
        await Eventually.True(() => admin.GetDatabase().ListLength("duologue:v3:{t:t}l") == 1);
        line.Delay = TimeSpan.Zero;
        Assert.Equal(1, (await publish.WaitAsync(Node.Patience, Token)).Offset);
        Assert.Equal(["x"], (await node.Topics.ReadAsync("t", TopicStart.Oldest, 10, Token)).Messages.Select(message => message.Text));

        int Refused() => ((string)admin.GetDatabase().Execute("INFO", "commandstats")!).Split('\n')
            .Where(static each => each.StartsWith("cmdstat_ping:", StringComparison.Ordinal))
            .Sum(static each => int.Parse(each[(each.IndexOf("rejected_calls=", StringComparison.Ordinal) + 15)..].Split(',')[0], CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_link_was_cut_each_time_the_client_library_looked_after_it()
    {
        await using var store = new RedisStore("--appendonly", "no");
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await using Node node = await Node.StartAsync(store.PatientAddress + ",keepAlive=1");
        await store.FailToSaveAsync(admin);
        int beats = 0;
        await admin.GetSubscriber().SubscribeAsync(new TopicScripts("duologue:").Channel, (_, _) => Interlocked.Increment(ref beats));
        await Eventually.True(() => Volatile.Read(ref beats) >= 5 || node.HasLogged("RedisInterrupted"));
        Assert.False(node.HasLogged("RedisInterrupted"));
    }
}
