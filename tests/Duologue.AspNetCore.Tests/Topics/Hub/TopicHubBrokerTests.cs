using System.Diagnostics.Metrics;
using System.Net;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Client;
using Duologue.AspNetCore.Tests.Feed;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Pubsub;

/// <summary>Topics whose broker is elsewhere: it may be down, stumble or throw, and what it tells of may come together.</summary>
public class TopicHubBrokerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_broker_that_is_down_for_a_while_loses_nothing()
    {
        var broker = new FleetingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle), _ => { }, builder => builder.Services.AddSingleton<Broker>(broker));
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        broker.IsDown = true;
        Assert.True(connection.Subscribe("t"));
        Assert.Equal(default, host.Topics.Publish("t", "lost, and said so"));
        await Eventually.True(() => host.Log.GetSnapshot().Count(record => record.Id.Name == "BrokerFailed") >= 2);
        await Assert.ThrowsAsync<IOException>(async () => await host.Topics.PublishAsync("t", "refused", Token));
        broker.IsDown = false;

        // Subscribed for certain when the broker has answered; this waits for that.
        using TopicSubscription reader = await host.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        for (int i = 0; i < 20; i++)
        {
            await host.Topics.PublishAsync("t", $"{i}", Token);
        }

        for (int i = 0; i < 20; i++)
        {
            Assert.Equal($"{i}", await client.ReceiveTextAsync());
        }
    }

    [Fact]
    public async Task A_wildcard_on_a_broker_elsewhere_hears_the_first_message_of_a_topic_too()
    {
        var broker = new FleetingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle), _ => { }, builder => builder.Services.AddSingleton<Broker>(broker));
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.True(Assert.Single(host.Connections).Subscribe("news/*"));
        await host.Topics.PublishAsync("news/a", "first", Token);
        Assert.Equal("first", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task A_broker_is_told_whom_messages_reached_that_came_together_and_how_many_of_them_left_behind_another()
    {
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle), _ => { }, builder => builder.Services.AddSingleton<Broker>(broker));
        using ClientWebSocket first = await host.ConnectAsync("/");
        using ClientWebSocket second = await host.ConnectAsync("/");
        foreach (Connection connection in host.Connections)
        {
            Assert.True((await connection.SubscribeAsync("crowd", TopicStart.Now, Token)).IsSubscribed);
        }

        Assert.True((await host.Connections.First().SubscribeAsync("single", TopicStart.Now, Token)).IsSubscribed);
        foreach (string topic in (string[])["crowd", "single", "crowd", "nobody", "crowd"])
        {
            await host.Topics.PublishAsync(topic, topic, Token);
        }

        Assert.Equal(new FanoutReach(Deliveries: 7, Together: 4), broker.Tell());
    }

    [Fact]
    public async Task What_came_together_is_a_page_for_who_takes_pages_and_message_by_message_for_who_does_not()
    {
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartWithFeedAsync(broker);
        using ClientWebSocket feed = await host.ConnectAsync("/topics/pages?after=now");
        Assert.Empty(FeedPage.Parse(await feed.ReceiveTextAsync()).Ids);
        using ClientWebSocket session = await host.OpenTopicsAsync();
        foreach (string topic in (string[])["pages", "both"])
        {
            await session.SendTextAsync($$"""{"type":"subscribe","topic":"{{topic}}"}""");
            Assert.Contains("subscribed", await session.ReceiveTextAsync(), StringComparison.Ordinal);
            Assert.Contains("items", await session.ReceiveTextAsync(), StringComparison.Ordinal);
        }

        using ClientWebSocket raw = await host.ConnectAsync("/");
        Connection plain = host.Connections.Single(connection => connection.Request?.Path == "/");
        Assert.True((await plain.SubscribeAsync("both", TopicStart.Now, Token)).IsSubscribed);
        foreach ((string topic, string text) in (IEnumerable<(string, string)>)[("pages", "1"), ("both", "a"), ("pages", "2"), ("both", "b"), ("pages", "3")])
        {
            await host.Topics.PublishAsync(topic, text, Token);
        }

        Assert.Equal(new FanoutReach(Deliveries: 10, Together: 6), broker.Tell());
        FeedPage page = FeedPage.Parse(await feed.ReceiveTextAsync());
        Assert.Equal(["1", "2", "3"], page.Data);
        Assert.Equal(page.Ids[^1], page.Next);
        string[][] told = [FeedPage.Parse(await session.ReceiveTextAsync()).Data, FeedPage.Parse(await session.ReceiveTextAsync()).Data];
        Assert.Equal([["1", "2", "3"], ["a", "b"]], told);
        Assert.Equal(["a", "b"], [await raw.ReceiveTextAsync(), await raw.ReceiveTextAsync()]);
    }

    [Fact]
    public async Task However_much_came_together_all_of_it_leaves_in_its_order_and_in_pages_that_are_bounded()
    {
        const int Topics = 150;
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await StartWithFeedAsync(broker);
        using ClientWebSocket feed = await host.ConnectAsync("/topics/busy?after=now");
        Assert.Empty(FeedPage.Parse(await feed.ReceiveTextAsync()).Ids);
        using ClientWebSocket raw = await host.ConnectAsync("/");
        Connection plain = host.Connections.Single(connection => connection.Request?.Path == "/");
        string[] quiet = [.. Enumerable.Range(0, Topics).Select(number => $"quiet/{number}")];
        foreach (string topic in quiet)
        {
            Assert.True((await plain.SubscribeAsync(topic, TopicStart.Now, Token)).IsSubscribed);
        }

        string[] busy = [.. Enumerable.Range(0, Topic.MaxTogether + 6).Select(number => $"{number}")];
        for (int i = 0; i < Topics; i++)
        {
            await host.Topics.PublishAsync(quiet[i], quiet[i], Token);
            if (i < busy.Length)
            {
                await host.Topics.PublishAsync("busy", busy[i], Token);
            }
        }

        Assert.Equal(Topics + busy.Length, broker.Tell().Deliveries);
        string[][] pages = [FeedPage.Parse(await feed.ReceiveTextAsync()).Data, FeedPage.Parse(await feed.ReceiveTextAsync()).Data];
        Assert.Equal([busy[..Topic.MaxTogether], busy[Topic.MaxTogether..]], pages);
        foreach (string expected in quiet)
        {
            Assert.Equal(expected, await raw.ReceiveTextAsync());
        }
    }

    [Fact]
    public async Task What_a_broker_gives_and_cannot_be_read_is_read_again()
    {
        var broker = new StumblingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle), _ => { }, builder => builder.Services.AddSingleton<Broker>(broker));
        using var failures = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.pubsub.broker.failures");
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.True(Assert.Single(host.Connections).Subscribe("t"));
        using TopicSubscription reader = await host.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        await host.Topics.PublishAsync("t", "first", Token);
        Assert.Equal("first", await client.ReceiveTextAsync());
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "BrokerFailed");
        Assert.Contains(failures.GetMeasurementSnapshot(), measured => Equals(measured.Tags["duologue.broker.operation"], "read"));
    }

    [Fact]
    public async Task Who_read_a_topic_that_its_broker_did_not_follow_waited_for_ever()
    {
        var broker = new FleetingBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await QuickTopics.StartAsync(broker);
        var hub = (TopicHub)host.Topics;
        hub.BrokerPatience = TimeSpan.FromMilliseconds(100);
        broker.IsDown = true;
        BrokerUnavailableException refused = await Assert.ThrowsAsync<BrokerUnavailableException>(() => hub.SubscribeAsync("t", TopicStart.Oldest, Token).AsTask().WaitAsync(TestHost.Patience, Token));
        Assert.Contains("BrokerFailed", refused.Message, StringComparison.Ordinal);

        using var http = new HttpClient { BaseAddress = host.Url };
        using var stream = new HttpRequestMessage(HttpMethod.Get, "/topics/t");
        stream.Headers.Accept.ParseAdd("text/event-stream");
        using HttpResponseMessage answer = await http.SendAsync(stream, HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Equal(0, hub.Count);

        broker.IsDown = false;
        hub.BrokerPatience = TestHost.Patience;
        using TopicSubscription reader = await hub.SubscribeAsync("t", TopicStart.Oldest, Token);
        await hub.PublishAsync("t", "x", Token);
        Assert.Equal("x", Assert.Single((await reader.ReadAsync(Token)).Messages).Text);
    }

    [Fact]
    public async Task A_broker_that_throws_at_once_when_a_topic_ends_ended_the_process()
    {
        var time = new FakeTimeProvider();
        var broker = new ThrowingBroker(new MemoryBroker(new DuologueOptions(), time));
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Idle),
            options => options.TopicIdleLifetime = TimeSpan.FromSeconds(1),
            builder => builder.Services.AddSingleton<Broker>(broker).AddSingleton<TimeProvider>(time));
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        Assert.True(connection.Subscribe("news/*"));
        await host.Topics.PublishAsync("news/a", "x", Token);
        Assert.Equal("x", await client.ReceiveTextAsync());
        Assert.True(connection.Unsubscribe("news/*"));

        // What a timer's callback throws is nobody's to catch: here it is the clock's. Who has the message may have it before the topic is done with handing it out, and until then it is not idle.
        await Eventually.True(() =>
        {
            time.Advance(TimeSpan.FromSeconds(5));
            return host.Topics.Count == 0;
        });
        string[] failed = [.. host.Log.GetSnapshot().Where(record => record.Id.Name == "BrokerFailed").Select(record => record.Message)];
        Assert.Contains(failed, message => message.Contains("unsubscribe", StringComparison.Ordinal) && message.Contains("news/a", StringComparison.Ordinal));
        Assert.Contains(failed, message => message.Contains("unsubscribe", StringComparison.Ordinal) && message.Contains("news/*", StringComparison.Ordinal));
    }

    private static Task<TestHost> StartWithFeedAsync(Broker broker) => TestHost.StartAsync(
        app =>
        {
            app.MapDuologue("/", Talks.Idle);
            app.MapTopics("/topics/{**name}");
        },
        _ => { },
        builder => builder.Services.AddSingleton(broker));

    /// <summary>It does not answer with a task that fails where it fails at once.</summary>
    private sealed class ThrowingBroker(MemoryBroker log) : StoringBroker(log)
    {
        public override ValueTask UnsubscribeAsync(string topic) => throw new NotSupportedException("This broker does not end what it has begun.");

        protected override void Tell(string topic, TopicMessage message) => OnAppended(topic, message);
    }

    /// <summary>Its notifications are all lost, as far as it knows, and the first messages that it gives fail when they are looked at.</summary>
    private sealed class StumblingBroker(MemoryBroker log) : StoringBroker(log)
    {
        private bool _stumbled;

        public override async ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken)
        {
            TopicPage page = await base.ReadAsync(topic, start, maxCount, maxBytes, cancellationToken);
            if (page.Messages.Count == 0 || _stumbled)
            {
                return page;
            }

            _stumbled = true;
            return page with { Messages = new TopicMessage[] { null! } };
        }

        protected override void Tell(string topic, TopicMessage message) => OnUncertain(topic);
    }
}
