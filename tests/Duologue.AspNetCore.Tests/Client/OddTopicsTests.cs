using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>Names, payloads and options at the edge of what is allowed: by each way a <see cref="TopicClient"/> must say the same of them.</summary>
public class OddTopicsTests
{
    private static readonly TopicClientOptions Quick = QuickTopics.Options;

    public static TheoryData<FeedWays> EachWay => QuickTopics.EachWay;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task A_message_nested_as_deep_as_may_be_stopped_its_topic_for_every_reader(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync();
        string deep = new string('[', 64) + new string(']', 64);
        using var http = new HttpClient();
        using var body = new StringContent(deep, Encoding.UTF8, "application/json");
        using HttpResponseMessage published = await http.PostAsync(new Uri(host.Url, "/topics/news"), body, Token);
        Assert.True(published.IsSuccessStatusCode, $"The server takes none of it: {published.StatusCode}");
        host.Topics.Publish("news", "next");

        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);

        Assert.Equal(deep, (await reader.ItemAsync()).Text);
        Assert.Equal("next", (await reader.ItemAsync()).Text);
    }

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task A_value_that_is_nested_too_deep_is_refused_by_name(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync();
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });

        var options = new JsonSerializerOptions(JsonSerializerOptions.Default) { MaxDepth = 200 };
        var typeInfo = (JsonTypeInfo<object>)options.GetTypeInfo(typeof(object));
        object value = 1;
        for (int i = 0; i < 64; i++)
        {
            value = new[] { value };
        }

        await client.PublishAsync("news", value, typeInfo, Token).WaitAsync(TestHost.Patience, Token);
        TopicException refused = await Assert.ThrowsAsync<TopicException>(() => client.PublishAsync("news", new[] { value }, typeInfo, Token).WaitAsync(TestHost.Patience, Token));

        Assert.Contains(refused.Code, (string[])["bad_message", "bad_request"]);
        await client.PublishAsync("news", "on it goes", Token).WaitAsync(TestHost.Patience, Token);
    }

    [Theory]
    [InlineData(FeedWays.WebSocket)]
    [InlineData(FeedWays.LongPolling)]
    public async Task A_publish_that_was_too_large_for_its_server_was_repeated_for_minutes_and_let_nothing_else_through(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync(options => options.MaxMessageSize = 10_000);
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });
        Task<string> before = client.PublishAsync("news", "before", Token);
        Task<string> large = client.PublishAsync("news", new string('x', 20_000), Token);
        Task<string> behind = client.PublishAsync("news", "behind", Token);

        TopicException refused = await Assert.ThrowsAsync<TopicException>(() => large.WaitAsync(TestHost.Patience, Token));

        Assert.Equal("bad_request", refused.Code);
        await Task.WhenAll(before, behind).WaitAsync(TestHost.Patience, Token);
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        Assert.Equal(["before", "behind"], [(await reader.ItemAsync()).Text, (await reader.ItemAsync()).Text]);
    }

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task A_text_that_the_server_takes_grew_on_its_way_until_it_was_too_large(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync(options => options.MaxMessageSize = 10_000);
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });
        string text = string.Concat(Enumerable.Repeat("<ж>", 2_000));

        await client.PublishAsync("news", text, Token).WaitAsync(TestHost.Patience, Token);

        Assert.Equal(text, Assert.Single((await host.Topics.ReadAsync("news", TopicStart.Oldest, 10, Token)).Messages).Text);
    }

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task A_segment_of_dots_led_a_request_to_another_topic(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync();
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });
        foreach (string topic in (string[])["a/../b", "a/./b", "..", ".", "../other"])
        {
            await Assert.ThrowsAsync<ArgumentException>(() => client.PublishAsync(topic, "x", Token));
            Assert.Throws<ArgumentException>(() => client.SubscribeAsync(topic, TopicClient.Oldest, Token));
        }

        await client.PublishAsync("b", "on it goes", Token).WaitAsync(TestHost.Patience, Token);
        await using TopicReader other = TopicReader.Of(client, "b", TopicClient.Oldest);
        Assert.Equal("on it goes", (await other.ItemAsync()).Text);
    }

    [Fact]
    public async Task A_name_that_is_no_text_was_published_to_and_never_read()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        await using TopicClient client = QuickTopics.Open(host, Quick);

        await Assert.ThrowsAsync<ArgumentException>(() => client.PublishAsync("a\ud800b", "x", Token));
        Assert.Throws<ArgumentException>(() => client.SubscribeAsync("a\ud800b", Token));
        Assert.Throws<ArgumentException>(() => client.SubscribeWithPresenceAsync("a\udc00", TopicClient.Now, Token));
        Assert.Throws<ArgumentException>(() => client.SubscribePatternAsync("\ud800/*", Token));
    }

    [Theory]
    [InlineData(FeedWays.Polling)]
    [InlineData(FeedWays.ServerSentEvents)]
    public async Task A_request_without_an_answer_was_told_as_one_that_somebody_had_cancelled(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync(_ => { }, app => app.Use((HttpContext context, RequestDelegate _) => Task.Delay(Timeout.Infinite, context.RequestAborted)));
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way, Connect = new ConnectOptions { ConnectTimeout = TimeSpan.FromMilliseconds(100) } });
        var failed = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        client.StateChanged += (_, change) =>
        {
            if (change.Failure is { } failure)
            {
                failed.TrySetResult(failure);
            }
        };
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Now);
        ValueTask<bool> waiting = reader.MoveAsync();

        Exception told = await failed.Task.WaitAsync(TestHost.Patience, Token);

        Assert.IsType<TimeoutException>(told);
        Assert.Contains("ConnectTimeout", told.Message, StringComparison.Ordinal);
        await client.DisposeAsync();
        Assert.False(await waiting);
    }

    [Fact]
    public async Task The_sentence_in_which_a_server_refused_a_topic_forged_lines_of_the_log()
    {
        const string Refusal = """{"type":"error","ref":"s1","code":"forbidden","message":"no\r\n\u001b[31mforged"}""";
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/topics").WithSubprotocol("duologue.topics.v1", async connection =>
        {
            await connection.ReceiveAsync(Token);
            connection.Send(Refusal);
            await connection.Closed;
        }));
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.WebSocket });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Now);

        TopicException refused = await Assert.ThrowsAsync<TopicException>(reader.NextAsync);

        Assert.Equal("The server refused: \"no???[31mforged\"", refused.Message);
    }

    [Fact]
    public async Task Without_a_ConnectTimeout_each_long_poll_was_given_up_just_before_its_answer()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        var connect = new ConnectOptions { ConnectTimeout = Timeout.InfiniteTimeSpan };
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.LongPolling, PollWait = TimeSpan.FromSeconds(1), Connect = connect });
        var polled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        client.StateChanged += (_, change) =>
        {
            if (change.Failure is { } failure)
            {
                polled.TrySetException(failure);
            }
            else if (change.State == ClientState.Open)
            {
                // The server has answered a poll that it held to its end.
                polled.TrySetResult();
            }
        };
        await using TopicReader reader = TopicReader.Of(client, "quiet", TopicClient.Now);
        Task<TopicItem> first = reader.ItemAsync();

        await polled.Task.WaitAsync(TestHost.Patience, Token);

        host.Topics.Publish("quiet", "news");
        Assert.Equal("news", (await first).Text);
    }
}
