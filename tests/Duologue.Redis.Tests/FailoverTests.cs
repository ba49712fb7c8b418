using System.Globalization;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>A Redis that comes back, or is taken over from, with less than it had confirmed: each subscriber has each number in order, or a reset before one is passed over or comes again.</summary>
public class FailoverTests(ITestOutputHelper output)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_was_behind_a_replica_that_took_over_was_not_told_of_what_that_lacks(bool lacks)
    {
        await using var primary = new RedisStore("--appendonly", "no", "--repl-diskless-sync-delay", "0");
        await using var replication = new Relay(primary.Port);
        await using var replica = new RedisStore("--appendonly", "no", "--replicaof", "127.0.0.1", replication.Port.ToString(CultureInfo.InvariantCulture));
        await using ConnectionMultiplexer first = await ConnectionMultiplexer.ConnectAsync(primary.PatientAddress + ",allowAdmin=true");
        await using ConnectionMultiplexer second = await ConnectionMultiplexer.ConnectAsync(replica.PatientAddress + ",allowAdmin=true");
        await using var line = new Relay(primary.Port);
        await using var other = new Relay(primary.Port);
        await using Node a = await Node.StartAsync(StoreServer.Patiently(line.Address), duologue: NumberedCrowd.KeepAll);
        await using Node b = await Node.StartAsync(StoreServer.Patiently(other.Address), duologue: NumberedCrowd.KeepAll);

        // Its client library looks for the primary itself.
        await using Node c = await Node.StartAsync(StoreServer.Patiently($"{primary.Address},{replica.Address}"), duologue: NumberedCrowd.KeepAll);
        using var crowd = new NumberedCrowd("t");
        crowd.Publish(a, a, b, b, c);
        await crowd.SubscribeAsync(a, b, c);
        await Eventually.True(() => EndAt(second) > 50);
        if (lacks)
        {
            replication.Swallow();
            await crowd.ConfirmAsync(200);
        }
        else
        {
            await first.GetServers()[0].ExecuteAsync("CLIENT", "PAUSE", "100000", "WRITE");
            await Eventually.True(() => EndAt(first) == EndAt(second));
        }

        await second.GetServers()[0].ExecuteAsync("REPLICAOF", "NO", "ONE");
        line.LeadTo(replica.Port);
        other.LeadTo(replica.Port);
        await primary.KillAsync();
        await crowd.ConfirmAsync(200);

        List<string> log = await crowd.FinishAsync(a);
        output.WriteLine(crowd.Summary);
        Assert.Empty(crowd.Complaints(log));
        Assert.Equal(lacks, crowd.Resets > 0);
    }

    [Theory]
    [InlineData("older copy")]
    [InlineData("truncated")]
    [InlineData("rewritten")]
    public async Task A_redis_that_came_back_with_less_did_not_tell_who_was_behind(string fault)
    {
        await using var store = new RedisStore("--appendonly", "yes", "--appendfsync", "no");
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await using Node a = await Node.StartAsync(store, duologue: NumberedCrowd.KeepAll);
        await using Node b = await Node.StartAsync(store, duologue: NumberedCrowd.KeepAll);
        using var crowd = new NumberedCrowd("t");
        crowd.Publish(a, a, a, b, b);
        await crowd.SubscribeAsync(a, b);
        store.Copy();
        await crowd.ConfirmAsync(200);
        if (fault == "rewritten")
        {
            await admin.GetServers()[0].ExecuteAsync("BGREWRITEAOF");
            await crowd.ConfirmAsync(1);
        }

        await store.KillAsync();
        if (fault == "older copy")
        {
            store.RestoreCopy();
        }
        else if (fault == "truncated")
        {
            store.Truncate(20_001);
        }

        await store.RestartAsync();
        await crowd.ConfirmAsync(200);
        List<string> log = await crowd.FinishAsync(a);
        output.WriteLine(crowd.Summary);
        Assert.Empty(crowd.Complaints(log));
        Assert.Equal(fault != "rewritten", crowd.Resets > 0);
    }

    [Fact]
    public async Task A_node_stayed_with_a_server_that_had_become_a_replica()
    {
        await using var primary = new RedisStore("--appendonly", "no", "--repl-diskless-sync-delay", "0");
        await using var replica = new RedisStore("--appendonly", "no", "--replicaof", "127.0.0.1", primary.Port.ToString(CultureInfo.InvariantCulture));
        await using ConnectionMultiplexer first = await ConnectionMultiplexer.ConnectAsync(primary.PatientAddress + ",allowAdmin=true");
        await using ConnectionMultiplexer second = await ConnectionMultiplexer.ConnectAsync(replica.PatientAddress + ",allowAdmin=true");
        await using var line = new Relay(primary.Port);

        // After five of them a link to a replica is left, and after ten without a beat one to whomever: a busy machine is not to come to that.
        await using Node node = await Node.StartAsync(StoreServer.Patiently(line.Address), options => options.HeartbeatInterval = TimeSpan.FromSeconds(0.5));
        using TopicSubscription reader = await node.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        await node.Topics.PublishAsync("t", "before", Token);
        Assert.Equal(["before"], await reader.TextsAsync(1));
        await Eventually.True(() => EndAt(second) == 1);

        // The connection stands, and so it does with a balancer that leads only new ones elsewhere.
        line.LeadTo(replica.Port);
        await second.GetServers()[0].ExecuteAsync("REPLICAOF", "NO", "ONE");
        await first.GetServers()[0].ExecuteAsync("REPLICAOF", "127.0.0.1", replica.Port);
        await node.Topics.PublishAsync("t", "after", Token).AsTask().WaitAsync(Node.Patience, Token);
        Assert.Equal(["after"], await reader.TextsAsync(1));
        Assert.True(node.HasLogged("RedisReplicaLeft"));
    }

    // It has no replica of its own yet, and takes no write without one; or the user has his rights there later.
    [Theory]
    [InlineData("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0")]
    [InlineData("ACL SETUSER node -evalsha", "ACL SETUSER node +evalsha")]
    [InlineData("ACL SETUSER node -hset", "ACL SETUSER node +hset")]
    public async Task A_server_that_refused_at_first_was_never_told_what_it_lacked(string refuses, string takes)
    {
        await using var primary = new RedisStore("--appendonly", "no", "--repl-diskless-sync-delay", "0");
        await using var replica = new RedisStore("--appendonly", "no", "--replicaof", "127.0.0.1", primary.Port.ToString(CultureInfo.InvariantCulture));
        await using ConnectionMultiplexer second = await ConnectionMultiplexer.ConnectAsync(replica.PatientAddress + ",allowAdmin=true");
        await using ConnectionMultiplexer first = await ConnectionMultiplexer.ConnectAsync(primary.PatientAddress + ",allowAdmin=true");
        await using var line = new Relay(primary.Port);
        foreach (ConnectionMultiplexer server in (ConnectionMultiplexer[])[first, second])
        {
            await server.GetServers()[0].ExecuteAsync("ACL", "SETUSER", "node", "on", ">secret", "~*", "&*", "+@all");
        }

        await using Node publisher = await Node.StartAsync(StoreServer.Patiently(line.Address) + ",user=node,password=secret");
        await using Node other = await Node.StartAsync(replica.PatientAddress);
        TopicPosition kept = await publisher.Topics.PublishAsync("t", "kept", Token);
        await Eventually.True(() => EndAt(second) == 1);
        await second.GetServers()[0].ExecuteAsync("REPLICAOF", "NO", "ONE");
        await publisher.Topics.PublishAsync("t", "lost", Token);

        await ExecuteAsync(refuses);
        line.LeadTo(replica.Port);
        await primary.KillAsync();

        // Nobody reads: it is the publisher's node that says how far the topic had come, and is refused.
        await Eventually.True(() => ((string)second.GetDatabase().Execute("INFO", "commandstats")!).Split('\n').Any(line => line.StartsWith("cmdstat_evalsha:", StringComparison.Ordinal) && !line.Contains("rejected_calls=0,failed_calls=0", StringComparison.Ordinal)));
        await ExecuteAsync(takes);

        // Only who published it knows of it, and publishes nothing there any more.
        await other.Topics.PublishAsync("t", "after", Token);
        await Eventually.True(() => (string?)second.GetDatabase().HashGet("duologue:v3:{t:t}h", "chain") is "");
        Assert.True((await other.Topics.ReadAsync("t", TopicStart.After(kept), 10, Token)).IsReset);

        Task<RedisResult> ExecuteAsync(string command) => second.GetServers()[0].ExecuteAsync(command.Split(' ')[0], [.. command.Split(' ')[1..]]);
    }

    private static long EndAt(ConnectionMultiplexer server) =>
        long.Parse(((string?)server.GetDatabase().HashGet("duologue:v3:{t:t}h", "at", CommandFlags.PreferReplica) ?? "0").Split(' ')[0], CultureInfo.InvariantCulture);
}
