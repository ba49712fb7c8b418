using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using System.Reflection;
using Duologue.AspNetCore.Tests.Feed;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Pubsub;

/// <summary>Topics whose log is elsewhere: nobody is left behind in silence.</summary>
public class RemoteTopicTests
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_filter_that_threw_kept_the_messages_of_other_topics_that_came_along()
    {
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        Assert.True((await connection.SubscribeAsync("good", TopicStart.Now, Token)).IsSubscribed);
        Assert.True(connection.Subscribe("bad/*", _ => throw new InvalidOperationException("The filter's fault.")));
        await host.Topics.PublishAsync("bad/x", "refused", Token);
        await host.Topics.PublishAsync("good", "come along", Token);

        Assert.Equal(1, broker.Tell().Deliveries);
        Assert.Equal("come along", await client.ReceiveTextAsync());
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "TopicHookFailed");
    }

    [Fact]
    public async Task Who_subscribes_by_a_pattern_was_not_told_of_a_topic_that_there_was_no_room_for()
    {
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.MapDuologue("/", Talks.Idle);
                app.MapTopics("/topics/{**name}").WithOptions(topics => topics.AuthorizeSubscribe = access => access.Topic != "news/secret");
            },
            options => options.MaxTopics = 1,
            builder => builder.Services.AddSingleton<Broker>(broker));
        using var refusals = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.pubsub.subscription.refusals");
        var resets = new ConcurrentQueue<TopicResetEventArgs>();
        host.Topics.Reset += (_, reset) => resets.Enqueue(reset);
        using ClientWebSocket plain = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        Assert.True((await connection.SubscribeAsync("the only one", TopicStart.Now, Token)).IsSubscribed);
        Assert.True(connection.Subscribe("**", topic => topic != "news/secret"));
        using ClientWebSocket session = await host.ConnectAsync("/topics", options => options.AddSubProtocol("duologue.topics.v1"));
        await session.SendTextAsync("""{"type":"subscribe","topic":"news/*"}""");
        Assert.Contains("subscribed", await session.ReceiveTextAsync(), StringComparison.Ordinal);
        foreach (string topic in (string[])["news/secret", "the only one", "news/a"])
        {
            await host.Topics.PublishAsync(topic, topic, Token);
        }

        Assert.Equal(1, broker.Tell().Deliveries);
        Assert.Equal("the only one", await plain.ReceiveTextAsync());
        Assert.Equal("""{"type":"items","topic":"news/*","items":[],"reset":true,"lost":null}""", await session.ReceiveTextAsync());
        TopicResetEventArgs told = Assert.Single(resets);
        Assert.Equal(("**", null, connection.Id), (told.Topic, told.Lost, Assert.Single(told.Subscribers).Id));
        Assert.Equal("max_topics", Assert.Single(refusals.GetMeasurementSnapshot()).Tags["duologue.limit"]);
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "TopicNotOpened" && record.Message.Contains("\"news/a\"", StringComparison.Ordinal));

        // A message that finds no room by a hint alone is told of, too.
        broker.TellUnseen("news/b", default);
        Assert.Contains("\"reset\":true", await session.ReceiveTextAsync(), StringComparison.Ordinal);
        Assert.Equal(2, resets.Count);
    }

    [Fact]
    public async Task Each_message_of_a_topic_that_there_was_no_room_for_was_a_reset_to_all_who_subscribe_by_a_pattern()
    {
        var time = new FakeTimeProvider();
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Idle),
            options => (options.KeepAliveInterval, options.MaxTopics) = (Timeout.InfiniteTimeSpan, 1),
            builder => builder.Services.AddSingleton<Broker>(broker).AddSingleton<TimeProvider>(time));
        var resets = new ConcurrentQueue<string>();
        host.Topics.Reset += (_, reset) => resets.Enqueue(reset.Topic);
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        Assert.True(connection.Subscribe("news/*") && connection.Subscribe("sport/*") && connection.Subscribe("the only one"));
        for (int i = 0; i < 100; i++)
        {
            broker.TellUnseen($"news/{i}", default);
            broker.TellUnseen($"sport/{i}", default);
        }

        Assert.Equal(["news/*"], resets);

        // What was lost meanwhile is told once, to those who are still there.
        Assert.True(connection.Unsubscribe("news/*"));
        time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.True(() => resets.Count == 2);
        Assert.Equal(["news/*", "sport/*"], resets);

        // The drain would wait for it by a clock that stands still.
        await client.CloseAsync();
        await Eventually.True(() => host.Connections.Count == 0);
    }

    [Fact]
    public async Task A_listener_that_threw_where_a_failure_of_the_broker_is_counted_ended_what_follows_a_topic()
    {
        var broker = new LimpingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System)) { FailuresOfSubscribe = 1, FailuresOfRead = 1 };
        await using TestHost host = await StartAsync(broker);
        int counted = 0;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, me) =>
        {
            if (instrument.Name == "duologue.pubsub.broker.failures" && ReferenceEquals(instrument.Meter.Scope, host.Services.GetRequiredService<IMeterFactory>()))
            {
                me.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) =>
        {
            Interlocked.Increment(ref counted);
            throw new InvalidOperationException("The listener's fault.");
        });
        listener.Start();
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.True(Assert.Single(host.Connections).Subscribe("t"));
        using TopicSubscription reader = await host.Topics.SubscribeAsync("t", TopicStart.Oldest, Token);
        broker.TellUncertain("t");
        await Eventually.True(() => Volatile.Read(ref counted) == 2);
        await host.Topics.PublishAsync("t", "first", Token);
        Assert.Equal("first", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task Who_joined_between_the_notice_of_a_loss_and_what_follows_it_was_not_told()
    {
        var broker = new ForgetfulBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket first = await host.ConnectAsync("/");
        Assert.True((await Assert.Single(host.Connections).SubscribeAsync("t", TopicStart.Now, Token)).IsSubscribed);
        TopicPosition before = await host.Topics.PublishAsync("t", "old", Token);
        Assert.Equal("old", await first.ReceiveTextAsync());
        using ClientWebSocket second = await host.ConnectAsync("/");
        Connection newcomer = host.Connections.Single(connection => !host.Topics.ListSubscribers("t").Any(subscriber => subscriber.Id == connection.Id));

        // The newcomer has looked into the log before it was lost, and found nothing new.
        var joining = new TaskCompletionSource<Task<SubscribeResult>>(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Topics.Reset += (_, _) =>
        {
            broker.SeenBefore = new TopicPage([], before, HasMore: false);
            joining.TrySetResult(newcomer.SubscribeAsync("t", TopicStart.After(before), Token).AsTask());
        };
        await broker.ForgetAsync("t", new MemoryBroker(new DuologueOptions(), new FakeTimeProvider(DateTimeOffset.UtcNow.AddDays(1))), "new");

        Task<SubscribeResult> joined = await joining.Task.WaitAsync(TestHost.Patience, Token);
        SubscribeResult result = await joined.WaitAsync(TestHost.Patience, Token);
        Assert.Equal((true, true), (result.IsSubscribed, result.IsReset));
        Assert.Equal("new", await first.ReceiveTextAsync());
        Assert.Equal("new", await second.ReceiveTextAsync());
    }

    [Fact]
    public async Task A_topic_that_only_a_wildcard_keeps_was_given_up_as_idle_before_its_first_message_was_read()
    {
        var time = new FakeTimeProvider();
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var broker = new LimpingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System)) { MaySubscribe = held.Task };
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Idle),
            options => (options.KeepAliveInterval, options.TopicIdleLifetime) = (Timeout.InfiniteTimeSpan, TimeSpan.FromMinutes(1)),
            builder => builder.Services.AddSingleton<Broker>(broker).AddSingleton<TimeProvider>(time));
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.True(Assert.Single(host.Connections).Subscribe("news/*"));
        await host.Topics.PublishAsync("news/a", "first", Token);
        time.Advance(TimeSpan.FromMinutes(2));

        Assert.Equal(1, host.Topics.Count);
        held.SetResult();
        Assert.Equal("first", await client.ReceiveTextAsync());

        // The drain would wait for it by a clock that stands still.
        await client.CloseAsync();
        await Eventually.True(() => host.Connections.Count == 0);
    }

    [Fact]
    public async Task A_topic_that_was_followed_before_the_message_had_its_turn_that_it_was_opened_for_lost_it()
    {
        var broker = new LimpingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket client = await host.ConnectAsync("/");
        var topics = (ConcurrentDictionary<string, Topic>)typeof(TopicHub).GetField("_topics", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(host.Topics)!;
        Assert.True(Assert.Single(host.Connections).Subscribe("news/*", topic =>
        {
            // Whoever has heard of the message is slower than the broker's answer.
            Assert.True(!topics.TryGetValue(topic, out Topic? opened) || opened.AttachAsync().Wait(TestHost.Patience));
            return true;
        }));
        await host.Topics.PublishAsync("news/a", "first", Token);
        Assert.Equal("first", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task What_was_found_in_the_log_alone_was_kept_from_those_who_had_subscribed_by_a_pattern()
    {
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket first = await host.ConnectAsync("/"), second = await host.ConnectAsync("/");
        Connection[] connections = [.. host.Connections];
        await connections[0].SubscribeAsync("news/a", TopicStart.Now, Token);
        connections[1].Subscribe("news/*");
        await host.Topics.PublishAsync("news/a", "not heard of", Token);

        broker.TellUncertain("news/a");

        Assert.Equal("not heard of", await first.ReceiveTextAsync());
        Assert.Equal("not heard of", await second.ReceiveTextAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_was_heard_of_just_as_its_topic_was_given_up_was_kept_from_those_who_subscribe_by_a_pattern(bool isSeen)
    {
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.True(Assert.Single(host.Connections).Subscribe("news/*"));
        await host.Topics.PublishAsync("news/a", "first", Token);
        broker.Tell();
        Assert.Equal("first", await client.ReceiveTextAsync());

        // As the sweeper does, which has not taken it out yet.
        var topics = (ConcurrentDictionary<string, Topic>)typeof(TopicHub).GetField("_topics", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(host.Topics)!;
        await Eventually.True(() => topics["news/a"].TryRetire(TimeSpan.Zero));
        Assert.True(topics["news/a"].Detach());
        TopicPosition position = await host.Topics.PublishAsync("news/a", "second", Token);
        if (isSeen)
        {
            broker.TellLast();
        }
        else
        {
            broker.TellUnseen("news/a", position);
        }

        Assert.Equal("second", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task What_a_topic_read_that_was_given_up_meanwhile_came_once_more_to_those_who_subscribe_by_a_pattern()
    {
        var held = new TaskCompletionSource();
        var broker = new LimpingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket first = await host.ConnectAsync("/");
        Connection leaving = Assert.Single(host.Connections);
        using ClientWebSocket second = await host.ConnectAsync("/");
        Connection other = host.Connections.Single(connection => connection != leaving);
        Assert.True((await leaving.SubscribeAsync("news/a", TopicStart.Now, Token)).IsSubscribed);
        broker.MayRead = held.Task;
        broker.TellUncertain("news/a");
        broker.MayRead = Task.CompletedTask;
        Assert.True(leaving.Unsubscribe("news/a"));

        Assert.True(other.Subscribe("news/*"));
        await host.Topics.PublishAsync("news/a", "one", Token);
        Assert.Equal("one", await second.ReceiveTextAsync());
        held.SetResult();
        await host.Topics.PublishAsync("news/a", "two", Token);
        Assert.Equal("two", await second.ReceiveTextAsync());
    }

    [Fact]
    public async Task A_subscription_that_had_lost_its_place_took_that_of_the_next_whose_messages_came_by_the_pattern_too()
    {
        var held = new TaskCompletionSource();
        var broker = new LimpingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket client = await host.ConnectAsync("/");
        ConnectionState state = ConnectionState.Of(Assert.Single(host.Connections), out WebSocketConnection connection);
        var hub = (TopicHub)host.Topics;
        Assert.True(hub.Subscribe(connection, state, "news/*", MemberForm.Protocol, null));
        await host.Topics.PublishAsync("news/a", "1", Token);
        Assert.Contains("\"1\"", await client.ReceiveTextAsync(), StringComparison.Ordinal);

        broker.MayRead = held.Task;
        var first = new GatedSink();
        Task<SubscribeResult> subscribing = hub.SubscribeAsync(connection, state, "news/a", TopicStart.Now, first, Token).AsTask();
        Assert.True(hub.Unsubscribe(connection, state, "news/a", MemberForm.Protocol));
        broker.MayRead = Task.CompletedTask;
        var second = new GatedSink();
        Task<SubscribeResult> next = hub.SubscribeAsync(connection, state, "news/a", TopicStart.Now, second, Token).AsTask();
        await second.Reached.WaitAsync(TestHost.Patience, Token);
        held.SetResult();
        first.Open(null);
        Assert.False((await subscribing).IsSubscribed);

        await host.Topics.PublishAsync("news/a", "2", Token);
        second.Open(null);
        Assert.True((await next).IsSubscribed);
        Assert.Equal(["2"], second.Sent);
        await host.Topics.PublishAsync("news/a", "3", Token);
        Assert.Contains("\"3\"", await client.ReceiveTextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_heard_of_behind_a_hole_while_its_topic_is_given_up_comes_to_those_who_subscribe_by_a_pattern()
    {
        var held = new TaskCompletionSource();
        var broker = new LimpingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.True(Assert.Single(host.Connections).Subscribe("news/*"));
        await host.Topics.PublishAsync("news/a", "first", Token);
        Assert.Equal("first", await client.ReceiveTextAsync());

        // As the sweeper does, which has not taken it out yet.
        var topics = (ConcurrentDictionary<string, Topic>)typeof(TopicHub).GetField("_topics", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(host.Topics)!;
        Topic given = topics["news/a"];
        await Eventually.True(() => given.TryRetire(TimeSpan.Zero));
        broker.MayRead = held.Task;
        broker.IsSilent = true;
        TopicPosition position = await host.Topics.PublishAsync("news/a", "second", Token);
        broker.TellUnseen("news/a", position);
        given.Detach();
        held.SetResult();

        Assert.Equal("second", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task A_pattern_that_the_broker_did_not_follow_at_once_was_not_followed_at_all_and_given_up_in_the_name_of_another()
    {
        var broker = new PatternBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System), failures: 2);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket first = await host.ConnectAsync("/");
        Connection one = Assert.Single(host.Connections);
        Assert.True(one.Subscribe("news/*"));
        using ClientWebSocket second = await host.ConnectAsync("/");
        Connection other = host.Connections.Single(connection => connection != one);
        Assert.True(other.Subscribe("news/*"));
        Assert.True(other.Unsubscribe("news/*"));
        await Eventually.True(() => broker.Followers == 1);
        await host.Topics.PublishAsync("news/a", "heard of", Token);
        Assert.Equal("heard of", await first.ReceiveTextAsync());
        Assert.True(one.Unsubscribe("news/*"));
        await Eventually.True(() => broker.Followers == 0);
    }

    [Theory]
    [InlineData(int.MaxValue, 0)]
    [InlineData(0, int.MaxValue)]
    public async Task A_topic_whose_broker_stayed_away_was_tried_again_for_ever_after_the_end(int failuresOfSubscribe, int failuresOfRead)
    {
        var time = new StoppedRetries();
        var broker = new LimpingBroker(new MemoryBroker(new DuologueOptions(), time)) { FailuresOfSubscribe = failuresOfSubscribe, FailuresOfRead = failuresOfRead };
        await using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var hub = new TopicHub(new DuologueOptions(), broker, "n", new ServerMetrics(services.GetRequiredService<IMeterFactory>(), new Connections()), time, NullLogger.Instance);
        Task<TopicSubscription> opening = hub.SubscribeAsync("t", TopicStart.Oldest, Token).AsTask();
        if (failuresOfSubscribe == 0)
        {
            await opening;
            broker.TellUncertain("t");
        }

        await Eventually.True(() => time.Waiting == 1);
        hub.Dispose();
        await Eventually.True(() => time.Waiting == 0);
    }

    [Fact]
    public async Task What_was_read_from_the_log_for_members_leaves_in_pages_that_a_send_queue_holds()
    {
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket session = await host.OpenTopicsAsync();
        await session.SendTextAsync("""{"type":"subscribe","topic":"t"}""");
        Assert.Contains("subscribed", await session.ReceiveTextAsync(), StringComparison.Ordinal);
        Assert.Empty(FeedPage.Parse(await session.ReceiveTextAsync()).Ids);
        int[] sizes = [.. Enumerable.Repeat(1, Topic.MaxTogether + 6), Topic.MaxTogetherBytes, 2, 2];
        string[] texts = [.. sizes.Select(size => new string('x', size))];
        foreach (string text in texts)
        {
            await host.Topics.PublishAsync("t", text, Token);
        }

        broker.TellUncertain("t");
        List<string[]> pages = [];
        while (pages.Sum(page => page.Length) < sizes.Length)
        {
            pages.Add(FeedPage.Parse(await session.ReceiveTextAsync()).Data);
        }

        Assert.Equal([Topic.MaxTogether, 6, 1, 2], pages.Select(page => page.Length));
        Assert.Equal(texts, pages.SelectMany(page => page));
    }

    private static Task<TestHost> StartAsync(Broker broker) => TestHost.StartAsync(
        app =>
        {
            app.MapDuologue("/", Talks.Idle);
            app.MapTopics("/topics/{**name}");
        },
        _ => { },
        builder => builder.Services.AddSingleton(broker));

    /// <summary>Fails some times, or answers late.</summary>
    private sealed class LimpingBroker(MemoryBroker log) : StoringBroker(log)
    {
        private int _failuresOfSubscribe;
        private int _failuresOfRead;

        public int FailuresOfSubscribe
        {
            init => _failuresOfSubscribe = value;
        }

        public int FailuresOfRead
        {
            init => _failuresOfRead = value;
        }

        public Task MaySubscribe { get; init; } = Task.CompletedTask;

        public Task MayRead { get; set; } = Task.CompletedTask;

        public bool IsSilent { get; set; }

        public override async ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken)
        {
            await MayRead.ConfigureAwait(false);
            return Interlocked.Decrement(ref _failuresOfRead) >= 0 ? throw new IOException("The broker is down.") : await base.ReadAsync(topic, start, maxCount, maxBytes, cancellationToken).ConfigureAwait(false);
        }

        public override async ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken)
        {
            await MaySubscribe;
            return Interlocked.Decrement(ref _failuresOfSubscribe) >= 0 ? throw new IOException("The broker is down.") : await base.SubscribeAsync(topic, cancellationToken);
        }

        public void TellUncertain(string topic) => OnUncertain(topic);

        public void TellUnseen(string topic, TopicPosition first) => OnAppendedUnseen(topic, first);

        protected override void Tell(string topic, TopicMessage message)
        {
            if (!IsSilent)
            {
                OnAppended(topic, message);
            }
        }
    }

    /// <summary>Counts who follows patterns; fails to follow one at first.</summary>
    private sealed class PatternBroker(MemoryBroker log, int failures) : StoringBroker(log)
    {
        private int _failures = failures;
        private int _followers;

        public int Followers => Volatile.Read(ref _followers);

        public override ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken)
        {
            if (TopicName.IsPattern(topic))
            {
                _ = Interlocked.Decrement(ref _failures) >= 0 ? throw new IOException("The broker is down.") : Interlocked.Increment(ref _followers);
            }

            return base.SubscribeAsync(topic, cancellationToken);
        }

        public override ValueTask UnsubscribeAsync(string topic)
        {
            if (TopicName.IsPattern(topic))
            {
                Interlocked.Decrement(ref _followers);
            }

            return base.UnsubscribeAsync(topic);
        }

        protected override void Tell(string topic, TopicMessage message) => OnAppended(topic, message);
    }

    /// <summary>Loses its log, and one look into it may have been before that.</summary>
    private sealed class ForgetfulBroker(MemoryBroker log) : Broker
    {
        private MemoryBroker _log = log;
        private TopicPage? _seenBefore;

        public TopicPage SeenBefore
        {
            set => _seenBefore = value;
        }

        public async Task ForgetAsync(string topic, MemoryBroker anew, string text)
        {
            await anew.AppendAsync(topic, new TopicMessage(Fanout.Encode(text, MessageFlags.None), MessageType.Text, isJson: false), TopicHistory.None, Token);
            _log = anew;
            OnUncertain(topic);
        }

        public override async ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken)
        {
            TopicPosition position = await _log.AppendAsync(topic, message, history, cancellationToken);
            OnAppended(topic, message);
            return position;
        }

        public override ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken) =>
            new(Interlocked.Exchange(ref _seenBefore, null) ?? _log.Read(topic, start, maxCount, maxBytes));

        public override ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken) => _log.SubscribeAsync(topic, cancellationToken);

        public override ValueTask UnsubscribeAsync(string topic) => _log.UnsubscribeAsync(topic);
    }

    /// <summary>The clock, but that who waits to try again waits until he gives it up.</summary>
    private sealed class StoppedRetries : TimeProvider
    {
        private int _waiting;

        public int Waiting => Volatile.Read(ref _waiting);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime != RetryDelay)
            {
                return base.CreateTimer(callback, state, dueTime, period);
            }

            Interlocked.Increment(ref _waiting);
            return new Standing(this);
        }

        private sealed class Standing(StoppedRetries clock) : ITimer
        {
            private int _disposed;

            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
                if (Interlocked.Exchange(ref _disposed, 1) == 0)
                {
                    Interlocked.Decrement(ref clock._waiting);
                }
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return default;
            }
        }
    }
}
