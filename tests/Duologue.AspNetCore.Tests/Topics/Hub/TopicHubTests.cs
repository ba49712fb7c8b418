using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Pubsub;

/// <summary>What topics do beside handing out: wildcards, positions on plain connections, presence, expiry.</summary>
public class TopicHubTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_wildcard_hears_topics_that_come_later_and_no_message_twice()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        Assert.True(connection.Subscribe("news/*"));
        Assert.True(connection.Subscribe("news/**"));
        Assert.True(connection.Subscribe("news/a"));
        Assert.False(connection.Subscribe("news/*"));

        Assert.Equal(new FanoutResult(1, 0), host.Topics.Publish("news/a", "1"));
        Assert.Equal(new FanoutResult(1, 0), host.Topics.Publish("news/b", "2"));
        Assert.Equal(new FanoutResult(1, 0), host.Topics.Publish("news/b/c", "3"));
        Assert.Equal(default, host.Topics.Publish("news", "unheard"));
        Assert.True(connection.Unsubscribe("news/*"));
        Assert.True(connection.Unsubscribe("news/**"));
        Assert.Equal(default, host.Topics.Publish("news/b", "unheard"));
        Assert.Equal(new FanoutResult(1, 0), host.Topics.Publish("news/a", "4"));
        Assert.Equal(["1", "2", "3", "4"], [await client.ReceiveTextAsync(), await client.ReceiveTextAsync(), await client.ReceiveTextAsync(), await client.ReceiveTextAsync()]);
        Assert.Equal((1, 0), (host.Topics.CountSubscribers("news/a"), host.Topics.CountSubscribers("news/b")));
        Assert.Throws<ArgumentException>(() => connection.Subscribe("a*"));
        Assert.Throws<ArgumentException>(() => host.Topics.Publish("news/*", "to many"));
        await Assert.ThrowsAsync<ArgumentException>(async () => await connection.SubscribeAsync("news/*", TopicStart.Oldest, Token));
    }

    [Theory]
    [InlineData(TopicStartKind.Oldest, false)]
    [InlineData(TopicStartKind.Now, false)]
    [InlineData(TopicStartKind.Oldest, true)]
    public async Task What_came_by_a_wildcard_while_its_topic_was_caught_up_with_came_too_early_and_twice(TopicStartKind kind, bool fails)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        using ClientWebSocket client = await host.ConnectAsync("/");
        ConnectionState state = ConnectionState.Of(Assert.Single(host.Connections), out WebSocketConnection connection);
        var hub = (TopicHub)host.Topics;
        Assert.True(hub.Subscribe(connection, state, "r/*", MemberForm.Protocol, null));
        hub.Publish("r/1", "1");
        Assert.Equal("1", await ReceiveDataAsync());

        var sink = new GatedSink();
        Task<SubscribeResult> subscribing = hub.SubscribeAsync(connection, state, "r/1", kind == TopicStartKind.Now ? TopicStart.Now : TopicStart.Oldest, sink, Token).AsTask();
        await sink.Reached.WaitAsync(TestHost.Patience, Token);
        hub.Publish("r/1", "2");
        hub.Publish("r/2", "elsewhere");
        Assert.Equal("elsewhere", await ReceiveDataAsync());
        sink.Open(fails ? new BrokerUnavailableException("It is away.", false, null) : null);
        if (fails)
        {
            // Who has the wildcard alone again is told that something is missing.
            await Assert.ThrowsAsync<BrokerUnavailableException>(() => subscribing);
            Assert.Equal("""{"type":"items","topic":"r/*","items":[],"reset":true,"lost":null}""", await client.ReceiveTextAsync());
        }
        else
        {
            Assert.True((await subscribing).IsSubscribed);
            Assert.Equal(kind == TopicStartKind.Now ? ["2"] : ["1", "2"], sink.Sent);
        }

        hub.Publish("r/1", "3");
        Assert.Equal("3", await ReceiveDataAsync());

        async Task<string?> ReceiveDataAsync()
        {
            using JsonDocument page = JsonDocument.Parse(await client.ReceiveTextAsync());
            return Assert.Single(page.RootElement.GetProperty("items").EnumerateArray()).GetProperty("data").GetString();
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_kept_back_for_a_subscription_that_another_took_the_place_of_was_lost_untold(bool catchesUp)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        using ClientWebSocket client = await host.ConnectAsync("/");
        ConnectionState state = ConnectionState.Of(Assert.Single(host.Connections), out WebSocketConnection connection);
        var hub = (TopicHub)host.Topics;
        Assert.True(hub.Subscribe(connection, state, "r/*", MemberForm.Protocol, null));
        hub.Publish("r/1", "1");
        Assert.Contains("\"1\"", await client.ReceiveTextAsync(), StringComparison.Ordinal);

        var first = new GatedSink();
        Task<SubscribeResult> subscribing = hub.SubscribeAsync(connection, state, "r/1", TopicStart.Oldest, first, Token).AsTask();
        await first.Reached.WaitAsync(TestHost.Patience, Token);
        hub.Publish("r/1", "2");
        Assert.True(hub.Unsubscribe(connection, state, "r/1", MemberForm.Protocol));
        var second = new GatedSink();
        Task<SubscribeResult>? next = null;
        if (catchesUp)
        {
            next = hub.SubscribeAsync(connection, state, "r/1", TopicStart.Now, second, Token).AsTask();
            await second.Reached.WaitAsync(TestHost.Patience, Token);
        }
        else
        {
            Assert.True(hub.Subscribe(connection, state, "r/1", MemberForm.Protocol, null));
        }

        first.Open(null);
        Assert.False((await subscribing).IsSubscribed);
        second.Open(null);
        Assert.True(next is null || (await next).IsSubscribed);
        hub.Publish("r/1", "3");
        Assert.Equal("""{"type":"items","topic":"r/*","items":[],"reset":true,"lost":null}""", await client.ReceiveTextAsync());
        Assert.Contains("\"3\"", await client.ReceiveTextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_unsubscribed_while_it_caught_up_was_sent_what_was_published_behind_that()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        using ClientWebSocket client = await host.ConnectAsync("/");
        ConnectionState state = ConnectionState.Of(Assert.Single(host.Connections), out WebSocketConnection connection);
        var hub = (TopicHub)host.Topics;

        // More than is read at a time.
        for (int i = 0; i < 300; i++)
        {
            hub.Publish("t", "before");
        }

        var sink = new GatedSink();
        Task<SubscribeResult> subscribing = hub.SubscribeAsync(connection, state, "t", TopicStart.Oldest, sink, Token).AsTask();
        await sink.Reached.WaitAsync(TestHost.Patience, Token);
        Assert.True(hub.Unsubscribe(connection, state, "t", MemberForm.Protocol));
        hub.Publish("t", "behind");
        sink.Open(null);

        SubscribeResult result = await subscribing.WaitAsync(TestHost.Patience, Token);
        Assert.DoesNotContain("behind", sink.Sent);
        Assert.Equal((false, (long)sink.Sent.Count), (result.IsSubscribed, result.Position.Offset));
        Assert.Equal(0, hub.Count);
    }

    [Fact]
    public async Task A_publish_waited_until_presence_had_its_place_with_all_who_watch()
    {
        await using Room room = await Room.OpenAsync();
        var topic = new Topic("t", room.Hub);
        var telling = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var goOn = new ManualResetEventSlim();
        Task told = Task.Run(() => topic.Send(Gather, TopicsProtocol.MissedFrame("t")), Token);
        await telling.Task.WaitAsync(TestHost.Patience, Token);
        try
        {
            Task<Appending> publishing = Task.Run(() => topic.TryPublish((MemoryBroker)room.Hub.Broker, TopicHub.JsonMessage([(byte)'1']), out _), Token);
            Assert.Equal(Appending.Appended, await publishing.WaitAsync(TestHost.Patience, Token));
        }
        finally
        {
            goOn.Set();
            await told;
        }

        WebSocketConnection[] Gather()
        {
            telling.SetResult();
            goOn.Wait(Token);
            return [];
        }
    }

    [Fact]
    public async Task A_repeat_with_the_same_key_is_handed_to_nobody()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        TopicPosition before = await host.Topics.PublishAsync("t", "before", "0", Token);
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        Assert.True(connection.Subscribe("t"));

        Assert.Equal(before, await host.Topics.PublishAsync("t", "before", "0", Token));
        TopicPosition first = await host.Topics.PublishAsync("t", "1", "a", Token);
        Assert.Equal(first, await host.Topics.PublishAsync("t", "1"u8.ToArray(), MessageType.Text, "a", Token));
        var numbers = (JsonTypeInfo<int>)JsonSerializerOptions.Default.GetTypeInfo(typeof(int));
        TopicPosition second = await host.Topics.PublishAsync("t", 2, numbers, "b", Token);
        Assert.Equal(second, await host.Topics.PublishAsync("t", 2, numbers, "b", Token));
        host.Topics.Publish("t", "3");

        Assert.Equal(["1", "2", "3"], [await client.ReceiveTextAsync(), await client.ReceiveTextAsync(), await client.ReceiveTextAsync()]);
        await Assert.ThrowsAsync<ArgumentException>(async () => await host.Topics.PublishAsync("t", "x", "", Token));
        await Assert.ThrowsAsync<ArgumentException>(async () => await host.Topics.PublishAsync("t", "x", new string('k', 65), Token));
    }

    [Fact]
    public async Task A_filter_is_asked_for_each_topic_with_no_lock_held()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        var asked = new ConcurrentQueue<string>();
        connection.Subscribe("room/*", topic =>
        {
            asked.Enqueue(topic);

            // Another thread gets on with the same topic: nothing is locked.
            Assert.True(Task.Run(() => host.Topics.CountSubscribers(topic)).Wait(TestHost.Patience));
            return topic != "room/secret";
        });

        Assert.Equal(new FanoutResult(1, 0), host.Topics.Publish("room/open", "yes"));
        Assert.Equal(default, host.Topics.Publish("room/secret", "no"));
        Assert.Equal("yes", await client.ReceiveTextAsync());
        Assert.Equal(["room/open", "room/secret"], asked.Distinct().Order());
    }

    [Fact]
    public async Task A_plain_connection_continues_where_it_was()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle), options => options.TopicHistory = new TopicHistory { MaxCount = 3 });
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        TopicPosition[] positions = new TopicPosition[5];
        for (int i = 0; i < positions.Length; i++)
        {
            positions[i] = await host.Topics.PublishAsync("t", $"{i}", Token);
        }

        Assert.Equal(new SubscribeResult(true, positions[4], false, null), await connection.SubscribeAsync("t", TopicStart.After(positions[2]), Token));
        Assert.Equal(default, await connection.SubscribeAsync("t", TopicStart.Oldest, Token));
        host.Topics.Publish("t", "5");
        Assert.Equal(["3", "4", "5"], [await client.ReceiveTextAsync(), await client.ReceiveTextAsync(), await client.ReceiveTextAsync()]);

        connection.Unsubscribe("t");
        SubscribeResult reset = await connection.SubscribeAsync("t", TopicStart.After(positions[0]), Token);
        Assert.Equal((true, true, 2L), (reset.IsSubscribed, reset.IsReset, reset.Lost));
        Assert.Equal("3", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task Those_who_come_and_go_are_told_of_in_order()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        var told = new ConcurrentQueue<string>();
        host.Topics.Joined += (_, e) => told.Enqueue($"+{e.Topic} {e.Subscriber.Id}");
        host.Topics.Left += (_, e) => told.Enqueue($"-{e.Topic} {e.Subscriber.Id}");
        host.Topics.Left += (_, _) => throw new InvalidOperationException("bug");
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        connection.Subscribe("a");
        connection.Subscribe("b/*");
        Assert.Equal([new TopicSubscriber(connection.Id, null)], host.Topics.ListSubscribers("a"));
        connection.Unsubscribe("a");
        connection.Subscribe("a");
        client.Abort();
        await Eventually.True(() => told.Count == 4);
        Assert.Equal(["+", "-", "+", "-"], told.Select(line => line[..1]));
        Assert.All(told, line => Assert.EndsWith($"a {connection.Id}", line, StringComparison.Ordinal));
        Assert.Empty(host.Topics.ListSubscribers("a"));
        await Eventually.True(() => host.Log.GetSnapshot().Count(record => record.Id.Name == "TopicListenerFailed") == 2);
    }

    [Fact]
    public async Task A_topic_that_nobody_uses_expires_and_that_is_told()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await using TestHost host = await TestHost.StartAsync(_ => { }, options => options.TopicIdleLifetime = TimeSpan.FromMinutes(1), builder => builder.Services.AddSingleton<TimeProvider>(time));
        using var expirations = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.pubsub.expirations");
        var expired = new ConcurrentQueue<string>();
        host.Topics.Expired += (_, e) => expired.Enqueue(e.Topic);
        TopicPosition position = await host.Topics.PublishAsync("news", "old", Token);
        using TopicSubscription reader = await host.Topics.SubscribeAsync("used", TopicStart.Now, Token);
        host.Topics.Publish("used", "kept");
        time.Advance(TimeSpan.FromMinutes(2));

        Assert.Equal(["news"], expired);
        TopicPage page = await host.Topics.ReadAsync("news", TopicStart.After(position), 10, Token);
        Assert.True(page.IsReset);
        Assert.Equal("kept", Assert.Single((await reader.ReadAsync(Token)).Messages).Text);
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "TopicExpired");
        Assert.Equal(1, Assert.Single(expirations.GetMeasurementSnapshot()).Value);
    }

    [Fact]
    public async Task What_histories_let_go_of_because_memory_is_short_is_counted_and_told_once_a_while()
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await TestHost.StartAsync(
            _ => { },
            options => (options.MaxTopicHistoryBytes, options.TopicIdleLifetime, options.TopicHistory) = (1_000, TimeSpan.FromMinutes(1), new TopicHistory { MaxCount = 5 }),
            builder => builder.Services.AddSingleton<TimeProvider>(time));
        using var cut = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.pubsub.history.cut");

        // The sixth lets the first go by the topic's own limit; the seventh lets go of the other four but one, for all are 1,100 bytes by then.
        foreach (int size in (int[])[10, 10, 10, 10, 10, 1_060])
        {
            host.Topics.Publish("news", new string('x', size));
        }

        cut.RecordObservableInstruments();
        Assert.Equal(0, cut.LastMeasurement!.Value);
        host.Topics.Publish("news", "seventh");
        cut.RecordObservableInstruments();
        Assert.Equal(4, cut.LastMeasurement!.Value);
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal("4", Assert.Single(host.Log.GetSnapshot(), record => record.Id.Name == "HistoriesCut").GetStructuredStateValue("Count"));
    }

    [Fact]
    public async Task A_topic_that_only_a_wildcard_keeps_goes_when_it_is_idle()
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle), options => options.KeepAliveInterval = Timeout.InfiniteTimeSpan, builder => builder.Services.AddSingleton<TimeProvider>(time));
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.Single(host.Connections).Subscribe("**");
        host.Topics.Publish("a", "1");
        Assert.Equal(1, host.Topics.Count);
        time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(0, host.Topics.Count);
        Assert.Equal(new FanoutResult(1, 0), host.Topics.Publish("a", "2"));
        Assert.Equal(["1", "2"], [await client.ReceiveTextAsync(), await client.ReceiveTextAsync()]);

        // The drain would wait for it by a clock that stands still.
        await client.CloseAsync();
        await Eventually.True(() => host.Connections.Count == 0);
    }

    [Fact]
    public async Task A_reader_that_is_cancelled_loses_nothing_and_one_that_is_disposed_leaves_nothing()
    {
        await using TestHost host = await TestHost.StartAsync(_ => { });
        using (TopicSubscription reader = await host.Topics.SubscribeAsync("t", TopicStart.Now, Token))
        {
            using var soon = new CancellationTokenSource();
            ValueTask<TopicPage> reading = reader.ReadAsync(soon.Token);
            await soon.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await reading);
            host.Topics.Publish("t", "kept");
            Assert.Equal("kept", Assert.Single((await reader.ReadAsync(Token)).Messages).Text);
            Assert.Equal((1, 0), (host.Topics.Count, host.Topics.CountSubscribers("t")));
        }

        Assert.Equal(0, host.Topics.Count);
    }

    [Fact]
    public async Task Two_reads_of_one_subscription_at_a_time_broke_the_list_of_all_who_wait_for_the_topic()
    {
        await using TestHost host = await TestHost.StartAsync(_ => { });
        using TopicSubscription other = await host.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        using TopicSubscription reader = await host.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        ValueTask<TopicPage> others = other.ReadAsync(Token);
        ValueTask<TopicPage> first = reader.ReadAsync(Token);

        ValueTask<TopicPage> second = reader.ReadAsync(Token);
        host.Topics.Publish("t", "one");

        await Assert.ThrowsAsync<InvalidOperationException>(() => second.AsTask().WaitAsync(TimeSpan.FromMinutes(1), Token));
        Assert.Equal("one", Assert.Single((await others).Messages).Text);
        Assert.Equal("one", Assert.Single((await first).Messages).Text);
        host.Topics.Publish("t", "two");
        Assert.Equal("two", Assert.Single((await reader.ReadAsync(Token)).Messages).Text);
    }

    [Fact]
    public async Task A_read_waited_for_ever_when_its_subscription_was_disposed_of()
    {
        await using TestHost host = await TestHost.StartAsync(_ => { });
        TopicSubscription reader = await host.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        Task<TopicPage> reading = reader.ReadAsync(Token).AsTask();

        reader.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => reading.WaitAsync(TimeSpan.FromMinutes(1), Token));
        Assert.Equal(0, host.Topics.Count);
    }

    [Fact]
    public async Task Who_has_left_a_topic_is_told_of_nobody()
    {
        await using Room room = await Room.OpenAsync();

        // It goes between its subscription and its wish to be told.
        Assert.True(room.Hub.Unsubscribe(room.Watcher, ConnectionState.Of(room.Watcher, out _), "room", MemberForm.Protocol));
        room.Watch();
        Assert.True(room.Guest.Unsubscribe("room") && room.Guest.Subscribe("room"));
        room.Watcher.Send("nothing was told");
        Assert.Equal("nothing was told", await room.WhatIsToldAsync());
    }

    [Fact]
    public async Task Nobody_who_has_left_is_named_as_present_behind_the_news_of_it()
    {
        await using Room room = await Room.OpenAsync();

        // Events are under way, at a listener, while somebody asks to be told, and the guest goes.
        var raising = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var goOn = new ManualResetEventSlim();
        room.Hub.Left += (_, left) =>
        {
            if (left.Topic == "elsewhere")
            {
                raising.SetResult();
                Assert.True(goOn.Wait(TestHost.Patience, Token));
            }
        };
        Assert.True(room.Guest.Subscribe("elsewhere"));
        Task busy = Task.Run(() => room.Guest.Unsubscribe("elsewhere"), Token);
        await raising.Task.WaitAsync(TestHost.Patience, Token);
        room.Watch();
        Assert.True(room.Guest.Unsubscribe("room"));
        goOn.Set();
        await busy.WaitAsync(TestHost.Patience, Token);

        Assert.Equal($$"""{"topic":"room","subscribers":[{"id":"{{room.Watcher.Id}}"}],"type":"present"}""", await room.WhatIsToldAsync());
    }

    [Fact]
    public void Wrong_options_are_named()
    {
        var options = new DuologueOptions
        {
            TopicIdleLifetime = TimeSpan.Zero,
            MaxTopicHistoryBytes = -1,
            TopicHistory = new TopicHistory { MaxCount = -1, MaxBytes = -1, MaxAge = TimeSpan.Zero, MaxIdempotencyKeys = 0, MaxIdempotencyKeyAge = TimeSpan.Zero },
            TopicHistories = { ["a*"] = TopicHistory.None, ["b"] = null! },
        };
        ValidateOptionsResult result = new DuologueOptionsValidator().Validate(null, options);
        Assert.True(result.Failed);
        foreach (string name in new[] { "TopicIdleLifetime", "MaxTopicHistoryBytes", "MaxCount", "MaxBytes", "MaxAge", "MaxIdempotencyKeys", "MaxIdempotencyKeyAge", "TopicHistories[\"a*\"]", "TopicHistories[\"b\"]" })
        {
            Assert.Contains(result.Failures!, failure => failure.Contains(name, StringComparison.Ordinal));
        }
    }

    /// <summary>A topic that two subscribe to: one of them by <c>duologue.topics.v1</c>, who may ask to be told who is there.</summary>
    private sealed class Room(TestHost host, ClientWebSocket watching, ClientWebSocket visiting, WebSocketConnection watcher, Connection guest) : IAsyncDisposable
    {
        public TopicHub Hub { get; } = (TopicHub)host.Topics;

        public WebSocketConnection Watcher { get; } = watcher;

        public Connection Guest { get; } = guest;

        public static async Task<Room> OpenAsync()
        {
            TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
            ClientWebSocket watching = await host.ConnectAsync("/");
            ConnectionState state = ConnectionState.Of(Assert.Single(host.Connections), out WebSocketConnection watcher);
            ClientWebSocket visiting = await host.ConnectAsync("/");
            Connection guest = host.Connections.Single(connection => connection != watcher);
            var room = new Room(host, watching, visiting, watcher, guest);
            Assert.True(room.Hub.Subscribe(watcher, state, "room", MemberForm.Protocol, null));
            Assert.True(guest.Subscribe("room"));
            return room;
        }

        public void Watch() => Hub.WatchPresence(new Member(Watcher, MemberForm.Protocol), "room");

        public Task<string> WhatIsToldAsync() => watching.ReceiveTextAsync();

        public async ValueTask DisposeAsync()
        {
            watching.Dispose();
            visiting.Dispose();
            await host.DisposeAsync();
        }
    }
}
