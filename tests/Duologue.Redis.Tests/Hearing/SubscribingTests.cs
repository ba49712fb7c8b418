using System.Collections.Concurrent;
using System.Net.WebSockets;
using System.Reflection;
using System.Text;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>A connection that subscribes without waiting has what is published from then on, or its application is told.</summary>
public class SubscribingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task What_was_published_before_the_broker_had_answered_a_subscription_was_lost(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using ConnectionMultiplexer inner = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        var mayRead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        IDatabase database = inner.GetDatabase();
        IConnectionMultiplexer link = Interceptor.Connection(inner, (_, _) => null, (method, arguments) =>
            method.Name == nameof(IDatabase.ScriptEvaluateAsync) && arguments[1] is RedisKey[] keys && keys[0].ToString().Contains("{t:held}", StringComparison.Ordinal) ? LaterAsync(method, arguments) : null);
        await using Node node = await Node.StartAsync(store, options => (options.Configuration, options.ConnectionFactory) = (null, _ => Task.FromResult(link)));
        await using Node other = await Node.StartAsync(store);
        using var socket = new ClientWebSocket();
        Connection connection = await node.ConnectAsync(socket);

        Assert.True(connection.Subscribe("held"));
        await other.Topics.PublishAsync("held", "first", Token);
        await other.Topics.PublishAsync("held", "second", Token);
        await node.Broker.HearAllAsync();
        mayRead.SetResult();
        Assert.Equal("first", await socket.ReceiveTextAsync());
        Assert.Equal("second", await socket.ReceiveTextAsync());
        await other.Topics.PublishAsync("held", "third", Token);
        Assert.Equal("third", await socket.ReceiveTextAsync());

        async Task<RedisResult> LaterAsync(MethodInfo method, object?[] arguments)
        {
            await mayRead.Task;
            return await (Task<RedisResult>)method.Invoke(database, arguments)!;
        }
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Who_subscribes_and_publishes_at_once_has_his_own_message(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node node = await Node.StartAsync(store);
        using var socket = new ClientWebSocket();
        Connection connection = await node.ConnectAsync(socket);
        for (int i = 0; i < 50; i++)
        {
            Assert.True(connection.Subscribe($"own/{i}"));
            await node.Topics.PublishAsync($"own/{i}", $"{i}", Token);
            Assert.Equal($"{i}", await socket.ReceiveTextAsync());
        }
    }

    [Fact]
    public async Task A_notification_that_was_lost_unnoticed_was_missed_until_the_next()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await using Node node = await Node.StartAsync(store, duologue: options => options.TopicIdleLifetime = TimeSpan.FromSeconds(20));
        using var socket = new ClientWebSocket();
        Connection connection = await node.ConnectAsync(socket);
        Assert.True(connection.Subscribe("t"));
        await node.Topics.PublishAsync("t", "first", Token);
        Assert.Equal("first", await socket.ReceiveTextAsync());

        await AppendSilentlyAsync(stranger, "t", "second");
        Assert.Equal("second", await socket.ReceiveTextAsync());
    }

    [Fact]
    public async Task Topics_behind_one_whose_keys_were_another_applications_were_not_kept_alive_nor_looked_after()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await using Node node = await Node.StartAsync(store, duologue: options => options.TopicIdleLifetime = TimeSpan.FromSeconds(20));
        using var socket = new ClientWebSocket();
        Connection connection = await node.ConnectAsync(socket);

        // So many that the good one stands behind one of them, in whatever order they are looked after.
        string[] bad = [.. Enumerable.Range(0, 30).Select(i => $"bad/{i}")];
        foreach (string topic in (string[])["good", .. bad])
        {
            Assert.True((await connection.SubscribeAsync(topic, TopicStart.Now, Token)).IsSubscribed);
        }

        await Task.WhenAll(bad.Select(topic => stranger.GetDatabase().StringSetAsync($"duologue:v{TopicScripts.LayoutVersion}:{{t:{topic}}}h", "another application's")));
        await node.Topics.PublishAsync("good", "first", Token);
        Assert.Equal("first", await socket.ReceiveTextAsync());
        await AppendSilentlyAsync(stranger, "good", "second");
        Assert.Equal("second", await socket.ReceiveTextAsync());
    }

    [Fact]
    public async Task Who_subscribes_while_redis_is_away_is_told_that_messages_may_be_lost()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using var line = new Relay(store.Port);
        await using Node cut = await Node.StartAsync(line.Address + ",asyncTimeout=120000,connectTimeout=60000");
        await using Node whole = await Node.StartAsync(store);
        using var socket = new ClientWebSocket();
        Connection connection = await cut.ConnectAsync(socket);
        var told = new TaskCompletionSource<TopicResetEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        cut.Topics.Reset += (_, reset) => told.TrySetResult(reset);

        line.Break();
        await Eventually.True(() => !cut.Broker.IsConnected);
        Assert.True(connection.Subscribe("t"));
        await whole.Topics.PublishAsync("t", "missed", Token);
        line.Mend();
        TopicResetEventArgs reset = await told.Task.WaitAsync(Node.Patience, Token);
        Assert.Equal(("t", null), (reset.Topic, reset.Lost));
        Assert.Equal(connection.Id, Assert.Single(reset.Subscribers).Id);
        await whole.Topics.PublishAsync("t", "after", Token);
        Assert.Equal("after", await socket.ReceiveTextAsync());
    }

    [Fact]
    public async Task Who_subscribes_by_a_pattern_is_told_when_more_was_let_go_of_than_is_remembered()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node node = await Node.StartAsync(store);
        using var socket = new ClientWebSocket();
        Connection connection = await node.ConnectAsync(socket);
        Assert.True(connection.Subscribe("a/*"));
        var told = new TaskCompletionSource<TopicResetEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        node.Topics.Reset += (_, reset) => told.TrySetResult(reset);
        var gap = new InboxGap();
        for (int i = 0; i <= Inbox.MaxGapTopics; i++)
        {
            gap.Add(new AppendedMessage($"b/{i}", new TopicMessage(new TopicPosition(1, 1), MessageType.Text, default)));
        }

        node.Broker.ReadInstead(gap);

        TopicResetEventArgs reset = await told.Task.WaitAsync(Node.Patience, Token);
        Assert.Equal(("a/*", null), (reset.Topic, reset.Lost));
        Assert.Equal(connection.Id, Assert.Single(reset.Subscribers).Id);
    }

    [Fact]
    public async Task Who_subscribed_by_a_pattern_missed_what_was_published_while_redis_was_away_and_was_not_told()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using var line = new Relay(store.Port);
        await using Node cut = await Node.StartAsync(StoreServer.Patiently(line.Address));
        await using Node whole = await Node.StartAsync(store);
        var told = new ConcurrentQueue<TopicResetEventArgs>();
        cut.Topics.Reset += (_, reset) => told.Enqueue(reset);
        using var socket = new ClientWebSocket();
        Connection connection = await cut.ConnectAsync(socket);
        Assert.True(connection.Subscribe("a/*"));
        await using var client = new TopicClient(new Uri($"{cut.Url}/topics"), new TopicClientOptions { Ways = FeedWays.WebSocket });
        await using IAsyncEnumerator<TopicNews> news = client.SubscribePatternAsync("a/*", Token).GetAsyncEnumerator(Token);
        Task<bool> first = news.MoveNextAsync().AsTask();
        while (!first.IsCompleted)
        {
            await whole.Topics.PublishAsync("a/x", "before", Token);
            await Task.Delay(20, Token);
        }

        Assert.True(await first);
        for (int i = 1; i <= 2; i++)
        {
            line.Break();
            await Eventually.True(() => !cut.Broker.IsConnected);
            await whole.Topics.PublishAsync($"a/{i}", "missed", Token);

            // A link that comes back by halves is doubted once more, and that is told, too.
            int before = told.Count(IsOwn);
            line.Mend();
            await Eventually.True(() => told.Count(IsOwn) > before && cut.Broker.IsConnected);
            await whole.Topics.PublishAsync("a/x", $"after {i}", Token);
            int resets = 0;
            do
            {
                Assert.True(await news.MoveNextAsync().AsTask().WaitAsync(Node.Patience, Token));
                resets += news.Current is TopicReset { Topic: "a/*", Lost: null } ? 1 : 0;
            }
            while (news.Current is not TopicItem item || item.Text != $"after {i}");
            Assert.NotEqual(0, resets);
        }

        bool IsOwn(TopicResetEventArgs reset) => reset.Topic == "a/*" && reset.Subscribers.Any(subscriber => subscriber.Id == connection.Id);
    }

    // By the script as it is, but that it tells nobody.
    private static async Task AppendSilentlyAsync(ConnectionMultiplexer stranger, string topic, string text)
    {
        var message = new TopicMessage(default, MessageType.Text, Encoding.UTF8.GetBytes(text));
        var scripts = new TopicScripts("duologue:");
        var batch = new PublishBatch();
        batch.Add(new PendingAppend(topic, message, new TopicHistory(), 1, Entry.HeadOf(message, node: 7, 1), 0), 0);
        (RedisKey[] keys, RedisValue[] values) = batch.Encode(scripts.Prefix, new EpochSource(TimeProvider.System), scripts.Ends, TimeSpan.FromSeconds(20));
        string silent = (Script("enter.lua") + Script("append.lua")).Replace("redis.call('PUBLISH',", "select('#',", StringComparison.Ordinal);
        Assert.Contains("select('#',", silent, StringComparison.Ordinal);
        await stranger.GetDatabase().ScriptEvaluateAsync(silent, keys, values);
    }

    private static string Script(string name)
    {
        using var reader = new StreamReader(typeof(RedisBroker).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
