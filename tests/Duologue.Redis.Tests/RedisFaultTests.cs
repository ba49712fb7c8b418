using System.Globalization;
using System.Text.Json;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>What befalls a real server and the line to it: each message is there once, or its loss is told.</summary>
public class RedisFaultTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_redis_that_is_full_refuses_a_publish_as_one_that_is_away_does()
    {
        await using var store = new RedisStore("--appendonly", "no", "--maxmemory-policy", "noeviction");
        await using Node node = await Node.StartAsync(store);
        await node.Topics.PublishAsync("t", "before", Token);
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await link.GetServer(store.Address).ConfigSetAsync("maxmemory", "1");
        BrokerUnavailableException error = await Assert.ThrowsAsync<BrokerUnavailableException>(() => node.Topics.PublishAsync("t", "too much", Token).AsTask());
        Assert.False(error.IsUnknown);
        Assert.Contains("OOM", error.InnerException!.Message, StringComparison.Ordinal);

        await link.GetServer(store.Address).ConfigSetAsync("maxmemory", "0");
        await node.Topics.PublishAsync("t", "after", Token);
        Assert.Equal(["before", "after"], (await node.Topics.ReadAsync("t", TopicStart.Oldest, 10, Token)).Messages.Select(message => message.Text));
    }

    [Theory]
    [InlineData("new", null)]
    [InlineData("new", "key")]
    [InlineData("t", "first-key")]
    [InlineData("keyed", "behind-one-that-is-forgotten")]
    public async Task A_redis_that_was_full_took_a_publish_that_took_something_away_first(string topic, string? key)
    {
        await using var store = new RedisStore("--appendonly", "no", "--maxmemory-policy", "noeviction");
        await using Node node = await Node.StartAsync(store);
        await node.Topics.PublishAsync("t", "before", Token);
        await node.Topics.PublishAsync("keyed", "before"u8.ToArray(), MessageType.Text, "forgotten", Token);
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await link.GetDatabase().ListSetByIndexAsync("duologue:v3:{t:keyed}o", 0, "0000000000000forgotten");
        await link.GetServer(store.Address).ConfigSetAsync("maxmemory", "1");
        BrokerUnavailableException error = await Assert.ThrowsAsync<BrokerUnavailableException>(async () => await (key is null
            ? node.Topics.PublishAsync(topic, "too much", Token)
            : node.Topics.PublishAsync(topic, "too much", key, Token)));
        Assert.Contains("OOM", error.InnerException!.Message, StringComparison.Ordinal);

        // Who reads is not refused, also where there is nothing yet.
        Assert.Equal(topic == "new" ? [] : ["before"], (await node.Topics.ReadAsync(topic, TopicStart.Oldest, 10, Token)).Messages.Select(message => message.Text));
    }

    [Theory]
    [InlineData("touched", "0")]
    [InlineData("life", "another's")]
    [InlineData("at", "1 4 0 600000")]
    public async Task A_redis_that_was_full_refused_who_read_and_so_did_not_keep_the_topic(string field, string value)
    {
        await using var store = new RedisStore("--appendonly", "no", "--maxmemory-policy", "noeviction");
        await using Node node = await Node.StartAsync(store);
        await node.Topics.PublishAsync("t", "kept", Token);
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        RedisKey head = "duologue:v3:{t:t}h";
        await link.GetDatabase().HashSetAsync(head, field, value);
        await link.GetServer(store.Address).ConfigSetAsync("maxmemory", "1");
        Assert.Equal("kept", Assert.Single((await node.Topics.ReadAsync("t", TopicStart.Oldest, 10, Token)).Messages).Text);
        Assert.NotEqual(value, (string?)await link.GetDatabase().HashGetAsync(head, field));
        await Assert.ThrowsAsync<BrokerUnavailableException>(() => node.Topics.PublishAsync("t", "too much", Token).AsTask());
    }

    [Fact]
    public async Task A_redis_that_was_full_renewed_no_lease()
    {
        await using var store = new RedisStore("--appendonly", "no", "--maxmemory-policy", "noeviction");
        await using Node node = await Node.StartAsync(store);
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await link.GetServer(store.Address).ConfigSetAsync("maxmemory", "1");
        string before = Lease();
        await Eventually.True(() => Lease() != before);

        string Lease() => (string?)link.GetDatabase().HashGet("duologue:v3:nodes", "=" + node.Broker.NodeName) ?? "";
    }

    [Fact]
    public async Task A_paused_redis_refuses_or_confirms_each_publish_and_ends_no_connection()
    {
        await using var store = new RedisStore();
        await using Node patient = await Node.StartAsync(store);
        await using Node hasty = await Node.StartAsync(store, options => options.PublishTimeout = TimeSpan.FromSeconds(2));
        int interrupted = 0, restored = 0;
        patient.Broker.Interrupted += (_, _) => Interlocked.Increment(ref interrupted);
        patient.Broker.Restored += (_, _) => Interlocked.Increment(ref restored);
        using var client = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{patient.Url}/topics/t");
        request.Headers.Accept.ParseAdd("text/event-stream");
        using HttpResponseMessage feed = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        using var lines = new StreamReader(await feed.Content.ReadAsStreamAsync(Token));
        await patient.Topics.PublishAsync("t", "before", Token);
        Assert.Equal("before", await DataAsync(lines));

        await store.SignalAsync("STOP");
        Task<TopicPosition>[] refused = [.. Enumerable.Range(0, 3).Select(i => hasty.Topics.PublishAsync("t", $"h{i}", Token).AsTask())];
        Task<TopicPosition>[] confirmed = [.. Enumerable.Range(0, 5).Select(i => patient.Topics.PublishAsync("t", $"p{i}", Token).AsTask())];
        List<string> absent = [];
        for (int i = 0; i < refused.Length; i++)
        {
            BrokerUnavailableException error = await Assert.ThrowsAsync<BrokerUnavailableException>(() => refused[i].WaitAsync(Node.Patience, Token));
            Assert.Contains("PublishTimeout", error.Message, StringComparison.Ordinal);
            if (!error.IsUnknown)
            {
                absent.Add($"h{i}");
            }
        }

        await Eventually.True(() => Volatile.Read(ref interrupted) > 0);
        Assert.All(confirmed, publish => Assert.False(publish.IsCompleted));
        int before = Volatile.Read(ref restored);
        await store.SignalAsync("CONT");

        await Task.WhenAll(confirmed).WaitAsync(Node.Patience, Token);
        await Eventually.True(() => Volatile.Read(ref restored) > before && patient.Broker.IsConnected);
        await patient.Topics.PublishAsync("t", "after", Token);
        List<string> read = [];
        do
        {
            read.Add(await DataAsync(lines));
        }
        while (read[^1] != "after");
        Assert.Equal(Enumerable.Range(0, 5).Select(i => $"p{i}"), read.Where(text => text[0] == 'p'));
        Assert.Equal(read.Distinct(), read);
        Assert.Empty(read.Intersect(absent));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_node_whose_line_is_cut_catches_up_without_a_gap(bool isHole)
    {
        await using var store = new RedisStore();
        await using var proxy = new Relay(store.Port);
        await using Node cut = await Node.StartAsync(StoreServer.Patiently(proxy.Address));
        await using Node whole = await Node.StartAsync(store);
        int interrupted = 0;
        cut.Broker.Interrupted += (_, _) => Interlocked.Increment(ref interrupted);
        using TopicSubscription reader = await cut.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        await whole.Topics.PublishAsync("t", "0", Token);
        Assert.Equal(["0"], await reader.TextsAsync(1));

        if (isHole)
        {
            proxy.Swallow();
        }
        else
        {
            proxy.CutAll();
        }

        for (int i = 1; i <= 20; i++)
        {
            await whole.Topics.PublishAsync("t", $"{i}", Token);
        }

        Task<TopicPosition>[] own = [.. Enumerable.Range(0, 10).Select(i => cut.Topics.PublishAsync("own", $"{i}", Token).AsTask())];
        await Eventually.True(() => Volatile.Read(ref interrupted) > 0);
        proxy.Mend();

        Assert.Equal(Enumerable.Range(1, 20).Select(i => $"{i}"), await reader.TextsAsync(20));
        await Task.WhenAll(own).WaitAsync(Node.Patience, Token);
        TopicPage page = await whole.Topics.ReadAsync("own", TopicStart.Oldest, 100, Token);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"{i}"), page.Messages.Select(message => message.Text));
    }

    [Fact]
    public async Task A_redis_without_persistence_gives_a_reset_when_it_comes_back()
    {
        await using var store = new RedisStore("--appendonly", "no");
        await using Node node = await Node.StartAsync(store);
        using TopicSubscription reader = await node.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        for (int i = 0; i < 3; i++)
        {
            await node.Topics.PublishAsync("t", $"{i}", Token);
        }

        Assert.Equal(["0", "1", "2"], await reader.TextsAsync(3));
        await store.KillAsync();
        await store.RestartAsync();
        await node.Topics.PublishAsync("t", "after", Token);
        (bool wasReset, List<string> texts) = await reader.TextsToAsync("after");
        Assert.True(wasReset);
        Assert.Equal(["after"], texts);
    }

    [Fact]
    public async Task A_replica_that_takes_over_behind_gives_a_reset_to_those_who_had_more_and_to_those_who_had_less()
    {
        await using var primary = new RedisStore("--appendonly", "no", "--repl-diskless-sync-delay", "0");
        await using var replica = new RedisStore("--appendonly", "no", "--replicaof", "127.0.0.1", primary.Port.ToString(CultureInfo.InvariantCulture));
        await using ConnectionMultiplexer second = await ConnectionMultiplexer.ConnectAsync(replica.PatientAddress + ",allowAdmin=true");
        await using var proxy = new Relay(primary.Port);
        await using Node node = await Node.StartAsync(StoreServer.Patiently(proxy.Address));
        using TopicSubscription reader = await node.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        TopicPosition kept = await node.Topics.PublishAsync("t", "kept", Token);
        Assert.Equal(["kept"], await reader.TextsAsync(1));

        // The replica has the first message, and is cut off before the second.
        while (!((string?)await second.GetDatabase().HashGetAsync("duologue:v3:{t:t}h", "at", CommandFlags.DemandReplica | CommandFlags.NoRedirect) ?? "").StartsWith("1 ", StringComparison.Ordinal))
        {
            await Task.Delay(50, Token);
        }

        await second.GetServers()[0].ExecuteAsync("REPLICAOF", "NO", "ONE");
        TopicPosition lost = await node.Topics.PublishAsync("t", "lost", Token);
        Assert.Equal(["lost"], await reader.TextsAsync(1));
        proxy.LeadTo(replica.Port);
        await primary.KillAsync();

        TopicPosition after = await node.Topics.PublishAsync("t", "after", Token);
        (bool wasReset, List<string> texts) = await reader.TextsToAsync("after");
        Assert.True(wasReset);
        Assert.Equal("after", texts[^1]);
        Assert.DoesNotContain("lost", texts);
        Assert.Equal(lost.Offset, after.Offset);
        Assert.NotEqual(lost.Epoch, after.Epoch);

        // Who has read no further than the replica passes over what it lacks, too.
        Assert.True((await node.Topics.ReadAsync("t", TopicStart.After(kept), 10, Token)).IsReset);
        Assert.True((await node.Topics.ReadAsync("t", TopicStart.After(lost), 10, Token)).IsReset);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_node_stops_in_its_time_while_redis_is_away_or_silent(bool isKilled)
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store.PatientAddress, options => options.PublishTimeout = TimeSpan.FromHours(1), host: options => options.ShutdownTimeout = TimeSpan.FromMinutes(10));
        using TopicSubscription reader = await node.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        await (isKilled ? store.KillAsync() : store.SignalAsync("STOP"));
        Task<TopicPosition> publish = node.Topics.PublishAsync("t", "x", Token).AsTask();
        using var client = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        Task<HttpResponseMessage> post = client.PostAsync($"{node.Url}/topics/t", new StringContent("y"), Token);
        await Eventually.True(() => node.Broker.PendingPublishes == 2);

        // The host would wait for ten minutes, and the publishes for an hour.
        await node.StopAsync().WaitAsync(Node.Patience, Token);
        await Assert.ThrowsAsync<BrokerUnavailableException>(() => publish.WaitAsync(Node.Patience, Token));
        using HttpResponseMessage answer = await post.WaitAsync(Node.Patience, Token);
        Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        await node.DisposeAsync().AsTask().WaitAsync(Node.Patience, Token);
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_server_that_forgets_its_scripts_is_given_them_again(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node node = await Node.StartAsync(store);
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        List<Task<TopicPosition>> publishes = [];
        for (int i = 0; i < 10; i++)
        {
            await admin.GetServers()[0].ExecuteAsync("SCRIPT", "FLUSH");
            publishes.AddRange(Enumerable.Range(i * 20, 20).Select(n => node.Topics.PublishAsync("t", $"{n}", Token).AsTask()));
        }

        await Task.WhenAll(publishes).WaitAsync(Node.Patience, Token);
        await admin.GetServers()[0].ExecuteAsync("SCRIPT", "FLUSH");
        TopicPage page = await node.Topics.ReadAsync("t", TopicStart.Oldest, 500, Token);
        Assert.Equal(Enumerable.Range(0, 200).Select(n => $"{n}"), page.Messages.Select(message => message.Text));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Two_prefixes_on_one_server_share_nothing(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node a = await Node.StartAsync(store, options => options.KeyPrefix = "a:");
        await using Node b = await Node.StartAsync(store, options => options.KeyPrefix = "b:");
        using TopicSubscription reader = await b.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        await a.Topics.PublishAsync("t", "a", "key", Token);
        TopicPosition position = await b.Topics.PublishAsync("t", "b", "key", Token);
        Assert.Equal(1, position.Offset);
        Assert.Equal(["b"], await reader.TextsAsync(1));
        Assert.Equal([a.Broker.NodeName], a.Broker.Nodes);
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        Assert.Equal(2, await admin.GetDatabase().KeyExistsAsync(["a:v3:{t:t}h", "b:v3:{t:t}h"]));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Two_layouts_side_by_side_spoil_nothing_and_are_told_of(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node now = await Node.StartAsync(store);
        await using Node next = await Node.StartAsync(store, options => options.Layout = TopicScripts.LayoutVersion + 1);
        Node[] nodes = [now, next];
        await Eventually.True(() => nodes.All(node => node.Broker.Strangers == 1));
        foreach (Node node in nodes)
        {
            using TopicSubscription reader = await node.Topics.SubscribeAsync("t", TopicStart.Now, Token);
            Assert.Equal(1, (await node.Topics.PublishAsync("t", node.Broker.NodeName, "key", Token)).Offset);
            Assert.Equal([node.Broker.NodeName], await reader.TextsAsync(1));
            Assert.Equal([node.Broker.NodeName], node.Broker.Nodes);
            HealthReport health = await node.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token);
            Assert.Equal(1, health.Entries["duologue-redis"].Data["nodes_of_other_layout"]);
        }
    }

    private static async Task<string> DataAsync(StreamReader lines)
    {
        while (true)
        {
            string? line = await lines.ReadLineAsync(Token).AsTask().WaitAsync(Node.Patience, Token);
            Assert.NotNull(line);
            if (line.StartsWith("data:", StringComparison.Ordinal))
            {
                using var item = JsonDocument.Parse(line["data:".Length..]);
                return item.RootElement.GetProperty("data").GetString()!;
            }
        }
    }
}
