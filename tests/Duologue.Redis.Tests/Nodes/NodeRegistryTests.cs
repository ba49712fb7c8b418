using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>Who the nodes are: by leases that end by themselves, and by what a node says when it goes.</summary>
public class NodeRegistryTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Nodes_find_each_other_by_name_and_one_that_stops_is_gone_at_once(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);

        // A lease of five minutes: what goes here goes because it was said.
        await using Node a = await Node.StartAsync(store, options => (options.NodeName, options.HeartbeatInterval) = ("a", TimeSpan.FromSeconds(60)));
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        NodeRegistry b = RegistryOf(link, "b", TimeSpan.FromSeconds(60), new Uri("http://10.0.0.2:8080"));
        await b.RenewAsync(Token);
        await Eventually.True(() => a.Broker.Registry.IsRegistered);

        NodeEntry? found = null;
        while (found is null)
        {
            found = await a.Broker.Registry.FindAsync("b", Token);
        }

        Assert.Equal((new Uri("http://10.0.0.2:8080"), b.Own.Secret, false), (found.Address, found.Secret, found.IsLeaving));
        Assert.Equal(["a", "b"], a.Broker.Nodes.Order());

        await b.BeginLeavingAsync(Token);
        await a.Broker.Registry.RenewAsync(Token);
        Assert.Equal(["a"], a.Broker.Nodes);
        Assert.True((await a.Broker.Registry.FindAsync("b", Token))!.IsLeaving);

        await b.LeaveAsync(Token);
        await a.Broker.Registry.RenewAsync(Token);
        Assert.Null(await a.Broker.Registry.FindAsync("b", Token));
    }

    [Fact]
    public async Task A_node_that_drains_is_no_more_among_the_nodes_but_its_sessions_are_found_until_it_has_ended()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        NodeRegistry other = RegistryOf(link, "other", TimeSpan.FromSeconds(60), null);
        await using (Node node = await Node.StartAsync(store, options => (options.NodeName, options.HeartbeatInterval) = ("node", TimeSpan.FromSeconds(60))))
        {
            await Eventually.True(() => node.Broker.Registry.IsRegistered);
            await node.StopAsync();
            await other.RenewAsync(Token);
            Assert.Equal(["other"], other.Names);
            Assert.True((await other.FindAsync("node", Token))!.IsLeaving);
        }

        await other.RenewAsync(Token);
        Assert.Null(await other.FindAsync("node", Token));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_node_that_was_killed_is_gone_when_its_lease_is_over_and_one_that_comes_back_is_there_again(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var line = new Relay(store.Port);
        await using Node a = await Node.StartAsync(store, options => options.NodeName = "a");
        await using Node b = await Node.StartAsync(line.Address, options => options.NodeName = "b");
        await Eventually.True(() => a.Broker.Nodes.Count == 2 && b.Broker.Nodes.Count == 2);

        line.Break();
        await Eventually.True(() => a.Broker.Nodes.Count == 1);
        Assert.Equal(["a"], a.Broker.Nodes);
        await Eventually.True(() => b.Broker.Nodes.Count == 1);

        line.Mend();
        await Eventually.True(() => a.Broker.Nodes.Count == 2 && b.Broker.Nodes.Count == 2);
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Two_live_nodes_of_one_name_are_told_so_and_the_second_takes_over_when_the_first_has_gone(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        NodeRegistry first = RegistryOf(link, "same", TimeSpan.FromSeconds(60), null);
        await first.RenewAsync(Token);
        await using Node second = await Node.StartAsync(store, options => (options.NodeName, options.HeartbeatInterval) = ("same", TimeSpan.FromSeconds(0.1)));
        await Eventually.True(() => second.Broker.IsNameTaken);
        Assert.False(second.Broker.Registry.IsRegistered);
        HealthReport health = await second.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token);
        Assert.Contains("NodeName", health.Entries["duologue-redis"].Description, StringComparison.Ordinal);

        await first.LeaveAsync(Token);
        await Eventually.True(() => second.Broker.Registry.IsRegistered && !second.Broker.IsNameTaken);
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task When_nobody_could_renew_for_longer_than_a_lease_nobody_is_gone(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        // A lease of two seconds: a busy machine is not to let it run out before its time.
        NodeRegistry a = RegistryOf(link, "a", TimeSpan.FromSeconds(0.4), null);
        NodeRegistry b = RegistryOf(link, "b", TimeSpan.FromSeconds(0.4), null);
        var went = new List<string>();
        a.Changed += (_, gone) => went.AddRange(gone.Select(entry => entry.Name));
        await b.RenewAsync(Token);
        await a.RenewAsync(Token);
        Assert.NotNull(await a.FindAsync("b", Token));
        await b.RenewAsync(Token);

        // As a server does that stands still, or is restarted: the leases of both run out.
        await Task.Delay(a.Lease * 1.5, Token);
        await a.RenewAsync(Token);
        Assert.Empty(went);
        Assert.Equal(["a", "b"], a.Names.Order());
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task When_the_server_has_lost_its_registry_the_others_are_not_gone_yet(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        NodeRegistry a = RegistryOf(link, "a", TimeSpan.FromSeconds(60), null);
        NodeRegistry b = RegistryOf(link, "b", TimeSpan.FromSeconds(60), null);
        await b.RenewAsync(Token);
        await a.RenewAsync(Token);
        var went = new List<string>();
        a.Changed += (_, gone) => went.AddRange(gone.Select(entry => entry.Name));

        Assert.True(await link.GetDatabase().KeyDeleteAsync(new TopicScripts("duologue:").Prefix + "nodes"));
        await a.RenewAsync(Token);
        Assert.Equal(["a", "b"], a.Names.Order());

        // It comes back with its next heartbeat.
        await b.RenewAsync(Token);
        await a.RenewAsync(Token);
        Assert.Equal(["a", "b"], a.Names.Order());
        Assert.Empty(went);
    }

    [Fact]
    public async Task Requests_for_strangers_that_come_together_make_the_registry_be_read_once_and_not_each()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        using var mayGoOn = new ManualResetEventSlim();
        int reads = 0;
        var registry = new NodeRegistry(new RedisBrokerOptions { NodeName = "a", HeartbeatInterval = TimeSpan.FromSeconds(60) }, "start", "test:", TimeProvider.System, NullLogger.Instance, () =>
        {
            Interlocked.Increment(ref reads);
            Assert.True(mayGoOn.Wait(Node.Patience, CancellationToken.None));
            return link.GetDatabase();
        }, new CallLimit(TimeProvider.System));
        Task first = Task.Run(() => registry.RenewAsync(Token), Token);
        await Eventually.True(() => Volatile.Read(ref reads) == 1);
        Task<NodeEntry?>[] strangers = [.. Enumerable.Range(0, 100).Select(i => registry.FindAsync($"stranger{i}", Token).AsTask())];
        mayGoOn.Set();
        await first;
        Assert.All(await Task.WhenAll(strangers), Assert.Null);
        Assert.Equal(2, Volatile.Read(ref reads));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_node_that_joined_right_behind_a_look_at_the_registry_was_unknown(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        NodeRegistry a = RegistryOf(link, "a", TimeSpan.FromSeconds(60), null);
        NodeRegistry b = RegistryOf(link, "b", TimeSpan.FromSeconds(60), new Uri("http://127.0.0.1:1"));
        for (int i = 0; i < 3; i++)
        {
            await a.RenewAsync(Token);
            await b.RenewAsync(Token);
            Assert.NotNull(await a.FindAsync("b", Token));
            await b.LeaveAsync(Token);
            b = RegistryOf(link, "b", TimeSpan.FromSeconds(60), new Uri("http://127.0.0.1:1"));
        }
    }

    [Fact]
    public void A_record_that_is_none_of_this_version_is_passed_over()
    {
        var entry = new NodeEntry("n", "start", new Uri("https://10.0.0.1:8443/"), "secret", IsLeaving: true);
        Assert.Equal(entry, NodeEntry.TryRead("=n", $"123 {entry.Incarnation} {entry.ToRecord()}"));
        Assert.Null(NodeEntry.TryRead("=", "123 start up - secret"));
        Assert.Null(NodeEntry.TryRead("=n", "123 start up -"));
        Assert.Null(NodeEntry.TryRead("=n", "123 start otherwise - secret"));
        Assert.Null(NodeEntry.TryRead("=n", "123 start up file:///etc/passwd secret")!.Address);
    }

    [Fact]
    public async Task A_node_has_one_name_for_its_topics_and_its_sessions()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node named = await Node.StartAsync(store, duologue: options => options.NodeName = "node-1");
        Assert.Equal("node-1", named.Broker.NodeName);
        await using Node other = await Node.StartAsync(store, options => options.NodeName = "node-2");
        Assert.Equal("node-2", other.Services.GetRequiredService<DuologueServer>().Node);
        OptionsValidationException error = await Assert.ThrowsAsync<OptionsValidationException>(() => Node.StartAsync(store, options => options.NodeName = "node-3", options => options.NodeName = "node-4"));
        Assert.Contains("NodeName", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_that_is_closed_while_the_lease_is_renewed_does_not_fail_the_end_of_the_node()
    {
        using var stop = new CancellationTokenSource();
        var registry = new NodeRegistry(new RedisBrokerOptions(), "start", "test:", TimeProvider.System, NullLogger.Instance, () =>
        {
            stop.Cancel();
            throw new ObjectDisposedException("the link");
        }, new CallLimit(TimeProvider.System));
        await registry.RunAsync(stop.Token).WaitAsync(Node.Patience, TestContext.Current.CancellationToken);
    }

    private static NodeRegistry RegistryOf(ConnectionMultiplexer link, string name, TimeSpan heartbeat, Uri? address) => new(
        new RedisBrokerOptions { NodeName = name, HeartbeatInterval = heartbeat, NodeAddress = address },
        Guid.NewGuid().ToString("N"),
        new TopicScripts("duologue:").Prefix,
        TimeProvider.System,
        NullLogger.Instance,
        () => link.GetDatabase(),
        new CallLimit(TimeProvider.System));
}
