using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>Messages of a topic that are larger than a <see cref="TopicClient"/> reads, and pages that are.</summary>
public sealed class LargeMessagesTests : IDisposable
{
    // With a MaxMessageSize of next to nothing a client reads little more than 8 MiB.
    private const int TooLarge = 9 * 1024 * 1024;

    private readonly ServiceProvider _client = new ServiceCollection().AddLogging(logging => logging.AddFakeLogging().SetMinimumLevel(LogLevel.Debug)).BuildServiceProvider();

    public static TheoryData<FeedWays> EachWay => QuickTopics.EachWay;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private TopicClientOptions Options => QuickTopics.Options with
    {
        Connect = QuickTopics.Options.Connect with { MaxMessageSize = 1, LoggerFactory = _client.GetRequiredService<ILoggerFactory>() },
    };

    public void Dispose() => _client.Dispose();

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task A_message_larger_than_its_client_reads_was_asked_for_again_for_ever_and_nothing_behind_it_came(FeedWays way)
    {
        await using TestHost host = await StartAsync(_ => { });
        host.Topics.Publish("news", "before");
        TopicPosition large = await host.Topics.PublishAsync("news", new string('x', TooLarge), Token);
        host.Topics.Publish("news", "behind");
        host.Topics.Publish("other", "1");
        await using TopicClient client = QuickTopics.Open(host, Options with { Ways = way });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        await using TopicReader other = TopicReader.Of(client, "other", TopicClient.Oldest);

        Assert.Equal("before", (await reader.ItemAsync()).Text);
        TopicReset reset = Assert.IsType<TopicReset>(await reader.NextAsync());
        Assert.Equal((1, large.ToString()), (reset.Lost, reset.Cursor));
        Assert.Equal("behind", (await reader.ItemAsync()).Text);
        Assert.Equal("1", (await other.ItemAsync()).Text);

        // And once more: on a WebSocket without a cut now.
        int cuts = Logged("WaitsToComeBack").Length;
        host.Topics.Publish("news", new byte[TooLarge], MessageType.Binary);
        host.Topics.Publish("news", "the end");
        host.Topics.Publish("other", "2");
        Assert.Equal(1, Assert.IsType<TopicReset>(await reader.NextAsync()).Lost);
        Assert.Equal("the end", (await reader.ItemAsync()).Text);
        Assert.Equal("2", (await other.ItemAsync()).Text);
        Assert.Equal(cuts, Logged("WaitsToComeBack").Length);
        Assert.Equal(way == FeedWays.WebSocket ? 1 : 0, cuts);

        FakeLogRecord[] logged = Logged("ClientMessageTooLarge");
        Assert.Equal(2, logged.Length);
        Assert.Equal((2019, LogLevel.Warning, "news", large.ToString()), (logged[0].Id.Id, logged[0].Level, logged[0].GetStructuredStateValue("Topic"), logged[0].GetStructuredStateValue("Cursor")));
        Assert.Contains("MaxMessageSize", logged[0].Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FeedWays.Polling)]
    [InlineData(FeedWays.LongPolling)]
    public async Task A_page_that_came_for_longer_than_connecting_may_take_was_asked_for_again_for_ever(FeedWays way)
    {
        const string Item = """{"id":"1-1","time":0,"data":"slow"}""";
        TimeSpan most = TimeSpan.FromSeconds(3);
        await using TestHost host = await TestHost.StartAsync(app => app.MapGet("/topics/{topic}", async context =>
        {
            bool isNew = context.Request.Query["after"] != "1-1";
            string page = $$"""{"items":[{{(isNew ? Item : "")}}],"next":"1-1"}""";
            foreach (char piece in page)
            {
                // As a line that is slow, and never silent.
                await context.Response.WriteAsync($"{piece}", context.RequestAborted);
                await Task.Delay(isNew ? most * 1.5 / page.Length : most / 10, context.RequestAborted);
            }
        }));
        await using TopicClient client = QuickTopics.Open(host, Options with { Ways = way, Connect = Options.Connect with { ConnectTimeout = most } });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        Assert.Equal("slow", (await reader.ItemAsync()).Text);
    }

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task A_message_that_is_too_large_hides_nothing_that_was_lost_before_it(FeedWays way)
    {
        await using TestHost host = await StartAsync(options => options.TopicHistory = new TopicHistory { MaxCount = 2, MaxBytes = 256 * 1024 * 1024 });
        TopicPosition first = await host.Topics.PublishAsync("news", "1", Token);
        host.Topics.Publish("news", "2");
        host.Topics.Publish("news", "3");
        host.Topics.Publish("news", new string('"', TooLarge / 2));
        host.Topics.Publish("news", "5");
        await using TopicClient client = QuickTopics.Open(host, Options with { Ways = way });
        await using TopicReader reader = TopicReader.Of(client, "news", first.ToString());

        List<long?> lost = [];
        TopicNews news;
        while ((news = await reader.NextAsync()) is TopicReset reset)
        {
            lost.Add(reset.Lost);
        }

        Assert.Equal([2, 1], lost);
        Assert.Equal("5", Assert.IsType<TopicItem>(news).Text);
    }

    [Theory]
    [InlineData(FeedWays.LongPolling)]
    [InlineData(FeedWays.Polling)]
    [InlineData(FeedWays.ServerSentEvents)]
    public async Task Messages_that_are_too_large_only_together_are_read_one_by_one_and_none_is_given_up(FeedWays way)
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapTopics("/topics/{**name}").WithOptions(endpoint => endpoint.MaxPageBytes = 64 * 1024 * 1024),
            options => options.TopicHistory = new TopicHistory { MaxBytes = 256 * 1024 * 1024 });
        string[] texts = [.. Enumerable.Range(0, 5).Select(number => new string((char)('a' + number), TooLarge / 3))];
        foreach (string text in texts)
        {
            host.Topics.Publish("news", text);
        }

        await using TopicClient client = QuickTopics.Open(host, Options with { Ways = way });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);

        foreach (string text in texts)
        {
            Assert.Equal(text, (await reader.ItemAsync()).Text);
        }

        host.Topics.Publish("news", "behind");
        Assert.Equal("behind", (await reader.ItemAsync()).Text);
        Assert.Empty(Logged("WaitsToComeBack"));
    }

    [Fact]
    public async Task By_a_pattern_a_message_that_is_too_large_is_told_of_its_topic_once_the_client_reads_piecewise()
    {
        await using TestHost host = await StartAsync(_ => { });
        await using TopicClient client = QuickTopics.Open(host, Options with { Ways = FeedWays.WebSocket });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await using var reader = new TopicReader(client.SubscribePatternAsync("room/*", stop.Token).GetAsyncEnumerator(stop.Token), stop);
        Task<TopicNews> moving = reader.NextAsync();
        await PublishUntilAsync(host, moving);
        Assert.IsType<TopicItem>(await moving);

        // The first one cuts the line, which for a pattern is a gap as any.
        host.Topics.Publish("room/1", new string('x', TooLarge));
        TopicReset gap = Assert.IsType<TopicReset>(await NextBehindTicksAsync(reader));
        Assert.Equal(("room/*", null), (gap.Topic, gap.Lost));

        TopicPosition large = await host.Topics.PublishAsync("room/1", new string('x', TooLarge), Token);
        host.Topics.Publish("room/1", "behind");
        TopicReset reset = Assert.IsType<TopicReset>(await NextBehindTicksAsync(reader));
        Assert.Equal(("room/1", 1, large.ToString()), (reset.Topic, reset.Lost, reset.Cursor));
        Assert.Equal("behind", (await reader.ItemAsync()).Text);
    }

    [Fact]
    public async Task A_list_of_all_who_subscribe_that_is_too_large_ends_what_has_asked_for_it_and_nothing_else()
    {
        string present = $$"""{"topic":"crowd","subscribers":[{"id":"{{new string('x', TooLarge)}}"}],"type":"present"}""";
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/topics").WithSubprotocol("duologue.topics.v1", async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync(Token))
            {
                if (!message.Text.Contains("\"ref\":", StringComparison.Ordinal))
                {
                    continue;
                }

                string topic = message.Text.Contains("crowd", StringComparison.Ordinal) ? "crowd" : "news";
                string reference = message.Text.Split("\"ref\":")[1].TrimEnd('}');
                await connection.SendAsync($$"""{"topic":"{{topic}}","ref":{{reference}},"type":"subscribed"}""", Token);
                await connection.SendAsync(topic == "crowd" ? present : $$"""{"type":"items","topic":"news","items":[{"id":"1-1","time":1,"data":"x"}],"next":"1-1","reset":false}""", Token);
            }
        }));
        await using TopicClient client = QuickTopics.Open(host, Options with { Ways = FeedWays.WebSocket });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await using var crowd = new TopicReader(client.SubscribeWithPresenceAsync("crowd", TopicClient.Now, stop.Token).GetAsyncEnumerator(stop.Token), stop);

        TopicException refused = await Assert.ThrowsAsync<TopicException>(crowd.NextAsync);

        Assert.Equal("too_large", refused.Code);
        Assert.Contains("MaxMessageSize", refused.Message, StringComparison.Ordinal);
        await using TopicReader news = TopicReader.Of(client, "news", TopicClient.Oldest);
        Assert.Equal("x", (await news.ItemAsync()).Text);
    }

    // A pattern begins when its server has heard of it.
    private static async Task PublishUntilAsync(TestHost host, Task heard)
    {
        await Eventually.True(() =>
        {
            host.Topics.Publish("room/1", "tick");
            return heard.IsCompleted;
        });
    }

    private static async Task<TopicNews> NextBehindTicksAsync(TopicReader reader)
    {
        TopicNews news;
        do
        {
            news = await reader.NextAsync();
        }
        while (news is TopicItem { Text: "tick" });
        return news;
    }

    private FakeLogRecord[] Logged(string name) => [.. _client.GetRequiredService<FakeLogCollector>().GetSnapshot().Where(record => record.Id.Name == name)];

    private static Task<TestHost> StartAsync(Action<DuologueOptions> more) => QuickTopics.StartAsync(options =>
    {
        // So that it is no limit of the server's that tells.
        (options.MaxMessageSize, options.SendQueueLimit) = (64 * 1024 * 1024, 64 * 1024 * 1024);
        options.TopicHistory = new TopicHistory { MaxBytes = 256 * 1024 * 1024 };
        more(options);
    });
}
