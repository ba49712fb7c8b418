using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>A node as the user that docs/redis.md gives: its rights are enough, and one less is told by name.</summary>
public class RedisAclTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_rights_that_are_documented_are_enough_and_nothing_else_is_asked_for()
    {
        await using var store = new RedisStore();
        await using ConnectionMultiplexer administrator = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await ExecuteAsync(administrator, Documented("ACL SETUSER "));
        await using Node a = await StartAsync(store);
        await using Node b = await StartAsync(store);
        await Eventually.True(() => a.Broker.Nodes.Count == 2 && b.Broker.Nodes.Count == 2);

        using TopicSubscription reader = await b.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        TopicPosition first = await a.Topics.PublishAsync("t", "0", "key-0", Token);
        Assert.Equal(first, await b.Topics.PublishAsync("t", "0", "key-0", Token));
        for (int i = 1; i < 6; i++)
        {
            await a.Topics.PublishAsync("t", $"{i}", $"key-{i}", Token);
        }

        Assert.Equal("5", (await reader.TextsToAsync("5")).Texts[^1]);
        Assert.Equal(["3", "4", "5"], (await b.Topics.ReadAsync("t", TopicStart.Oldest, 10, Token)).Messages.Select(message => message.Text));

        var visitor = new TopicSubscriber("visitor", "user");
        a.Broker.Announce("room", visitor, joined: true);
        await Eventually.True(() => b.Topics.CountSubscribers("room") == 1);
        await using (Node late = await StartAsync(store))
        {
            await Eventually.True(() => late.Topics.CountSubscribers("room") == 1);
        }

        a.Broker.Announce("room", visitor, joined: false);
        await Eventually.True(() => b.Topics.CountSubscribers("room") == 0 && b.Broker.Nodes.Count == 2);

        RedisResult[] refusals = (RedisResult[])(await administrator.GetDatabase().ExecuteAsync("ACL", "LOG"))!;
        Assert.Equal([], refusals.Select(refusal => refusal.ToDictionary()["object"].ToString()));
    }

    [Theory]
    [InlineData("-publish", "'publish' command")]
    [InlineData("-subscribe", "'subscribe' command")]
    [InlineData("resetchannels", "channel")]
    public async Task A_right_that_is_missing_is_named_by_the_health_check(string less, string named)
    {
        await using var store = new RedisStore();
        await using ConnectionMultiplexer administrator = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await ExecuteAsync(administrator, Documented("ACL SETUSER "));
        await using Node node = await StartAsync(store, options => options.HeartbeatInterval = TimeSpan.FromSeconds(0.5));

        await ExecuteAsync(administrator, $"ACL SETUSER duologue {less}");
        await ExecuteAsync(administrator, "CLIENT KILL USER duologue");
        await Eventually.True(() => node.Broker.Refusal?.Contains(named, StringComparison.Ordinal) == true && !node.Broker.IsConnected);
        HealthReportEntry health = default;
        await Eventually.True(() => Check().Description?.Contains(named, StringComparison.Ordinal) == true);
        Assert.Equal(HealthStatus.Degraded, health.Status);

        // Once the right is there, so is the link.
        await ExecuteAsync(administrator, Documented("ACL SETUSER "));
        await Eventually.True(() => node.Broker.IsConnected);
        await node.Topics.PublishAsync("t", "x", Token);

        HealthReportEntry Check() => health = node.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token).GetAwaiter().GetResult().Entries["duologue-redis"];
    }

    [Theory]
    [InlineData("hset")]
    [InlineData("lpop")]
    public async Task A_publish_half_of_which_redis_refused_left_an_entry_that_shifted_all_others(string less)
    {
        await using var store = new RedisStore();
        await using ConnectionMultiplexer administrator = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await ExecuteAsync(administrator, Documented("ACL SETUSER "));
        await using Node node = await StartAsync(store);
        TopicPosition[] positions = [await node.Topics.PublishAsync("t", "0", Token), await node.Topics.PublishAsync("t", "1", Token), await node.Topics.PublishAsync("t", "2", Token)];

        await ExecuteAsync(administrator, $"ACL SETUSER duologue -{less}");
        BrokerUnavailableException refused = await Assert.ThrowsAsync<BrokerUnavailableException>(() => node.Topics.PublishAsync("t", "refused", Token).AsTask());
        Assert.False(refused.IsUnknown);

        await ExecuteAsync(administrator, Documented("ACL SETUSER "));
        TopicPosition next = await node.Topics.PublishAsync("t", "3", Token);
        Assert.Equal(positions[2] with { Offset = positions[2].Offset + 1 }, next);
        TopicPage page = await node.Topics.ReadAsync("t", TopicStart.After(positions[0]), 10, Token);
        Assert.Equal([("1", positions[1]), ("2", positions[2]), ("3", next)], page.Messages.Select(message => (message.Text, message.Position)));
        Assert.Contains($"'{less}' command", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_right_to_forget_a_key_was_not_asked_for_behind_a_publish_without_one()
    {
        await using var store = new RedisStore();
        await using ConnectionMultiplexer administrator = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await ExecuteAsync(administrator, Documented("ACL SETUSER "));
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",user=duologue,password=PASSWORD");
        var scripts = new TopicScripts("duologue:");
        TopicScripts.Hashes hashes = await scripts.LoadAsync(link.GetDatabase());
        Assert.Equal([AppendOutcome.Appended], (await AppendAsync("first")).Select(answer => answer.Outcome));
        await ExecuteAsync(administrator, "ACL SETUSER duologue -hdel");

        AppendAnswer[] answers = await AppendAsync(null, "second");

        // The first key would have to be forgotten for it.
        Assert.Equal([AppendOutcome.Appended, AppendOutcome.Failed], answers.Select(answer => answer.Outcome));
        Assert.Contains("'hdel' command", answers[1].Refusal, StringComparison.Ordinal);
        Assert.Equal(2, await administrator.GetDatabase().ListLengthAsync(TopicScripts.TagOf(scripts.Prefix, "t") + "l"));

        async Task<AppendAnswer[]> AppendAsync(params string?[] keys)
        {
            // Each call is another node's.
            long node = Random.Shared.NextInt64();
            var batch = new PublishBatch();
            foreach (string? key in keys)
            {
                var message = new TopicMessage(default, MessageType.Text, "x"u8.ToArray()) { IdempotencyKey = key };
                batch.Add(new PendingAppend("t", message, new TopicHistory { MaxIdempotencyKeys = 1 }, batch.Count + 1, Entry.HeadOf(message, node, batch.Count + 1), 0), 0);
            }

            return Entry.AnswersOf(await scripts.AppendAsync(link.GetDatabase(), hashes, batch, TimeSpan.FromMinutes(1)), keys.Length);
        }
    }

    [Fact]
    public async Task A_read_that_redis_refuses_was_told_as_redis_being_away()
    {
        await using var store = new RedisStore();
        await using ConnectionMultiplexer administrator = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await ExecuteAsync(administrator, Documented("ACL SETUSER "));
        await using Node node = await StartAsync(store);
        await node.Topics.PublishAsync("t", "x", Token);
        await ExecuteAsync(administrator, "ACL SETUSER duologue -evalsha");
        BrokerUnavailableException error = await Assert.ThrowsAsync<BrokerUnavailableException>(() => node.Topics.ReadAsync("t", TopicStart.Oldest, 10, Token).AsTask());
        Assert.Contains("NOPERM", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("away", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(",password=wrong")]
    [InlineData(",user=nobody,password=wrong")]
    [InlineData("")]
    public async Task A_wrong_password_was_told_as_a_server_that_is_not_there(string credentials)
    {
        // The client library tells of it when it has tried for so long.
        await using var store = new RedisStore("--port", "{port}", "--requirepass", "right");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddFakeLogging();
        builder.Services.AddDuologue().UseRedis(store.Address + ",connectTimeout=2000" + credentials, options => options.HeartbeatInterval = TimeSpan.FromSeconds(0.5));
        await using WebApplication app = builder.Build();
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        await Eventually.True(() => broker.Refusal?.Contains("NOAUTH", StringComparison.Ordinal) == true);
        Assert.False(broker.IsConnected);
        await Eventually.True(() => app.Services.GetFakeLogCollector().GetSnapshot().Any(record => record.Id.Name == "RedisConnectFailed" && record.Message.Contains("NOAUTH", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_wrong_password_on_a_server_that_is_open_to_all_was_not_noticed()
    {
        await using var store = new RedisStore();
        await using ConnectionMultiplexer administrator = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await ExecuteAsync(administrator, Documented("ACL SETUSER "));
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddFakeLogging();
        builder.Services.AddDuologue().UseRedis(store.PatientAddress + ",user=duologue,password=wrong", options => options.HeartbeatInterval = TimeSpan.FromSeconds(0.5));
        await using WebApplication app = builder.Build();
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        await Eventually.True(() => app.Services.GetFakeLogCollector().GetSnapshot().Any(record => record.Id.Name == "RedisLoginRefused" && record.Level == LogLevel.Error));
        Assert.False(broker.IsConnected);
        Assert.Contains("default", broker.Refusal, StringComparison.Ordinal);

        // Once the server has it so, the link is made.
        await ExecuteAsync(administrator, "ACL SETUSER duologue >wrong");
        await Eventually.True(() => broker.IsConnected);
    }

    [Fact]
    public async Task Who_may_not_ask_who_he_is_has_his_link_all_the_same()
    {
        await using var store = new RedisStore();
        await using ConnectionMultiplexer administrator = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await ExecuteAsync(administrator, Documented("ACL SETUSER ") + " -acl|whoami");
        await using Node node = await StartAsync(store);
        await node.Topics.PublishAsync("t", "x", Token);
    }

    private static Task<Node> StartAsync(RedisStore store, Action<RedisBrokerOptions>? configure = null)
    {
        // What stands in the line that is to be copied, between its quotation marks.
        string configuration = Documented("builder.Services.AddDuologue().UseRedis(\"redis:6379,user=").Split('"')[1];
        return Node.StartAsync(
            store,
            options =>
            {
                options.Configuration = ConfigurationOptions.Parse(configuration.Replace("redis:6379", store.PatientAddress, StringComparison.Ordinal));
                configure?.Invoke(options);
            },
            options => options.TopicHistories["t"] = new TopicHistory { MaxCount = 3, MaxIdempotencyKeys = 2 });
    }

    private static string Documented(string beginning) =>
        Assert.Single(File.ReadLines(Repository.PathOf("docs/redis.md")), line => line.StartsWith(beginning, StringComparison.Ordinal));

    private static Task<RedisResult> ExecuteAsync(ConnectionMultiplexer multiplexer, string line)
    {
        string[] words = line.Split(' ');
        return multiplexer.GetDatabase().ExecuteAsync(words[0], words[1..]);
    }
}
