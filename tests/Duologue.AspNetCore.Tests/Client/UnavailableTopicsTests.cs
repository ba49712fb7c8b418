using System.Net.WebSockets;
using System.Text;
using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>A <see cref="TopicClient"/> whose server is there, but what stores the topics is away.</summary>
public class UnavailableTopicsTests
{
    // The server says that it is to be asked again in some seconds, which are not what these tests are about.
    private static readonly TopicClientOptions Quick = QuickTopics.Options with { MaxRetryAfter = TimeSpan.FromMilliseconds(5) };

    public static TheoryData<FeedWays> EachWay => QuickTopics.EachWay;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task A_subscription_and_a_publish_outlive_a_broker_that_is_away_for_a_while(FeedWays way)
    {
        var broker = new AwayBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System), calls: 3);
        await using TestHost host = await QuickTopics.StartAsync(broker);
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        Task<TopicItem> first = reader.ItemAsync();

        // Many at once: those behind the one that fails are on their way already.
        string[] cursors = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => client.PublishAsync("news", $"{i}", Token))).WaitAsync(TestHost.Patience, Token);

        Assert.Equal(10, cursors.Distinct().Count());
        List<TopicItem> items = [await first];
        while (items.Count < 10)
        {
            items.Add(await reader.ItemAsync());
        }

        Assert.Equal(cursors.Order(), items.Select(item => item.Cursor).Order());
        Assert.Equal(Enumerable.Range(0, 10), items.Select(item => int.Parse(item.Text, null)).Order());
        Assert.Equal(10, (await broker.ReadAsync("news", TopicStart.Oldest, 100, int.MaxValue, Token)).Messages.Count);
        Assert.True(broker.Refused > 3, $"Only {broker.Refused} calls were refused.");
        Assert.Equal((way, ClientState.Open), (client.Way, client.State));
    }

    [Fact]
    public async Task What_was_published_behind_a_message_that_was_refused_for_the_moment_overtook_it()
    {
        var broker = new AwayBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System), calls: 5) { ReadsBefore = int.MaxValue };
        await using TestHost host = await QuickTopics.StartAsync(broker);
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.WebSocket });
        IEnumerable<int> numbers = Enumerable.Range(0, 100);
        await Task.WhenAll(numbers.Select(i => client.PublishAsync($"news/{i % 2}", $"{i}", Token))).WaitAsync(TestHost.Patience, Token);
        for (int topic = 0; topic < 2; topic++)
        {
            TopicPage page = await broker.ReadAsync($"news/{topic}", TopicStart.Oldest, 100, int.MaxValue, Token);
            Assert.Equal(numbers.Where(i => i % 2 == topic), page.Messages.Select(message => int.Parse(message.Text, null)));
        }
    }

    [Fact]
    public async Task Publishes_that_are_refused_together_are_one_failure()
    {
        const int Count = 5;
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await QuickTopics.StartAsync(broker);
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.WebSocket, MaxAttempts = Count - 1 });
        Task<string>[] publishing = [.. Enumerable.Range(0, Count).Select(i => client.PublishAsync("news", $"{i}", Token))];
        await broker.HoldsAsync(Count);
        for (int i = 0; i < Count; i++)
        {
            broker.Fail(i, new BrokerUnavailableException("It is away.", isUnknown: false, null));
        }

        // Were each a failure of its own, the last of them would be given up.
        for (int i = Count; i < 2 * Count; i++)
        {
            int repeat = i;
            await Eventually.True(() => broker.Count > repeat);
            broker.Answer(repeat);
        }

        await Task.WhenAll(publishing).WaitAsync(TestHost.Patience, Token);
        TopicPage page = await broker.ReadAsync("news", TopicStart.Oldest, 100, int.MaxValue, Token);
        Assert.Equal(Enumerable.Range(0, Count).Select(i => $"{i}"), page.Messages.Select(message => message.Text).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task Who_was_cut_off_from_a_history_by_a_broker_that_went_away_half_way_had_no_more_of_the_topic(FeedWays way)
    {
        // More than a page, so that the subscription has begun when the broker goes.
        string[] numbers = [.. Enumerable.Range(0, 300).Select(i => $"{i}")];
        var log = new MemoryBroker(new DuologueOptions(), TimeProvider.System);
        foreach (string number in numbers)
        {
            await log.AppendAsync("news", TopicHub.JsonMessage(Encoding.ASCII.GetBytes(number)), TopicHistory.None, Token);
        }

        await using TestHost host = await QuickTopics.StartAsync(new AwayBroker(log, calls: 2) { ReadsBefore = 1 });
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        List<string> had = [];
        while (had.Count < numbers.Length)
        {
            had.Add((await reader.ItemAsync()).Text);
        }

        Assert.Equal(numbers, had);
    }

    [Fact]
    public async Task A_broker_that_stays_away_ends_a_publish_with_what_is_known_and_why()
    {
        var broker = new AwayBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System), calls: int.MaxValue);
        await using TestHost host = await QuickTopics.StartAsync(broker);
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.WebSocket, RepeatFor = TimeSpan.FromSeconds(5) });
        TopicException unknown = await Assert.ThrowsAsync<TopicException>(() => client.PublishAsync("news", "1", Token).WaitAsync(TestHost.Patience, Token));
        Assert.Equal("unknown", unknown.Code);
        Assert.Equal("unavailable", Assert.IsType<TopicException>(unknown.InnerException).Code);
    }

    [Fact]
    public async Task Who_is_to_try_only_so_often_is_told_that_it_is_unavailable()
    {
        var broker = new AwayBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System), calls: int.MaxValue);
        await using TestHost host = await QuickTopics.StartAsync(broker);
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.WebSocket, MaxAttempts = 3 });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Now);
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<TopicException>(reader.NextAsync)).Code);
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<TopicException>(() => client.PublishAsync("news", "1", Token).WaitAsync(TestHost.Patience, Token))).Code);
        Assert.Equal(6, broker.Refused);
        Assert.Equal(ClientState.Open, client.State);
    }

    [Fact]
    public async Task A_subscription_that_is_ended_while_its_broker_is_away_may_be_begun_anew()
    {
        var broker = new AwayBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System), calls: int.MaxValue);
        await using TestHost host = await QuickTopics.StartAsync(broker);
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.WebSocket });
        using var enough = new CancellationTokenSource();
        await using IAsyncEnumerator<TopicNews> news = client.SubscribeAsync("news", enough.Token).GetAsyncEnumerator(Token);
        Task<bool> waiting = news.MoveNextAsync().AsTask();
        await Eventually.True(() => broker.Refused > 1);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(TestHost.Patience, Token));

        // The topic may be subscribed to anew, and is asked for again, too.
        int refused = broker.Refused;
        using var enoughAgain = new CancellationTokenSource();
        await using IAsyncEnumerator<TopicNews> anew = client.SubscribeAsync("news", enoughAgain.Token).GetAsyncEnumerator(Token);
        Task<bool> waitingAgain = anew.MoveNextAsync().AsTask();
        await Eventually.True(() => broker.Refused > refused + 1);
        await enoughAgain.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waitingAgain.WaitAsync(TestHost.Patience, Token));
    }

    [Fact]
    public async Task A_socket_of_one_topic_is_told_to_come_back_later()
    {
        var broker = new AwayBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System), calls: 1);
        await using TestHost host = await QuickTopics.StartAsync(broker);
        using ClientWebSocket early = await host.ConnectAsync("/topics/news?after=oldest");
        Assert.Equal("close 1013 What stores the topics is away for the moment.", await early.ReceiveTextAsync());
        using ClientWebSocket socket = await host.ConnectAsync("/topics/news?after=oldest");
        Assert.Contains("\"items\":[]", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
        await socket.SendTextAsync("lost answer");
        string last;
        do
        {
            // The message itself, which is in the topic, may come before.
            last = await socket.ReceiveTextAsync();
        }
        while (!last.StartsWith("close", StringComparison.Ordinal));
        Assert.Equal("close 1013 What stores the topics is away for the moment: a message may have been published or not.", last);
    }
}
