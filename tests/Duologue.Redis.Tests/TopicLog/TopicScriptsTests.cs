using System.Globalization;
using System.Text;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>What the scripts do in the server, called as a node does.</summary>
public class TopicScriptsTests
{
    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(10);

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_repeat_that_was_trimmed_was_given_the_offset_of_another(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var server = await Server.ConnectAsync(store);
        var few = new TopicHistory { MaxCount = 3 };
        for (int number = 1; number <= 6; number++)
        {
            Assert.Equal((AppendOutcome.Appended, number), await server.AppendAsync(node: 1, number, few));
            await server.AppendAsync(node: 2, number, few, topic: "other");
        }

        await server.AppendAsync(node: 2, 10, few);

        // The last is known by its number, those in the log by what stands there; of the others nothing tells.
        Assert.Equal((AppendOutcome.Repeated, 6), await server.AppendAsync(node: 1, 6, few));
        Assert.Equal((AppendOutcome.Repeated, 5), await server.AppendAsync(node: 1, 5, few));
        Assert.Equal(AppendOutcome.Trimmed, (await server.AppendAsync(node: 1, 2, few)).Outcome);
        Assert.Equal((AppendOutcome.Appended, 8), await server.AppendAsync(node: 1, 7, few));
    }

    [Fact]
    public async Task A_call_that_the_client_library_never_ended_was_waited_for_for_ever()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using var server = await Server.ConnectAsync(store);
        server.Scripts.Calls.Longest = TimeSpan.FromMilliseconds(20);
        server.Database = Interceptor.Create(server.Database, (method, _) =>
            method.Name == nameof(IDatabase.ScriptEvaluateAsync) ? new TaskCompletionSource<RedisResult>().Task : null);

        // What follows is decided by who asked: a read is asked for again, and so is a publish, by its number.
        Task append = server.AppendAsync(node: 1, 1, TopicHistory.None);
        Task read = server.Scripts.ReadAsync(server.Database, "t", TopicStart.Oldest, 1, 1, Idle);
        await Eventually.True(() => append.IsCompleted && read.IsCompleted);
        await Assert.ThrowsAsync<TimeoutException>(() => append);
        await Assert.ThrowsAsync<TimeoutException>(() => read);
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_trimmed_repeat_with_a_key_has_its_offset_by_that(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var server = await Server.ConnectAsync(store);
        for (int number = 1; number <= 4; number++)
        {
            Assert.Equal((AppendOutcome.Appended, number), await server.AppendAsync(node: 1, number, TopicHistory.None, key: $"k{number}"));
        }

        Assert.Equal((AppendOutcome.Repeated, 2), await server.AppendAsync(node: 1, 2, TopicHistory.None, key: "k2"));
        Assert.Equal((AppendOutcome.Repeated, 3), await server.AppendAsync(node: 2, 1, TopicHistory.None, key: "k3"));
        Assert.Equal((AppendOutcome.Repeated, 3), await server.AppendAsync(node: 2, 1, TopicHistory.None, key: "k3"));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task More_than_256_nodes_made_the_numbers_of_all_be_forgotten(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var server = await Server.ConnectAsync(store);
        for (int node = 1; node <= 300; node++)
        {
            Assert.Equal((AppendOutcome.Appended, node), await server.AppendAsync(node, 1, new TopicHistory()));
        }

        Assert.Equal((AppendOutcome.Repeated, 1), await server.AppendAsync(node: 1, 1, new TopicHistory()));
        Assert.Equal((AppendOutcome.Repeated, 250), await server.AppendAsync(node: 250, 1, new TopicHistory()));
    }

    [Fact]
    public async Task Numbers_of_nodes_that_left_long_ago_go_when_another_comes()
    {
        await using var store = new RedisStore();
        await using var server = await Server.ConnectAsync(store);
        await server.AppendAsync(node: 1, 1, new TopicHistory());
        string head = "test:v3:{t:t}h";
        for (int i = 0; i < 100; i++)
        {
            await server.Database.HashSetAsync(head, $"n{i:00000000}", "7 7 1000000000");
        }

        await server.AppendAsync(node: 2, 1, new TopicHistory());
        Assert.Equal(2, (await server.Database.HashKeysAsync(head)).Count(field => ((byte[])field!).Length == 9));
        Assert.Equal((AppendOutcome.Repeated, 1), await server.AppendAsync(node: 1, 1, new TopicHistory()));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task All_keys_expire_and_those_of_idempotency_are_not_another_lifes(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var server = await Server.ConnectAsync(store);
        await server.AppendAsync(node: 1, 1, new TopicHistory { MaxIdempotencyKeyAge = TimeSpan.FromMinutes(30) }, key: "once");
        foreach ((string key, int minutes) in new[] { ("h", 13), ("l", 13), ("k", 30), ("o", 30) })
        {
            TimeSpan? left = await server.Database.KeyTimeToLiveAsync("test:v3:{t:t}" + key);
            Assert.InRange(left ?? TimeSpan.MaxValue, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(minutes));
        }

        // As if it had expired: the offsets by key are left, and are of no position that there is.
        await server.Database.KeyDeleteAsync("test:v3:{t:t}h");
        Assert.Equal((AppendOutcome.Appended, 1), await server.AppendAsync(node: 1, 2, new TopicHistory(), key: "once"));
        Assert.Equal((AppendOutcome.Repeated, 1), await server.AppendAsync(node: 1, 3, new TopicHistory(), key: "once"));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_topic_that_nobody_uses_is_forgotten_by_the_server(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var server = await Server.ConnectAsync(store);
        TopicPosition first = (await server.AnswerAsync(node: 1, 1, new TopicHistory(), "t", null, TimeSpan.FromMilliseconds(500))).Position;
        while (await server.Database.KeyExistsAsync("test:v3:{t:t}h") || await server.Database.KeyExistsAsync("test:v3:{t:t}l"))
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        TopicPage page = await server.Scripts.ReadAsync(server.Database, "t", TopicStart.After(first), 10, 1_000, Idle);
        Assert.True(page.IsReset);
        Assert.NotEqual(first.Epoch, page.Next.Epoch);
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Each_server_has_a_life_of_its_own(string kind)
    {
        await using StoreServer one = StoreServer.Start(kind);
        await using StoreServer two = StoreServer.Start(kind);
        await using var first = await Server.ConnectAsync(one);
        await using var second = await Server.ConnectAsync(two);
        await first.AppendAsync(node: 1, 1, new TopicHistory());
        await second.AppendAsync(node: 1, 1, new TopicHistory());
        string? life = await first.Database.HashGetAsync("test:v3:{t:t}h", "life");
        string? other = await second.Database.HashGetAsync("test:v3:{t:t}h", "life");
        Assert.Equal(40, life?.Length);
        Assert.NotEqual(life, other);
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task The_oldest_go_by_age_also_behind_some_that_went_by_count(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var server = await Server.ConnectAsync(store);
        for (int number = 1; number <= 5; number++)
        {
            await server.AppendAsync(node: 1, number, new TopicHistory { MaxCount = 3 });
        }

        var young = new TopicHistory { MaxCount = 3, MaxAge = TimeSpan.FromMilliseconds(20) };
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.Equal((AppendOutcome.Appended, 6), await server.AppendAsync(node: 1, 6, young));
        Assert.Equal(1, await server.Database.ListLengthAsync("test:v3:{t:t}l"));
    }

    [Theory]
    [InlineData("garnet", false)]
    [InlineData("garnet", true)]
    [InlineData("redis", false)]
    [InlineData("redis", true)]
    public async Task A_log_that_had_lost_what_was_confirmed_was_continued_by_those_who_had_less(string kind, bool publishes)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var knows = await Server.ConnectAsync(store);
        await using var other = await Server.ConnectAsync(store);
        TopicPosition position = default;
        for (int number = 1; number <= 3; number++)
        {
            position = (await knows.AnswerAsync(node: 1, number, new TopicHistory(), "t", null, Idle)).Position;
        }

        // As a replica has it that was sent the first message and no more: it is another server, and nobody who asks knows better.
        RedisKey head = "test:v3:{t:t}h";
        string[] at = ((string)(await other.Database.HashGetAsync(head, "at"))!).Split(' ');
        await other.Database.HashSetAsync(head, [new("at", $"1 3 {at[2]} {at[3]}"), new("life", "another's")]);
        await other.Database.ListTrimAsync("test:v3:{t:t}l", 0, 0);
        var behind = TopicStart.After(position with { Offset = 1 });
        TopicPage before = await other.ReadAsync(behind);
        Assert.Equal((false, 1), (before.IsReset, before.Next.Offset));

        // One comes who does.
        knows.Scripts.Ends.Learn("t", default, position, isNew: true);
        if (publishes)
        {
            knows.Scripts.Ends.Doubt();
            Assert.Equal((AppendOutcome.Appended, 2), await knows.AppendAsync(node: 1, 4, new TopicHistory()));
        }
        else
        {
            await knows.ReadAsync(TopicStart.Now);
        }

        TopicPage page = await other.ReadAsync(behind);
        Assert.True(page.IsReset);
        Assert.Equal(publishes ? ["1:1", "1:4"] : ["1:1"], page.Messages.Select(message => message.Text));
        Assert.True((await other.ReadAsync(TopicStart.After(before.Next))).IsReset);

        // That is told once.
        await knows.ReadAsync(TopicStart.Now);
        await knows.ReadAsync(TopicStart.Now);
        Assert.False((await other.ReadAsync(TopicStart.After(page.Next))).IsReset);
    }

    [Theory]
    [InlineData("garnet", false, false)]
    [InlineData("redis", false, false)]
    [InlineData("redis", false, true)]
    [InlineData("redis", true, false)]
    [InlineData("redis", true, true)]
    public async Task What_was_confirmed_under_an_epoch_that_the_log_never_had_was_passed_over(string kind, bool isLast, bool publishes)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var knows = await Server.ConnectAsync(store);
        await using var other = await Server.ConnectAsync(store);
        RedisKey head = "test:v3:{t:t}h";
        TopicPosition first = (await knows.AnswerAsync(node: 1, 1, new TopicHistory(), "t", null, Idle)).Position;
        TopicPosition copied = (await knows.AnswerAsync(node: 1, 2, new TopicHistory(), "t", null, Idle)).Position;
        string at = (await other.Database.HashGetAsync(head, "at"))!;

        // The server is started anew; then one takes over that has what was there before.
        await other.Database.HashSetAsync(head, "life", "the second's");
        TopicPosition lost = (await knows.AnswerAsync(node: 1, 3, new TopicHistory(), "t", null, Idle)).Position;
        Assert.NotEqual(copied.Epoch, lost.Epoch);
        knows.Scripts.Ends.Learn("t", default, lost, isNew: true);
        await other.Database.HashSetAsync(head, [new("epoch", copied.Epoch), new("at", at), new("life", "the first's"), new("chain", "")]);
        await other.Database.ListTrimAsync("test:v3:{t:t}l", 0, 1);
        if (isLast)
        {
            Assert.False((await other.ReadAsync(TopicStart.After(first))).IsReset);
        }

        if (publishes)
        {
            knows.Scripts.Ends.Doubt();
            await knows.AppendAsync(node: 1, 4, new TopicHistory());
        }
        else
        {
            await knows.ReadAsync(TopicStart.Now);
        }

        TopicPage page = await other.ReadAsync(TopicStart.After(first));
        Assert.True(page.IsReset);

        // That is told once; and what was there is known.
        await knows.ReadAsync(TopicStart.Now);
        await other.Database.HashSetAsync(head, "life", "the third's");
        await knows.ReadAsync(TopicStart.Now);
        Assert.False((await other.ReadAsync(TopicStart.After(page.Next))).IsReset);
    }

    [Theory]
    [InlineData("garnet", "8999999999999999999")]
    [InlineData("redis", "8999999999999999999")]
    [InlineData("redis", "9000000000000000000")]
    public async Task A_log_that_had_broken_off_went_on_under_an_epoch_before_its_last_and_broke_off_again(string kind, string epoch)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var knows = await Server.ConnectAsync(store);
        await using var other = await Server.ConnectAsync(store);
        RedisKey head = "test:v3:{t:t}h";
        await knows.AppendAsync(node: 1, 1, new TopicHistory());
        TopicPosition lost = (await knows.AnswerAsync(node: 1, 2, new TopicHistory(), "t", null, Idle)).Position;
        knows.Scripts.Ends.Learn("t", default, lost, isNew: true);

        // It has lost the second; and another, whose call was made later, has come first and given it a greater epoch.
        string[] at = ((string)(await other.Database.HashGetAsync(head, "at"))!).Split(' ');
        await other.Database.HashSetAsync(head, [new("epoch", epoch), new("at", $"1 3 {at[2]} {at[3]}"), new("chain", $"{lost.Epoch}:1,")]);
        await other.Database.ListTrimAsync("test:v3:{t:t}l", 0, 0);
        other.Scripts.Ends.Learn("t", default, (await other.ReadAsync(TopicStart.Now)).Next, isNew: true);

        await knows.ReadAsync(TopicStart.Now);
        string after = (await other.Database.HashGetAsync(head, "epoch"))!;
        Assert.Equal($"{ulong.Parse(epoch, CultureInfo.InvariantCulture) + 1}", after);
        await other.ReadAsync(TopicStart.Now);
        Assert.Equal(after, await other.Database.HashGetAsync(head, "epoch"));
    }

    [Theory]
    [InlineData("garnet", "k")]
    [InlineData("garnet", "o")]
    [InlineData("redis", "k")]
    [InlineData("redis", "o")]
    public async Task A_repeat_whose_key_was_evicted_by_half_was_appended_without_a_word(string kind, string half)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using var server = await Server.ConnectAsync(store);
        await server.AppendAsync(node: 1, 1, new TopicHistory(), key: "first");
        TopicPosition position = (await server.AnswerAsync(node: 1, 2, new TopicHistory(), "t", "second", Idle)).Position;
        await server.Database.KeyDeleteAsync("test:v3:{t:t}" + half);
        await server.AppendAsync(node: 1, 3, new TopicHistory(), key: "second");
        Assert.True((await server.ReadAsync(TopicStart.After(position))).IsReset);
        Assert.Equal((AppendOutcome.Repeated, 3), await server.AppendAsync(node: 1, 4, new TopicHistory(), key: "second"));
        Assert.Equal(1, await server.Database.ListLengthAsync("test:v3:{t:t}o"));
        Assert.Equal(1, await server.Database.HashLengthAsync("test:v3:{t:t}k"));
    }

    private sealed class Server : IAsyncDisposable
    {
        private readonly ConnectionMultiplexer _link;
        private TopicScripts.Hashes _hashes = null!;

        private Server(ConnectionMultiplexer link) => (_link, Database) = (link, link.GetDatabase());

        public TopicScripts Scripts { get; } = new("test:");

        public IDatabase Database { get; set; }

        public static async Task<Server> ConnectAsync(StoreServer store)
        {
            var server = new Server(await ConnectionMultiplexer.ConnectAsync(store.PatientAddress));
            server._hashes = await server.Scripts.LoadAsync(server.Database);
            return server;
        }

        public async Task<(AppendOutcome Outcome, int Offset)> AppendAsync(long node, long number, TopicHistory history, string topic = "t", string? key = null)
        {
            AppendAnswer answer = await AnswerAsync(node, number, history, topic, key, Idle);
            return (answer.Outcome, (int)answer.Position.Offset);
        }

        public async Task<AppendAnswer> AnswerAsync(long node, long number, TopicHistory history, string topic, string? key, TimeSpan idle)
        {
            var message = new TopicMessage(default, MessageType.Text, Encoding.UTF8.GetBytes($"{node}:{number}")) { IdempotencyKey = key };
            var append = new PendingAppend(topic, message, history, number, Entry.HeadOf(message, node, number), 0);
            var batch = new PublishBatch();
            batch.Add(append, 0);
            return Assert.Single(Entry.AnswersOf(await Scripts.AppendAsync(Database, _hashes, batch, idle), 1));
        }

        public Task<TopicPage> ReadAsync(TopicStart start) => Scripts.ReadAsync(Database, "t", start, 10, 1_000, Idle);

        public ValueTask DisposeAsync() => _link.DisposeAsync();
    }
}
