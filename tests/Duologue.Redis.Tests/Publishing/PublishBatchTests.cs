using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>Publishes that travel together: each has its own place and its own fate.</summary>
public class PublishBatchTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task What_comes_while_calls_are_under_way_is_one_call_and_one_notification(string kind)
    {
        await using Gathering gathering = await Gathering.StartAsync(kind);
        ConcurrentQueue<List<AppendedMessage>> heard = new();
        await gathering.Link.GetSubscriber().SubscribeAsync(gathering.Scripts.Channel, (_, payload) =>
        {
            Assert.True(Entry.TryReadNotification((byte[])payload!, TopicScripts.LayoutVersion, out List<AppendedMessage> messages));
            heard.Enqueue(messages);
        });
        string[] texts = [.. Enumerable.Range(0, 100).Select(i => $"{i}")];
        List<Task<(TopicMessage Message, bool IsNew)>> publishes = await gathering.GatherAsync(texts.Select(text => ($"t{text[^1]}", new TopicMessage(default, MessageType.Text, Encoding.UTF8.GetBytes(text)))));
        (long scripts, long published) = kind == "redis" ? await gathering.CountCommandsAsync() : default;
        gathering.Release();
        (TopicMessage Message, bool IsNew)[] placed = await Task.WhenAll(publishes).WaitAsync(Node.Patience, Token);

        await Eventually.True(() => heard.Sum(messages => messages.Count) == PublishQueue.MaxCalls + 100);
        List<AppendedMessage>[] notifications = [.. heard];
        Assert.Equal(PublishQueue.MaxCalls + 1, notifications.Length);
        List<AppendedMessage> together = Assert.Single(notifications, messages => messages.Count > 1);
        Assert.Equal(texts, together.Select(message => message.Message.Text));
        Assert.Equal(placed.Select(one => one.Message.Position), together.Select(message => message.Message.Position));
        Assert.All(placed, one => Assert.True(one.IsNew));
        for (int topic = 0; topic < 10; topic++)
        {
            TopicPage page = await gathering.ReadAsync($"t{topic}");
            Assert.Equal(texts.Where(text => text[^1] == '0' + topic), page.Messages.Select(message => message.Text));
            Assert.Equal(Enumerable.Range(1, 10), page.Messages.Select(message => (int)message.Position.Offset));
        }

        if (kind == "redis")
        {
            // The calls that were held up had one publish each; ten more have read.
            Assert.Equal((scripts + PublishQueue.MaxCalls + 1 + 10, published + PublishQueue.MaxCalls + 1), await gathering.CountCommandsAsync());
        }
    }

    [Theory]
    [InlineData("garnet", "h")]
    [InlineData("garnet", "l")]
    [InlineData("redis", "h")]
    [InlineData("redis", "l")]
    public async Task A_key_of_another_type_hurts_its_topic_alone(string kind, string key)
    {
        await using Gathering gathering = await Gathering.StartAsync(kind);
        await gathering.PublishAsync("bad", "before");
        string foreign = $"duologue:v3:{{t:bad}}{key}";
        await gathering.Database.KeyDeleteAsync(foreign);
        await gathering.Database.StringSetAsync(foreign, "another application's");
        List<Task<(TopicMessage Message, bool IsNew)>> publishes = await gathering.GatherAsync(
            [("a", Text("a1")), ("bad", Text("bad1")), ("b", Text("b1")), ("bad", Text("bad2")), ("a", Text("a2")), ("b", Text("b2"))]);
        gathering.Release();

        foreach (int bad in new[] { 1, 3 })
        {
            BrokerUnavailableException refused = await Assert.ThrowsAsync<BrokerUnavailableException>(() => publishes[bad].WaitAsync(Node.Patience, Token));
            Assert.Contains($"WRONGTYPE The key {foreign} is a string", refused.Message, StringComparison.Ordinal);
        }

        // Those behind it in its topic came again, and the queue waited for them.
        Assert.Equal(PublishQueue.MaxCalls + 1, gathering.Calls);

        foreach (int good in new[] { 0, 2, 4, 5 })
        {
            Assert.Equal(good < 3 ? 1 : 2, (await publishes[good].WaitAsync(Node.Patience, Token)).Message.Position.Offset);
        }

        await gathering.Database.KeyDeleteAsync(foreign);
        await gathering.PublishAsync("bad", "after");
        Assert.Equal("after", (await gathering.ReadAsync("bad")).Messages[^1].Text);
        Assert.Equal(["a1", "a2"], (await gathering.ReadAsync("a")).Messages.Select(message => message.Text));
        Assert.Equal(["b1", "b2"], (await gathering.ReadAsync("b")).Messages.Select(message => message.Text));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Idempotency_keys_hold_within_a_batch_and_beside_messages_without(string kind)
    {
        await using Gathering gathering = await Gathering.StartAsync(kind);
        await gathering.PublishAsync("t", Text("0", "old"));
        List<Task<(TopicMessage Message, bool IsNew)>> publishes = await gathering.GatherAsync(
            [("t", Text("1")), ("t", Text("2", "a")), ("u", Text("1", "a")), ("t", Text("again", "a")), ("t", Text("again", "old")), ("t", Text("3", "b")), ("u", Text("2"))]);
        gathering.Release();
        (TopicMessage Message, bool IsNew)[] placed = await Task.WhenAll(publishes).WaitAsync(Node.Patience, Token);

        Assert.Equal([2, 3, 1, 3, 1, 4, 2], placed.Select(one => (int)one.Message.Position.Offset));
        Assert.Equal([true, true, true, false, false, true, true], placed.Select(one => one.IsNew));
        Assert.Equal(["0", "1", "2", "3"], (await gathering.ReadAsync("t")).Messages.Select(message => message.Text));
    }

    [Theory]
    [InlineData("garnet", true)]
    [InlineData("redis", true)]
    [InlineData("garnet", false)]
    [InlineData("redis", false)]
    public async Task A_batch_whose_answer_is_lost_or_an_error_of_nobody_knows_whom_is_in_the_log_once(string kind, bool isLinkLost)
    {
        await using Gathering gathering = await Gathering.StartAsync(kind);
        string[] texts = [.. Enumerable.Range(0, 20).Select(i => $"{i}")];
        List<Task<(TopicMessage Message, bool IsNew)>> publishes = await gathering.GatherAsync(texts.Select(text => ($"t{text[^1]}", Text(text))));
        Exception error = isLinkLost
            ? new RedisConnectionException(ConnectionFailureType.SocketClosed, CommandFlags.None, "The line is cut.", null, CommandStatus.Sent)
            : new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, "ERR not enough memory for the script");
        gathering.Loses = values => values > 3 + 2 ? error : null;
        gathering.Release();
        if (isLinkLost)
        {
            // It would be lost again and again: once is enough.
            await Eventually.True(() => gathering.Lost > 0);
            gathering.Loses = null;
        }

        (TopicMessage Message, bool IsNew)[] placed = await Task.WhenAll(publishes).WaitAsync(Node.Patience, Token);
        Assert.True(gathering.Lost > 0);
        Assert.Equal(texts.Select((_, i) => (i / 10) + 1), placed.Select(one => (int)one.Message.Position.Offset));
        for (int topic = 0; topic < 10; topic++)
        {
            Assert.Equal([$"{topic}", $"1{topic}"], (await gathering.ReadAsync($"t{topic}")).Messages.Select(message => message.Text));
        }
    }

    [Fact]
    public async Task A_line_that_is_cut_again_and_again_loses_and_doubles_nothing()
    {
        await using var store = new RedisStore();
        await using var proxy = new Relay(store.Port);
        await using Node node = await Node.StartAsync(StoreServer.Patiently(proxy.Address), options => options.PublishTimeout = TimeSpan.FromMinutes(10));
        List<Task<TopicPosition>> publishes = [];
        for (int round = 0; round < 5; round++)
        {
            publishes.AddRange(Enumerable.Range(round * 300, 300).Select(i => node.Topics.PublishAsync($"t{i % 3}", $"{i}", Token).AsTask()));
            await Task.WhenAny(publishes[^150], Task.Delay(Node.Patience, Token));
            proxy.CutAll();
        }

        await Task.WhenAll(publishes).WaitAsync(Node.Patience, Token);
        for (int topic = 0; topic < 3; topic++)
        {
            TopicPage page = await ReadAtLastAsync(node, $"t{topic}");
            Assert.Equal(Enumerable.Range(0, 1_500).Where(i => i % 3 == topic).Select(i => $"{i}"), page.Messages.Select(message => message.Text));
        }
    }

    [Fact]
    public async Task The_deadline_holds_for_each_of_a_batch()
    {
        var time = new FakeTimeProvider();
        await using Gathering gathering = await Gathering.StartAsync("garnet", time);
        List<Task<(TopicMessage Message, bool IsNew)>> publishes = await gathering.GatherAsync([("t", Text("1")), ("u", Text("1")), ("t", Text("2"))]);
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        gathering.HoldsAnswers = answer.Task;
        gathering.Release();
        await Eventually.True(() => gathering.Calls == PublishQueue.MaxCalls + 1);
        time.Advance(TimeSpan.FromSeconds(10.1));
        foreach (Task publish in publishes)
        {
            BrokerUnavailableException refused = await Assert.ThrowsAsync<BrokerUnavailableException>(() => publish.WaitAsync(Node.Patience, Token));
            Assert.True(refused.IsUnknown);
        }

        answer.SetResult();
        await Eventually.True(() => gathering.Queue.Count == 0);
        Assert.Equal(["1", "2"], (await gathering.ReadAsync("t")).Messages.Select(message => message.Text));
    }

    [Fact]
    public void A_batch_is_bounded_in_count_and_bytes_and_a_message_larger_than_that_goes_alone()
    {
        var many = new PublishBatch();
        while (many.Takes(Sized(1)))
        {
            many.Add(Sized(1), 0);
        }

        Assert.Equal(PublishBatch.MaxCount, many.Count);
        var large = new PublishBatch();
        large.Add(Sized(PublishBatch.MaxBytes / 2), 0);
        Assert.False(large.Takes(Sized(PublishBatch.MaxBytes / 2)));
        Assert.True(large.Takes(Sized((PublishBatch.MaxBytes / 2) - 10)));
        var huge = new PublishBatch();
        Assert.True(huge.Takes(Sized(PublishBatch.MaxBytes * 2)));
        huge.Add(Sized(PublishBatch.MaxBytes * 2), 0);
        Assert.False(huge.Takes(Sized(1)));

        static PendingAppend Sized(int size) => new("t", new TopicMessage(default, MessageType.Binary, new byte[size]), new TopicHistory(), 1, new byte[Entry.HeadLength], 0);
    }

    [Theory]
    [InlineData("3")]
    [InlineData("3 ")]
    [InlineData("3 7 1 1 99 t")]
    [InlineData("3 7 1 99 30 t")]
    [InlineData("3 7 1 -1 30 t")]
    [InlineData("2 7 1 1 t0123456789012345678901234567890123456789")]
    public void A_notification_that_is_cut_short_or_of_another_layout_is_none(string notification) =>
        Assert.False(Entry.TryReadNotification(Encoding.UTF8.GetBytes(notification), TopicScripts.LayoutVersion, out _));

    // What is asked over a line that has just been cut has no answer, and that is said.
    private static async Task<TopicPage> ReadAtLastAsync(Node node, string topic)
    {
        using var patience = new CancellationTokenSource(Node.Patience);
        while (true)
        {
            try
            {
                return await node.Topics.ReadAsync(topic, TopicStart.Oldest, 1_000, Token);
            }
            catch (BrokerUnavailableException) when (!patience.IsCancellationRequested)
            {
                await Task.Delay(10, Token);
            }
        }
    }

    private static TopicMessage Text(string text) => Text(text, null);

    private static TopicMessage Text(string text, string? key) => new(default, MessageType.Text, Encoding.UTF8.GetBytes(text)) { IdempotencyKey = key };

    /// <summary>A queue on a real server, whose first calls are held up until the test lets them go: what is published meanwhile leaves together.</summary>
    private sealed class Gathering : IAsyncDisposable
    {
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly StoreServer _store;
        private readonly ServiceProvider _services;
        private bool _isHolding;
        private int _calls;
        private int _lost;

        private Gathering(StoreServer store, ConnectionMultiplexer link, TimeProvider time)
        {
            (_store, Link) = (store, link);
            _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
            Database = Interceptor.Create(link.GetDatabase(), (method, arguments) => method.Name == nameof(IDatabase.ScriptEvaluateAsync) && _isHolding ? CallAsync((byte[])arguments[0]!, (RedisKey[])arguments[1]!, (RedisValue[])arguments[2]!) : null);
            var metrics = new RedisMetrics(_services.GetRequiredService<IMeterFactory>());
            var options = new RedisBrokerOptions { PublishTimeout = time is FakeTimeProvider ? TimeSpan.FromSeconds(10) : TimeSpan.FromHours(1) };
            Queue = new PublishQueue(options, Scripts, metrics, time, TimeSpan.FromMinutes(10), () => Database);
        }

        public ConnectionMultiplexer Link { get; }

        public IDatabase Database { get; }

        public TopicScripts Scripts { get; } = new("duologue:");

        public PublishQueue Queue { get; }

        /// <summary>By the number of a call's values: with which error its answer is lost, or null.</summary>
        public Func<int, Exception?>? Loses { get; set; }

        /// <summary>Until when the answers to batches are on their way.</summary>
        public Task HoldsAnswers { get; set; } = Task.CompletedTask;

        public int Calls => Volatile.Read(ref _calls);

        public int Lost => Volatile.Read(ref _lost);

        public static Task<Gathering> StartAsync(string kind) => StartAsync(kind, TimeProvider.System);

        public static async Task<Gathering> StartAsync(string kind, TimeProvider time)
        {
            StoreServer store = StoreServer.Start(kind);
            var gathering = new Gathering(store, await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true"), time);
            await gathering.Scripts.LoadAsync(gathering.Database);
            return gathering;
        }

        /// <summary>Publishes all of it while as many calls are held up as may be under way, so that it is in one that follows.</summary>
        public async Task<List<Task<(TopicMessage Message, bool IsNew)>>> GatherAsync(IEnumerable<(string Topic, TopicMessage Message)> messages)
        {
            Volatile.Write(ref _isHolding, true);
            for (int i = 1; i <= PublishQueue.MaxCalls; i++)
            {
                _ = Queue.AddAsync($"held{i}", Text("held"), new TopicHistory());
                await Eventually.True(() => Calls == i);
            }

            return [.. messages.Select(message => Queue.AddAsync(message.Topic, message.Message, new TopicHistory()))];
        }

        public void Release() => _released.SetResult();

        public Task<(TopicMessage Message, bool IsNew)> PublishAsync(string topic, string text) => PublishAsync(topic, Text(text));

        public Task<(TopicMessage Message, bool IsNew)> PublishAsync(string topic, TopicMessage message) => Queue.AddAsync(topic, message, new TopicHistory()).WaitAsync(Node.Patience, Token);

        public Task<TopicPage> ReadAsync(string topic) => Scripts.ReadAsync(Link.GetDatabase(), topic, TopicStart.Oldest, 1_000, int.MaxValue, TimeSpan.FromMinutes(10));

        /// <summary>How many scripts and notifications the server has had, by its own count.</summary>
        public async Task<(long Scripts, long Notifications)> CountCommandsAsync()
        {
            string statistics = (await Link.GetServers()[0].InfoRawAsync("commandstats"))!;
            return (Count("evalsha"), Count("publish"));

            long Count(string command)
            {
                string name = $"cmdstat_{command}:calls=";
                int at = statistics.IndexOf(name, StringComparison.Ordinal);
                return at < 0 ? 0 : long.Parse(statistics.AsSpan(at + name.Length, statistics.AsSpan(at + name.Length).IndexOf(',')), CultureInfo.InvariantCulture);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await Queue.DisposeAsync();
            await Link.DisposeAsync();
            await _store.DisposeAsync();
            await _services.DisposeAsync();
        }

        private async Task<RedisResult> CallAsync(byte[] hash, RedisKey[] keys, RedisValue[] values)
        {
            Interlocked.Increment(ref _calls);
            await _released.Task;
            RedisResult answer = await Link.GetDatabase().ScriptEvaluateAsync(hash, keys, values);
            if (values.Length > 3 + 2)
            {
                await HoldsAnswers;
            }

            if (Loses?.Invoke(values.Length) is { } error)
            {
                Interlocked.Increment(ref _lost);
                throw error;
            }

            return answer;
        }
    }
}
