using System.Globalization;
using System.Text.Json;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>What a <see cref="TopicClient"/> makes of an answer that it has not had yet, or that says less than it seems to.</summary>
public class AnswersOwedTests
{
    private static readonly TopicClientOptions Quick = QuickTopics.Options;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(FeedWays.WebSocket)]
    [InlineData(FeedWays.LongPolling)]
    public async Task A_publish_whose_repeat_was_refused_was_told_as_forbidden_though_it_is_in_the_topic(FeedWays way)
    {
        int asked = 0;
        await using TestHost host = await TestHost.StartAsync(app => app.MapTopics("/topics/{**name}").WithOptions(endpoint =>
        {
            endpoint.AllowPublishing = true;
            endpoint.AuthorizePublish = _ => Interlocked.Increment(ref asked) == 1;
        }));
        await using var proxy = new Relay(host.Url.Port) { CutsFirstAnswers = way == FeedWays.WebSocket ? 2 : 1 };
        await using var client = new TopicClient(new Uri(proxy.Url, "/topics"), Quick with { Ways = way });

        TopicException told = await Assert.ThrowsAsync<TopicException>(() => client.PublishAsync("news", "once", Token).WaitAsync(TestHost.Patience, Token));

        Assert.Single((await host.Topics.ReadAsync("news", TopicStart.Oldest, 100, Token)).Messages);
        Assert.Equal("unknown", told.Code);
        Assert.Equal("forbidden", Assert.IsType<TopicException>(told.InnerException).Code);

        // One that was never without an answer is refused as it was.
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<TopicException>(() => client.PublishAsync("news", "never", Token).WaitAsync(TestHost.Patience, Token))).Code);
    }

    [Fact]
    public async Task A_reader_that_published_for_each_item_waited_for_an_answer_behind_what_it_had_not_read()
    {
        const int Count = 12;
        await using TestHost host = await QuickTopics.StartAsync();
        for (int i = 0; i < Count; i++)
        {
            host.Topics.Publish("in", TextOf(i));
        }

        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.WebSocket, MaxUnread = 4 });
        await using TopicReader reader = TopicReader.Of(client, "in", TopicClient.Oldest);
        for (int i = 0; i < Count; i++)
        {
            Assert.Equal(TextOf(i), (await reader.ItemAsync()).Text);
            await client.PublishAsync("out", TextOf(i), Token).WaitAsync(TestHost.Patience, Token);
        }

        Assert.Equal(Enumerable.Range(0, Count).Select(TextOf), (await host.Topics.ReadAsync("out", TopicStart.Oldest, 100, Token)).Messages.Select(message => message.Text));

        // It is still subscribed.
        host.Topics.Publish("in", "news");
        Assert.Equal("news", (await reader.ItemAsync()).Text);
    }

    [Fact]
    public async Task What_came_by_another_pattern_was_taken_for_the_beginning_of_one_that_had_none_yet()
    {
        int conversations = 0;
        var mayCut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/topics").WithSubprotocol("duologue.topics.v1", async connection =>
        {
            bool isFirst = Interlocked.Increment(ref conversations) == 1;
            var refs = new Dictionary<string, string>();
            while (refs.Count < 2)
            {
                using JsonDocument request = JsonDocument.Parse((await connection.ReceiveAsync(Token)).Data);
                refs.Add(request.RootElement.GetProperty("topic").GetString()!, request.RootElement.GetProperty("ref").GetString()!);
            }

            await BeginAsync("room/*");
            await PublishAsync("room/1", "by both");

            // By then something has been published in another topic of the second pattern, which has not begun yet.
            await BeginAsync("**");
            await PublishAsync("hall/1", "by the second");
            if (isFirst)
            {
                await mayCut.Task.WaitAsync(Token);
                connection.Abort();
            }

            await connection.Closed;

            async Task BeginAsync(string pattern) => await connection.SendAsync($$"""{"type":"subscribed","topic":"{{pattern}}","ref":"{{refs[pattern]}}"}""");

            async Task PublishAsync(string topic, string text) => await connection.SendAsync(
                $$"""{"type":"items","topic":"{{topic}}","items":[{"id":"a-1","time":1,"data":"{{text}}"}],"next":"a-1","reset":false}""");
        }));
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.WebSocket });
        await using IAsyncEnumerator<TopicNews> narrow = client.SubscribePatternAsync("room/*", Token).GetAsyncEnumerator(Token);
        ValueTask<bool> first = narrow.MoveNextAsync();
        await using IAsyncEnumerator<TopicNews> wide = client.SubscribePatternAsync("**", Token).GetAsyncEnumerator(Token);
        await PastSecondAsync();
        Assert.True(await first);

        mayCut.SetResult();

        List<TopicNews> news = await PastSecondAsync();
        Assert.IsType<TopicReset>(news[^2]);
        Assert.Single(news.OfType<TopicReset>());

        async Task<List<TopicNews>> PastSecondAsync()
        {
            List<TopicNews> had = [];
            while (had is not [.., TopicItem { Text: "by the second" }])
            {
                Assert.True(await wide.MoveNextAsync().AsTask().WaitAsync(TestHost.Patience, Token));
                had.Add(wide.Current);
            }

            return had;
        }
    }

    private static string TextOf(int number) => number.ToString(CultureInfo.InvariantCulture);
}
