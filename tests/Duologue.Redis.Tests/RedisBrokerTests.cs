using System.Net;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Duologue.Redis.Tests;

/// <summary>Many nodes, one store: what one publishes all have, once and in order, or are told.</summary>
public class RedisBrokerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task What_three_nodes_publish_all_three_have_once_and_in_one_order(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node a = await Node.StartAsync(store);
        await using Node b = await Node.StartAsync(store);
        await using Node c = await Node.StartAsync(store);
        Node[] nodes = [a, b, c];
        await Eventually.True(() => nodes.All(node => node.Broker.Nodes.Count == 3));
        TopicSubscription[] readers = await Task.WhenAll(nodes.Select(node => node.Topics.SubscribeAsync("news/a", TopicStart.Now, Token).AsTask()));

        await Task.WhenAll(nodes.SelectMany((node, n) => Enumerable.Range(0, 100).Select(i => node.Topics.PublishAsync("news/a", $"{n}:{i}", Token).AsTask())));

        List<string>[] read = await Task.WhenAll(readers.Select(reader => reader.TextsAsync(300)));
        Assert.Equal(read[0], read[1]);
        Assert.Equal(read[0], read[2]);
        for (int n = 0; n < 3; n++)
        {
            Assert.Equal(Enumerable.Range(0, 100).Select(i => $"{n}:{i}"), read[0].Where(text => text.StartsWith($"{n}:", StringComparison.Ordinal)));
        }

        Array.ForEach(readers, reader => reader.Dispose());
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_history_keeps_its_bounds_and_tells_what_is_gone(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node node = await Node.StartAsync(store, duologue: options =>
        {
            options.TopicHistories["few/*"] = new TopicHistory { MaxCount = 3 };
            options.TopicHistories["small/*"] = new TopicHistory { MaxBytes = 10 };
            options.TopicHistories["none/*"] = TopicHistory.None;
        });
        TopicPosition first = await node.Topics.PublishAsync("few/a", "1", Token);
        for (int i = 2; i <= 6; i++)
        {
            Assert.Equal(first with { Offset = i }, await node.Topics.PublishAsync("few/a", $"{i}", Token));
        }

        TopicPage page = await node.Topics.ReadAsync("few/a", TopicStart.After(first), 2, Token);
        Assert.Equal((true, 2L, true), (page.IsReset, page.Lost, page.HasMore));
        Assert.Equal(["4", "5"], page.Messages.Select(message => message.Text));
        Assert.Equal("6", Assert.Single((await node.Topics.ReadAsync("few/a", TopicStart.After(page.Next), 2, Token)).Messages).Text);

        foreach (string text in new[] { "12345", "67890", "abcd" })
        {
            await node.Topics.PublishAsync("small/a", text, Token);
        }

        Assert.Equal(["67890", "abcd"], (await node.Topics.ReadAsync("small/a", TopicStart.Oldest, 10, Token)).Messages.Select(message => message.Text));
        TopicPosition kept = await node.Topics.PublishAsync("none/a", "gone", Token);
        Assert.Equal(new TopicPage([], kept, false).Next, (await node.Topics.ReadAsync("none/a", TopicStart.Oldest, 10, Token)).Next);
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_repeat_with_the_same_key_appends_nothing_on_any_node(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node a = await Node.StartAsync(store);
        await using Node b = await Node.StartAsync(store);
        TopicPosition first = await a.Topics.PublishAsync("t", "once", "key-1", Token);
        Assert.Equal(first, await b.Topics.PublishAsync("t", "once", "key-1", Token));
        Assert.Equal(first with { Offset = 2 }, await b.Topics.PublishAsync("t", "else", "key-2", Token));
        Assert.Equal(["once", "else"], (await a.Topics.ReadAsync("t", TopicStart.Oldest, 10, Token)).Messages.Select(message => message.Text));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Any_bytes_and_names_come_back_as_they_were(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node node = await Node.StartAsync(store);
        byte[] bytes = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];
        await node.Topics.PublishAsync("}a{b 7 ü/😀", bytes, MessageType.Binary, Token);
        TopicMessage message = Assert.Single((await node.Topics.ReadAsync("}a{b 7 ü/😀", TopicStart.Oldest, 10, Token)).Messages);
        Assert.Equal((MessageType.Binary, false), (message.Type, message.IsJson));
        Assert.Equal(bytes, message.Data.ToArray());
    }

    [Fact]
    public async Task A_killed_redis_that_kept_its_log_loses_and_doubles_nothing()
    {
        await using var store = new RedisStore();
        await using Node a = await Node.StartAsync(store);
        await using Node b = await Node.StartAsync(store);
        int interruptions = 0;
        b.Broker.Interrupted += (_, _) => Interlocked.Increment(ref interruptions);
        using TopicSubscription reader = await b.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        Task<TopicPosition>[] publishes = [.. Enumerable.Range(0, 200).Select(i => a.Topics.PublishAsync("t", $"{i}", Token).AsTask())];
        await store.KillAsync();
        Task<TopicPosition>[] during = [.. Enumerable.Range(200, 50).Select(i => a.Topics.PublishAsync("t", $"{i}", Token).AsTask())];
        await store.RestartAsync();

        await Task.WhenAll([.. publishes, .. during]);

        // The publisher's link may be back before the reader's, whose reads are refused until then.
        await Eventually.True(() => Volatile.Read(ref interruptions) > 0 && b.Broker.IsConnected);
        Assert.Equal(Enumerable.Range(0, 250).Select(i => $"{i}"), await reader.TextsAsync(250));
    }

    [Fact]
    public async Task A_redis_that_lost_everything_gives_a_reset_and_goes_on()
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store);
        using TopicSubscription reader = await node.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        await node.Topics.PublishAsync("t", "before", Token);
        Assert.Equal(["before"], await reader.TextsAsync(1));
        await store.KillAsync();
        store.ForgetAll();
        await store.RestartAsync();
        await node.Topics.PublishAsync("t", "after", Token);

        (bool wasReset, List<string> texts) = await reader.TextsToAsync("after");
        Assert.True(wasReset);
        Assert.Equal("after", texts[^1]);
    }

    [Fact]
    public async Task A_publish_that_redis_keeps_waiting_is_refused_by_name_and_one_too_many_at_once()
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store, options => (options.PublishTimeout, options.MaxPendingPublishes) = (TimeSpan.FromSeconds(10), 3));
        await store.KillAsync();
        Task<TopicPosition>[] waiting = [.. Enumerable.Range(0, 3).Select(_ => node.Topics.PublishAsync("t", "late", Token).AsTask())];
        BrokerUnavailableException tooMany = await Assert.ThrowsAsync<BrokerUnavailableException>(async () => await node.Topics.PublishAsync("t", "one too many", Token));
        Assert.Contains("MaxPendingPublishes", tooMany.Message, StringComparison.Ordinal);
        foreach (Task<TopicPosition> publish in waiting)
        {
            Assert.Contains("PublishTimeout", (await Assert.ThrowsAsync<BrokerUnavailableException>(() => publish.WaitAsync(Node.Patience, Token))).Message, StringComparison.Ordinal);
        }

        using var client = new HttpClient();
        HttpResponseMessage answer = await client.PostAsync($"{node.Url}/topics/t", new StringContent("x"), Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        await Eventually.True(() => !node.Broker.IsConnected);
        HealthReport health = await node.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token);
        Assert.Equal(HealthStatus.Degraded, health.Entries["duologue-redis"].Status);
    }

    [Fact]
    public void Options_that_cannot_work_are_named()
    {
        var options = new RedisBrokerOptions { KeyPrefix = "a{b", NodeName = "a.b", NodeAddress = new Uri("ftp://x"), PublishTimeout = TimeSpan.Zero };
        ValidateOptionsResult result = new RedisBrokerOptionsValidator().Validate(null, options);
        Assert.All(["Configuration", "KeyPrefix", "NodeName", "NodeAddress", "PublishTimeout"], name => Assert.Contains(name, result.FailureMessage, StringComparison.Ordinal));
    }
}
