using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using System.Text;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Options;

namespace Duologue.AspNetCore.Tests.Feed;

public class FeedSocketTests
{
    [Fact]
    public async Task Pages_are_pushed_from_where_the_client_was()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        feed.Topics.Publish("news/today", "one");
        feed.Topics.Publish("news/today", "two");
        string first = (await feed.PollAsync("/topics/news/today?limit=1")).Next;
        using ClientWebSocket socket = await feed.Host.ConnectAsync($"/topics/news/today?after={first}");

        FeedPage page = await ReceiveAsync(socket);
        Assert.Equal(("two", false), (page.All, page.Reset));
        await SubscribedAsync(feed, "news/today");
        feed.Topics.Publish("news/today", "three");
        FeedPage live = await ReceiveAsync(socket);
        Assert.Equal(["three"], live.Data);
        Assert.Equal(live.Ids[0], live.Next);
        Assert.Empty((await feed.PollAsync($"/topics/news/today?after={live.Next}")).Data);
    }

    [Fact]
    public async Task The_first_page_says_where_it_begins_and_what_is_lost()
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => options.TopicHistory = new TopicHistory { MaxCount = 1 });
        for (int i = 0; i < 4; i++)
        {
            feed.Topics.Publish("news", $"{i}");
        }

        string next = (await feed.PollAsync("/topics/news")).Next;
        string lost = next[..^1] + "1";
        using ClientWebSocket behind = await feed.Host.ConnectAsync($"/topics/news?after={lost}");
        FeedPage page = await ReceiveAsync(behind);
        Assert.Equal(("3", true, 2L), (page.All, page.Reset, page.Lost));
        using ClientWebSocket now = await feed.Host.ConnectAsync("/topics/news?after=now");
        page = await ReceiveAsync(now);
        Assert.Equal((next, 0, false), (page.Next, page.Data.Length, page.Reset));
    }

    [Theory]
    [InlineData("/topics/t")]
    [InlineData("/topics")]
    public async Task A_message_that_was_not_to_be_compressed_was_compressed_for_those_who_came_behind_it(string path)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.Compression = Compression.Shared);
        string secret = new('s', 4_000);
        feed.Topics.Publish("t", secret, MessageFlags.DisableCompression);
        await using RawClient client = await RawClient.ConnectAsync(feed.Host.Url);
        (string Name, string? Value)[] headers = path.EndsWith('t') ? [] : [("Sec-WebSocket-Protocol", TopicsProtocol.Name)];
        RawAnswer answer = await client.HandshakeAsync(path, [.. headers, ("Sec-WebSocket-Extensions", "permessage-deflate")]);
        Assert.Contains("permessage-deflate", answer["Sec-WebSocket-Extensions"], StringComparison.Ordinal);
        if (headers.Length > 0)
        {
            byte[] subscribe = [.. """{"type":"subscribe","topic":"t","after":"oldest"}"""u8];
            await client.Stream.WriteAsync((byte[])[0x81, (byte)(0x80 | subscribe.Length), 0, 0, 0, 0, .. subscribe], TestContext.Current.CancellationToken);
            Assert.Contains("subscribed", (await ReadFrameAsync(client)).Text, StringComparison.Ordinal);
        }

        (byte first, string page) = await ReadFrameAsync(client);
        Assert.Equal(0x81, first);
        Assert.Equal(secret, FeedPage.Parse(page).All);
    }

    private static async Task<(byte First, string Text)> ReadFrameAsync(RawClient client)
    {
        using var patience = new CancellationTokenSource(TestHost.Patience);
        byte[] head = new byte[4];
        await client.Stream.ReadExactlyAsync(head.AsMemory(0, 2), patience.Token);
        int length = head[1];
        if (length == 126)
        {
            await client.Stream.ReadExactlyAsync(head.AsMemory(2, 2), patience.Token);
            length = (head[2] << 8) | head[3];
        }

        byte[] payload = new byte[length];
        await client.Stream.ReadExactlyAsync(payload, patience.Token);
        return (head[0], Encoding.UTF8.GetString(payload));
    }

    [Fact]
    public async Task A_history_larger_than_the_queue_does_not_overflow_it()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.SendQueueLimit = 20_000);
        for (int i = 0; i < 100; i++)
        {
            feed.Topics.Publish("news", $"{i}".PadRight(9_000, '.'));
        }

        using ClientWebSocket socket = await feed.Host.ConnectAsync("/topics/news");
        var all = new List<string>();
        while (all.Count < 100)
        {
            all.AddRange((await ReceiveAsync(socket)).Data);
        }

        Assert.Equal(Enumerable.Range(0, 100).Select(i => $"{i}"), all.Select(text => text.TrimEnd('.')));
    }

    [Fact]
    public async Task The_client_publishes_where_that_is_allowed()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        using ClientWebSocket socket = await feed.Host.ConnectAsync("/topics/news");
        await ReceiveAsync(socket);
        await SubscribedAsync(feed, "news");
        await socket.SendTextAsync("hello");
        Assert.Equal(["hello"], (await ReceiveAsync(socket)).Data);
        Assert.Equal(["hello"], (await feed.PollAsync("/topics/news")).Data);
    }

    [Fact]
    public async Task Publishing_where_it_is_not_allowed_closes_and_says_so()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using ClientWebSocket socket = await feed.Host.ConnectAsync("/topics/news");
        await ReceiveAsync(socket);
        await socket.SendTextAsync("hello");
        Assert.Equal("close 1008 Clients may not publish here (AllowPublishing).", await socket.ReceiveTextAsync());
        Assert.Empty((await feed.PollAsync("/topics/news")).Data);
    }

    [Fact]
    public async Task Publishes_waited_each_for_the_one_before_where_the_broker_keeps_their_order()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.ConnectAsync("/topics/t");
        await ReceiveAsync(socket);
        string[] texts = ["a", "b", "c"];
        foreach (string text in texts)
        {
            await socket.SendTextAsync(text);
        }

        await broker.HoldsAsync(3);
        Assert.All(broker.Turns, turn => Assert.False(turn!.IsBroken));
        var had = new List<string>();
        for (int i = 0; i < texts.Length; i++)
        {
            broker.Answer(i);
            had.AddRange((await ReceiveAsync(socket)).Data);
        }

        Assert.Equal(texts, had);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_came_behind_a_publish_that_was_not_done_was_published(bool takesAhead)
    {
        var broker = new HeldBroker(takesAhead);
        await using TestHost host = await StartAsync(broker);
        using var refusals = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.pubsub.publish.refusals");
        using ClientWebSocket socket = await host.ConnectAsync("/topics/t");
        await ReceiveAsync(socket);
        await socket.SendTextAsync("a");
        await socket.SendTextAsync("b");
        await broker.HoldsAsync(takesAhead ? 2 : 1);

        if (takesAhead)
        {
            // The peer is told of the first, whichever is known first.
            broker.Turns[0]!.NotDone();
            Assert.True(broker.Turns[1]!.IsBroken);
            broker.Fail(1, new BrokerUnavailableException(PublishTurn.Refusal, isUnknown: false, null));
            await Eventually.True(() => refusals.GetMeasurementSnapshot().Count == 1);
        }

        broker.Fail(0, new BrokerUnavailableException("It is away.", isUnknown: true, null));
        Assert.Equal("close 1013 What stores the topics is away for the moment: a message may have been published or not.", await socket.ReceiveTextAsync());
        await socket.SendTextAsync("c");
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", TestContext.Current.CancellationToken);

        // A connection may be gone before its handler has had what came over it.
        await Eventually.True(() => refusals.GetMeasurementSnapshot().Count == 3);
        Assert.Equal(takesAhead ? 2 : 1, broker.Count);
        Assert.Equal(takesAhead ? ["behind", "unavailable", "behind"] : ["unavailable", "behind", "behind"], refusals.GetMeasurementSnapshot().Select(measured => measured.Tags["duologue.publish.refusal"]));
    }

    [Fact]
    public async Task What_came_behind_publishes_taken_ahead_was_published_without_them_by_a_broker_that_took_no_more_ahead()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.ConnectAsync("/topics/t");
        await ReceiveAsync(socket);
        await socket.SendTextAsync("a");
        await broker.HoldsAsync(1);
        broker.IsAhead = false;
        await socket.SendTextAsync("b");
        await broker.HoldsAsync(2);

        broker.Turns[0]!.NotDone();
        Assert.True(broker.Turns[1]?.IsBroken);
        broker.Fail(1, new BrokerUnavailableException(PublishTurn.Refusal, isUnknown: false, null));
        broker.Fail(0, new BrokerUnavailableException("It is away.", isUnknown: false, null));
        Assert.Equal("close 1013 What stores the topics is away for the moment: a message was not published.", await socket.ReceiveTextAsync());
    }

    [Theory]
    [InlineData("/topics/a//b", 400)]
    [InlineData("/topics/news?after=rubbish", 400)]
    [InlineData("/topics/secret", 403)]
    [InlineData("/topics", 400)]
    public async Task What_is_wrong_is_said_before_the_handshake(string path, int status)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AuthorizeSubscribe = access => access.Topic != "secret");
        Assert.Equal(status, (await feed.Host.HandshakeAsync(path)).Status);
    }

    [Fact]
    public async Task Too_many_topics_closes_and_says_so()
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => options.MaxTopics = 1);
        feed.Topics.Publish("the one", "x");
        using ClientWebSocket socket = await feed.Host.ConnectAsync("/topics/another");
        Assert.Equal("close 1013 There are 1 topics, which is the most (MaxTopics).", await socket.ReceiveTextAsync());
    }

    [Theory]
    [InlineData(SendQueuePolicy.DropOldest)]
    [InlineData(SendQueuePolicy.DropNewest)]
    [InlineData(SendQueuePolicy.Wait)]
    public async Task Who_was_too_slow_for_a_server_that_drops_had_a_gap_that_nobody_told_it_of(SendQueuePolicy policy)
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => (options.SendQueuePolicy, options.SendQueueLimit) = (policy, 64 * 1024));
        using ClientWebSocket slow = await feed.Host.ConnectAsync("/topics/t?after=now");
        await ReceiveAsync(slow);
        await SubscribedAsync(feed, "t");

        // It reads nothing: the kernel's buffers fill, then its own queue.
        string large = new('x', 32 * 1024);
        FanoutResult result = default;
        for (int i = 0; i < 2_000 && result.Dropped == 0; i++)
        {
            result = feed.Topics.Publish("t", large);
        }

        Assert.Equal(1, result.Dropped);
        string text;
        string next = "0";
        for (int number = 1; !(text = await slow.ReceiveTextAsync()).StartsWith("close", StringComparison.Ordinal); number++)
        {
            FeedPage page = FeedPage.Parse(text);
            next = page.Next;
            Assert.EndsWith($"-{number}", next, StringComparison.Ordinal);
        }

        Assert.StartsWith("close 1013", text, StringComparison.Ordinal);
        Assert.False((await feed.PollAsync($"/topics/t?after={next}")).Reset);
    }

    [Theory]
    [InlineData(SendQueuePolicy.DropOldest)]
    [InlineData(SendQueuePolicy.DropNewest)]
    [InlineData(SendQueuePolicy.Wait)]
    public async Task Topics_that_are_to_drop_are_refused(SendQueuePolicy policy)
    {
        OptionsValidationException error = await Assert.ThrowsAsync<OptionsValidationException>(() => FeedHost.StartAsync(endpoint => endpoint.SendQueuePolicy = policy));
        Assert.Contains($"SendQueuePolicy is {policy}; of topics it can be Close only", error.Message, StringComparison.Ordinal);
    }

    private static Task<TestHost> StartAsync(Broker broker) => TestHost.StartAsync(
        app => app.MapTopics("/topics/{**name}").WithOptions(topics => topics.AllowPublishing = true),
        options => options.CloseTimeout = TimeSpan.FromHours(1),
        builder => builder.Services.AddSingleton(broker));

    private static async Task<FeedPage> ReceiveAsync(ClientWebSocket socket) => FeedPage.Parse(await socket.ReceiveTextAsync());

    private static Task SubscribedAsync(FeedHost feed, string topic) => Eventually.True(() => feed.Topics.CountSubscribers(topic) == 1);
}
