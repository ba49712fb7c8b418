using System.Collections.Concurrent;
using System.Reflection;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>Who subscribes, on whichever node: counted, listed and told on all of them.</summary>
public class PresenceTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Who_subscribes_on_one_node_is_counted_listed_and_told_on_all(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node a = await Node.StartAsync(store);
        await using Node b = await Node.StartAsync(store);
        var events = new ConcurrentQueue<string>();
        a.Topics.Joined += (_, e) => events.Enqueue($"+{e.Subscriber.Id}");
        a.Topics.Left += (_, e) => events.Enqueue($"-{e.Subscriber.Id}");
        await using Connection watcher = await SubscribeAsync(a, presence: true);
        await Eventually.True(() => b.Topics.CountSubscribers("room") == 1);
        string here = Assert.Single(b.Topics.ListSubscribers("room")).Id;

        await using Connection visitor = await SubscribeAsync(b, presence: true);
        await Eventually.True(() => a.Topics.CountSubscribers("room") == 2 && b.Topics.CountSubscribers("room") == 2);
        string there = Assert.Single(a.Topics.ListSubscribers("room"), subscriber => subscriber.Id != here).Id;
        Assert.Contains(there, await ReadAsync(watcher, "\"joined\""), StringComparison.Ordinal);
        Assert.Contains(here, await ReadAsync(visitor, "\"present\""), StringComparison.Ordinal);

        await visitor.CloseAsync();
        Assert.Contains(there, await ReadAsync(watcher, "\"left\""), StringComparison.Ordinal);
        await Eventually.True(() => a.Topics.CountSubscribers("room") == 1 && b.Topics.CountSubscribers("room") == 1);
        await Eventually.True(() => events.Count == 3);
        Assert.Equal([$"+{here}", $"+{there}", $"-{there}"], events);
    }

    [Fact]
    public async Task Two_on_two_nodes_with_the_same_id_looked_like_one()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node a = await Node.StartAsync(store, options => options.NodeName = "a");
        await using Node b = await Node.StartAsync(store, options => options.NodeName = "b");
        await using Connection watcher = await SubscribeAsync(a, presence: true);

        // What it had missed was sent to it, and then it is there.
        await Eventually.True(() => a.Topics.CountSubscribers("room") == 1);
        string own = Assert.Single(a.Topics.ListSubscribers("room")).Id;

        // Each process counts its connections from one.
        b.Broker.Announce("room", new TopicSubscriber(own, null), joined: true);
        await Eventually.True(() => a.Topics.CountSubscribers("room") == 2);
        Assert.Equal([("a", own), ("b", own)], a.Topics.ListSubscribers("room").Select(subscriber => (subscriber.Node!, subscriber.Id)).Order());
        Assert.Contains($"\"a/{own}\"", await ReadAsync(watcher, "\"present\""), StringComparison.Ordinal);
        Assert.Contains($"\"b/{own}\"", await ReadAsync(watcher, "\"joined\""), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task The_subscribers_of_a_node_that_was_killed_leave_and_come_again_with_it(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var line = new Relay(store.Port);
        await using Node a = await Node.StartAsync(store);
        await using Node b = await Node.StartAsync(line.Address);
        await using Connection stays = await SubscribeAsync(b, presence: false);
        await Eventually.True(() => a.Topics.CountSubscribers("room") == 1);
        var left = new ConcurrentQueue<string>();
        a.Topics.Left += (_, e) => left.Enqueue(e.Subscriber.Id);

        line.Break();
        await Eventually.True(() => a.Topics.CountSubscribers("room") == 0 && left.Count == 1);
        b.Broker.Announce("room", new TopicSubscriber("came-meanwhile", null), joined: true);

        line.Mend();
        await Eventually.True(() => a.Topics.CountSubscribers("room") == 2);
        Assert.Contains(a.Topics.ListSubscribers("room"), subscriber => subscriber.Id == "came-meanwhile");
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_node_that_comes_late_learns_who_is_there_and_who_goes(string kind)
    {
        const int Count = 1_200;
        await using StoreServer store = StoreServer.Start(kind);
        await using Node a = await Node.StartAsync(store);
        for (int i = 0; i < Count; i++)
        {
            a.Broker.Announce("room", new TopicSubscriber($"id {i}", i % 2 == 0 ? null : $"user {i}"), joined: true);
        }

        // A connection with two subscriptions to one topic is there until both have ended.
        a.Broker.Announce("room", new TopicSubscriber("id 0", null), joined: true);
        a.Broker.Announce("room", new TopicSubscriber("id 0", null), joined: false);
        await using Node b = await Node.StartAsync(store);
        await Eventually.True(() => b.Topics.CountSubscribers("room") == Count);
        Assert.Contains(new TopicSubscriber("id 7", "user 7") { Node = a.Broker.NodeName }, b.Topics.ListSubscribers("room"));
        Assert.Contains(new TopicSubscriber("id 0", null) { Node = a.Broker.NodeName }, b.Topics.ListSubscribers("room"));

        for (int i = 1; i < Count; i++)
        {
            a.Broker.Announce("room", new TopicSubscriber($"id {i}", null), joined: false);
        }

        await Eventually.True(() => b.Topics.CountSubscribers("room") == 1);
        await a.DisposeAsync();
        await Eventually.True(() => b.Topics.CountSubscribers("room") == 0);
    }

    [Fact]
    public async Task Who_came_right_behind_the_eviction_of_his_nodes_subscribers_was_alone_for_nodes_that_came_later()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node a = await Node.StartAsync(store);
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        string incarnation = a.Broker.Registry.Own.Incarnation;
        a.Broker.Announce("room", new TopicSubscriber("one", null), joined: true);
        RedisKey members = default;
        await Eventually.True(() => Enumerable.Range(1, 9).Any(generation =>
            admin.GetDatabase().HashExists(members = PresenceWriter.KeyOf("duologue:v3:", incarnation, generation), PresenceMessage.FieldOf("room", "one"))));

        await admin.GetDatabase().KeyDeleteAsync(members);
        a.Broker.Announce("room", new TopicSubscriber("two", null), joined: true);
        await using Node b = await Node.StartAsync(store);
        await Eventually.True(() => b.Topics.CountSubscribers("room") == 2);
    }

    [Fact]
    public async Task A_redis_that_lost_everything_is_told_anew_who_is_there()
    {
        await using var store = new RedisStore();
        await using Node a = await Node.StartAsync(store);
        a.Broker.Announce("room", new TopicSubscriber("one", null), joined: true);
        await store.KillAsync();
        store.ForgetAll();
        await store.RestartAsync();

        await using Node b = await Node.StartAsync(store);
        await Eventually.True(() => b.Topics.CountSubscribers("room") == 1);
    }

    [Fact]
    public async Task Nodes_that_do_not_share_presence_tell_of_their_own_subscribers()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node a = await Node.StartAsync(store, options => options.SharePresence = false);
        await using Node b = await Node.StartAsync(store);
        await using Connection there = await SubscribeAsync(a, presence: false);
        await using Connection here = await SubscribeAsync(b, presence: false);
        await Eventually.True(() => new[] { a, b }.All(node => node.Topics.CountSubscribers("room") == 1));
        b.Broker.Announce("other", new TopicSubscriber("one", null), joined: true);
        await using Node c = await Node.StartAsync(store);
        await Eventually.True(() => c.Topics.CountSubscribers("other") == 1 && c.Topics.CountSubscribers("room") == 1);
        Assert.Equal([1, 1, 1], new[] { a, b, c }.Select(node => node.Topics.CountSubscribers("room")));
    }

    [Fact]
    public async Task A_node_that_stopped_while_it_told_who_is_there_threw_at_its_end()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        using var stop = new CancellationTokenSource();
        IDatabase database = DispatchProxy.Create<IDatabase, ClosesAtTheFirstCall>();
        ((ClosesAtTheFirstCall)(object)database).Stop = stop;
        var options = new RedisBrokerOptions { NodeName = "a" };
        var calls = new CallLimit(TimeProvider.System);
        var registry = new NodeRegistry(options, "start", "duologue:v1:", TimeProvider.System, NullLogger.Instance, () => link.GetDatabase(), calls);
        var writer = new PresenceWriter(options, registry, "duologue:v1:", TimeProvider.System, NullLogger.Instance, () => database, calls);
        await registry.RenewAsync(Token);
        Assert.True(registry.IsRegistered);

        await writer.RunAsync(stop.Token).WaitAsync(Node.Patience, Token);
        Assert.True(stop.IsCancellationRequested);
    }

    /// <summary>A link that the node closes while it is used: it stops.</summary>
    public class ClosesAtTheFirstCall : DispatchProxy
    {
        internal CancellationTokenSource Stop { get; set; } = null!;

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            Stop.Cancel();
            throw new ObjectDisposedException("the link");
        }
    }

    [Fact]
    public void What_is_told_comes_back_as_it_was_and_what_is_cut_off_is_no_message()
    {
        var message = new PresenceMessage("start", 3, 7, [new PresenceChange(true, "a topic/ü", new TopicSubscriber("1:2 3", "u v")), new PresenceChange(false, "b", new TopicSubscriber("4", null))]);
        byte[] encoded = message.Encode();
        PresenceMessage decoded = PresenceMessage.Decode(encoded);
        Assert.Equal((message.Incarnation, message.Generation, message.Number), (decoded.Incarnation, decoded.Generation, decoded.Number));
        Assert.Equal(message.Changes, decoded.Changes);
        for (int length = 0; length < encoded.Length; length++)
        {
            Assert.Throws<FormatException>(() => PresenceMessage.Decode(encoded[..length]));
        }

        foreach (PresenceChange change in message.Changes)
        {
            Assert.True(PresenceMessage.TryRead(PresenceMessage.FieldOf(change.Topic, change.Subscriber.Id), PresenceMessage.ValueOf(change.Subscriber), out string topic, out TopicSubscriber subscriber));
            Assert.Equal((change.Topic, change.Subscriber), (topic, subscriber));
        }

        Assert.False(PresenceMessage.TryRead("99:short", "-", out _, out _));
        Assert.False(PresenceMessage.TryRead(PresenceWriter.NumberField, "0", out _, out _));
    }

    private static async Task<Connection> ConnectAsync(Node node) =>
        await Connection.ConnectAsync(new Uri($"{node.Url.Replace("http", "ws", StringComparison.Ordinal)}/topics"), new ConnectOptions { Subprotocols = ["duologue.topics.v1"], ConnectTimeout = Node.Patience }, Token);

    private static async Task<Connection> SubscribeAsync(Node node, bool presence)
    {
        Connection connection = await ConnectAsync(node);
        await connection.SendAsync($$"""{"type":"subscribe","topic":"room","presence":{{(presence ? "true" : "false")}}}""", Token);
        await ReadAsync(connection, "\"subscribed\"");
        return connection;
    }

    private static async Task<string> ReadAsync(Connection connection, string type)
    {
        while (true)
        {
            string text = (await connection.ReceiveAsync(Token).AsTask().WaitAsync(Node.Patience, Token)).Text;
            if (text.Contains(type, StringComparison.Ordinal))
            {
                return text;
            }
        }
    }
}
