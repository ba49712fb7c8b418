using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Reflection;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>Many publishes are under way at a time: what becomes of one is not to be mistaken for what became of another.</summary>
public class PublishQueueTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_publish_that_was_refused_while_the_next_came_through_was_confirmed_and_not_in_the_log(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        IDatabase database = DispatchProxy.Create<IDatabase, RefusesTheFirst>();
        ((RefusesTheFirst)(object)database).Target = link.GetDatabase();
        var scripts = new TopicScripts("duologue:");
        await scripts.LoadAsync(database);
        await using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var options = new RedisBrokerOptions { PublishTimeout = TimeSpan.FromMinutes(5) };
        await using var queue = new PublishQueue(options, scripts, new RedisMetrics(services.GetRequiredService<IMeterFactory>()), TimeProvider.System, TimeSpan.FromMinutes(10), () => database);

        string[] texts = ["first", "second", "third"];
        Task<(TopicMessage Message, bool IsNew)> first = queue.AddAsync("t", Text(texts[0]), new TopicHistory());
        await Eventually.True(() => ((RefusesTheFirst)(object)database).Appends == 1);
        (TopicMessage Message, bool IsNew)[] placed = await Task.WhenAll([first, .. texts[1..].Select(text => queue.AddAsync("t", Text(text), new TopicHistory()))]).WaitAsync(Node.Patience, Token);

        TopicPage page = await scripts.ReadAsync(database, "t", TopicStart.Oldest, 10, 1_000, TimeSpan.FromMinutes(10));
        Assert.Equal(texts, page.Messages.Select(message => message.Text));
        Assert.Equal(page.Messages.Select(message => message.Position), placed.Select(one => one.Message.Position));
    }

    [Fact]
    public async Task A_publish_whose_answer_did_not_come_kept_its_publisher_past_the_deadline()
    {
        var time = new FakeTimeProvider();
        await using Silence silence = await Silence.OpenAsync(new RedisBrokerOptions(), time);
        PublishQueue queue = silence.Queue;

        Task sent = queue.AddAsync("t", Text("sent"), new TopicHistory());
        await Eventually.True(() => silence.Answers.Appends.Count == 1);
        silence.Cut();
        time.Advance(TimeSpan.FromSeconds(5));
        Task unsent = queue.AddAsync("t", Text("not sent"), new TopicHistory());

        time.Advance(TimeSpan.FromSeconds(5.1));
        BrokerUnavailableException refused = await Assert.ThrowsAsync<BrokerUnavailableException>(() => sent.WaitAsync(Node.Patience, Token));
        Assert.True(refused.IsUnknown);
        Assert.Contains("PublishTimeout", refused.Message, StringComparison.Ordinal);
        Assert.False(unsent.IsCompleted);

        time.Advance(TimeSpan.FromSeconds(5));
        refused = await Assert.ThrowsAsync<BrokerUnavailableException>(() => unsent.WaitAsync(Node.Patience, Token));
        Assert.False(refused.IsUnknown);

        // Held as long as the client library holds it, and no longer; an answer that comes now is nobody's.
        Assert.Equal(1, queue.Count);
        silence.Answers.Next().SetResult(RedisResult.Create((RedisValue)"1 7 1 1790000000000"));
        await Eventually.True(() => queue.Count == 0);
    }

    [Theory]
    [InlineData(16, 800, 1)]
    [InlineData(24, 800, 2)]
    [InlineData(16, 32, 0)]
    public async Task A_publisher_may_have_several_on_the_way_only_while_little_waits(int maxPublishes, int maxBytes, int few)
    {
        await using Silence silence = await Silence.OpenAsync(new RedisBrokerOptions { MaxPendingPublishes = maxPublishes, MaxPendingBytes = maxBytes }, TimeProvider.System);
        for (int i = 0; i <= few; i++)
        {
            Assert.True(silence.Queue.HasMuchRoom);
            _ = silence.Queue.AddAsync("t", Text("four"), new TopicHistory());
        }

        Assert.False(silence.Queue.HasMuchRoom);
    }

    [Fact]
    public async Task What_was_under_way_behind_a_message_that_the_server_refused_overtook_its_repeat()
    {
        const string Early = "3 0 0 0";
        await using Silence silence = await Silence.OpenAsync(new RedisBrokerOptions { PublishTimeout = TimeSpan.FromHours(1) }, TimeProvider.System);
        var turn = new PublishTurn("first", null);
        var next = new PublishTurn("second", turn);
        Task first = Add("first", turn);
        await Eventually.True(() => silence.Answers.Appends.Count == 1);
        Task second = Add("second", next);
        await Eventually.True(() => silence.Answers.Appends.Count == 2);
        Task third = Add("third", new PublishTurn("third", next));
        Task other = Add("of somebody else", null);

        silence.Answers.Next().SetException(new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, "OOM command not allowed when used memory > 'maxmemory'."));
        await Assert.ThrowsAsync<BrokerUnavailableException>(() => first.WaitAsync(Node.Patience, Token));

        // The others have left meanwhile. By the number of the one before, the script sees that it is missing.
        await Eventually.True(() => silence.Answers.Appends.Count == 2);
        silence.Answers.Next().SetResult(RedisResult.Create((RedisValue)Early));
        silence.Answers.Next().SetResult(RedisResult.Create((RedisValue)$"{Early}\n{Early}"));
        foreach (Task behind in new[] { second, third })
        {
            BrokerUnavailableException refused = await Assert.ThrowsAsync<BrokerUnavailableException>(() => behind.WaitAsync(Node.Patience, Token));
            Assert.Equal((PublishTurn.Refusal, false), (refused.Message, refused.IsUnknown));
        }

        await Eventually.True(() => silence.Answers.Appends.Count == 1);
        silence.Answers.Next().SetResult(RedisResult.Create((RedisValue)"1 7 1 1790000000000"));
        await other.WaitAsync(Node.Patience, Token);
        Assert.Equal(0, silence.Queue.Count);

        Task Add(string text, PublishTurn? place)
        {
            TopicMessage message = Text(text);
            message.Turn = place;
            return silence.Queue.AddAsync("t", message, new TopicHistory());
        }
    }

    [Theory]
    [InlineData("NOSCRIPT No matching script.")]
    [InlineData("ERR something else")]
    public async Task One_that_fails_when_its_publisher_has_been_told_is_counted_no_more(string refusal)
    {
        var time = new FakeTimeProvider();
        await using Silence silence = await Silence.OpenAsync(new RedisBrokerOptions(), time);
        Task publish = silence.Queue.AddAsync("t", Text("x"), new TopicHistory());
        await Eventually.True(() => silence.Answers.Appends.Count == 1);
        time.Advance(TimeSpan.FromSeconds(10.1));
        Assert.True((await Assert.ThrowsAsync<BrokerUnavailableException>(() => publish.WaitAsync(Node.Patience, Token))).IsUnknown);
        Assert.Equal(1, silence.Queue.Count);

        silence.Answers.Next().SetException(new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, refusal));
        await Eventually.True(() => silence.Queue.Count == 0);
    }

    [Fact]
    public async Task A_publish_that_is_in_the_log_keeps_none_before_it_in_memory()
    {
        await using Silence silence = await Silence.OpenAsync(new RedisBrokerOptions(), TimeProvider.System);
        var before = new PublishTurn("before", null);
        TopicMessage message = Text("x");
        message.Turn = new PublishTurn("x", before);
        Task publish = silence.Queue.AddAsync("t", message, new TopicHistory());
        await Eventually.True(() => silence.Answers.Appends.Count == 1);
        silence.Answers.Next().SetResult(RedisResult.Create((RedisValue)"1 7 1 1790000000000"));
        await publish.WaitAsync(Node.Patience, Token);

        before.NotDone();
        Assert.False(message.Turn.IsBroken);
    }

    [Fact]
    public async Task What_waits_while_others_are_under_way_does_not_overtake_what_comes_again()
    {
        await using Silence silence = await Silence.OpenAsync(new RedisBrokerOptions { PublishTimeout = TimeSpan.FromHours(1) }, TimeProvider.System);
        Task first = silence.Queue.AddAsync("t", Text("first"), new TopicHistory());
        await Eventually.True(() => silence.Answers.Appends.Count == 1);
        Task other = silence.Queue.AddAsync("u", Text("of another topic"), new TopicHistory());
        await Eventually.True(() => silence.Answers.Appends.Count == PublishQueue.MaxCalls);
        Task second = silence.Queue.AddAsync("t", Text("second"), new TopicHistory());

        // A call comes back, with the first, and so one could leave; the other call is still under way.
        silence.Answers.Next().SetException(new RedisServerException(RedisErrorKind.NoScript, CommandFlags.None, "NOSCRIPT No matching script."));
        await Eventually.True(() => silence.Queue.RetriesPending == 2);
        silence.Answers.Next().SetResult(RedisResult.Create((RedisValue)"1 7 1 1790000000000"));
        await other.WaitAsync(Node.Patience, Token);
        await Eventually.True(() => silence.Answers.Sent.Count == 3);
        RedisValue[] together = silence.Answers.Sent.Last();
        Assert.InRange(Array.IndexOf(together, (RedisValue)"first"), 0, Array.IndexOf(together, (RedisValue)"second"));
        silence.Answers.Next().SetResult(RedisResult.Create((RedisValue)"1 7 1 1790000000000\n1 7 2 1790000000000"));
        await Task.WhenAll(first, second).WaitAsync(Node.Patience, Token);
        Assert.Equal(0, silence.Queue.Count);
    }

    [Theory]
    [InlineData("NOSCRIPT No matching script.", false)]
    [InlineData("READONLY You can't write against a read only replica.", false)]
    [InlineData(null, true)]
    public async Task A_publish_is_unknown_only_if_an_attempt_had_no_answer(string? refusal, bool isUnknown)
    {
        var time = new FakeTimeProvider();
        await using Silence silence = await Silence.OpenAsync(new RedisBrokerOptions(), time);
        PublishQueue queue = silence.Queue;
        Task publish = queue.AddAsync("t", Text("x"), new TopicHistory());
        await Eventually.True(() => silence.Answers.Appends.Count == 1);
        silence.Cut();
        silence.Answers.Next().SetException(refusal is null ? new RedisTimeoutException(CommandFlags.None, "Timeout awaiting response.", CommandStatus.Sent) : new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, refusal));

        // The answer is taken in on another thread; the time is over only when it has been.
        await Eventually.True(() => queue.RetriesPending == 1);
        time.Advance(TimeSpan.FromSeconds(10.1));
        BrokerUnavailableException refused = await Assert.ThrowsAsync<BrokerUnavailableException>(() => publish.WaitAsync(Node.Patience, Token));
        Assert.Equal(isUnknown, refused.IsUnknown);
        Assert.Contains(refusal ?? "did not answer", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public async Task What_was_refused_before_it_had_left_does_not_leave_when_the_server_is_back()
    {
        var time = new FakeTimeProvider();
        await using Silence silence = await Silence.OpenAsync(new RedisBrokerOptions { PublishTimeout = TimeSpan.FromHours(1) }, time);
        silence.Cut();
        Task refused = silence.Queue.AddAsync("t", Text("refused"), new TopicHistory());
        time.Advance(TimeSpan.FromHours(1.1));
        Assert.False((await Assert.ThrowsAsync<BrokerUnavailableException>(() => refused.WaitAsync(Node.Patience, Token))).IsUnknown);

        silence.Mend();
        _ = silence.Queue.AddAsync("t", Text("next"), new TopicHistory());
        await Eventually.True(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(50));
            return !silence.Answers.Sent.IsEmpty;
        });
        RedisValue[] sent = Assert.Single(silence.Answers.Sent);
        Assert.Contains("next", sent);
        Assert.DoesNotContain("refused", sent);
    }

    [Fact]
    public async Task A_queue_that_ended_with_a_publish_under_way_never_told_its_publisher()
    {
        await using Silence silence = await Silence.OpenAsync(new RedisBrokerOptions { PublishTimeout = TimeSpan.FromHours(1) }, TimeProvider.System);
        PublishQueue queue = silence.Queue;
        Task publish = queue.AddAsync("t", Text("x"), new TopicHistory());
        await Eventually.True(() => silence.Answers.Appends.Count == 1);
        await queue.DisposeAsync().AsTask().WaitAsync(Node.Patience, Token);
        Assert.True((await Assert.ThrowsAsync<BrokerUnavailableException>(() => publish.WaitAsync(Node.Patience, Token))).IsUnknown);
    }

    [Fact]
    public async Task A_server_that_failed_just_as_the_node_stopped_made_its_end_fail()
    {
        await using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var disposed = new TaskCompletionSource<Task>();
        PublishQueue? queue = null;
        int asked = 0;
        queue = new PublishQueue(new RedisBrokerOptions(), new TopicScripts("duologue:"), new RedisMetrics(services.GetRequiredService<IMeterFactory>()), TimeProvider.System, TimeSpan.FromMinutes(10), () =>
        {
            if (Interlocked.Increment(ref asked) == 1)
            {
                return null;
            }

            disposed.TrySetResult(queue!.DisposeAsync().AsTask());
            throw new InvalidOperationException("The server is gone.");
        });

        Task publish = queue.AddAsync("t", Text("x"), new TopicHistory());

        Assert.False((await Assert.ThrowsAsync<BrokerUnavailableException>(() => publish.WaitAsync(Node.Patience, Token))).IsUnknown);
        await (await disposed.Task.WaitAsync(Node.Patience, Token)).WaitAsync(Node.Patience, Token);
    }

    private static TopicMessage Text(string text) => new(default, MessageType.Text, System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>A queue before a server that is silent, and that may be out of reach.</summary>
    private sealed class Silence : IAsyncDisposable
    {
        private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        private readonly IDatabase _server;
        private IDatabase? _reached;

        private Silence(IDatabase database, TopicScripts scripts, RedisBrokerOptions options, TimeProvider time)
        {
            (_server, _reached) = (database, database);
            Answers = (AnswersWhenTold)(object)database;
            Queue = new PublishQueue(options, scripts, new RedisMetrics(_services.GetRequiredService<IMeterFactory>()), time, TimeSpan.FromMinutes(10), () => Volatile.Read(ref _reached));
        }

        public AnswersWhenTold Answers { get; }

        public PublishQueue Queue { get; }

        public static async Task<Silence> OpenAsync(RedisBrokerOptions options, TimeProvider time)
        {
            IDatabase database = DispatchProxy.Create<IDatabase, AnswersWhenTold>();
            var scripts = new TopicScripts("duologue:");
            await scripts.LoadAsync(database);
            return new Silence(database, scripts, options, time);
        }

        /// <summary>From now on the server is out of reach.</summary>
        public void Cut() => Volatile.Write(ref _reached, null);

        /// <summary>It is within reach again.</summary>
        public void Mend() => Volatile.Write(ref _reached, _server);

        public async ValueTask DisposeAsync()
        {
            await Queue.DisposeAsync();
            await _services.DisposeAsync();
        }
    }

    /// <summary>A server that is silent: appends are answered by the test alone.</summary>
    public class AnswersWhenTold : DispatchProxy
    {
        internal ConcurrentQueue<TaskCompletionSource<RedisResult>> Appends { get; } = new();

        /// <summary>The call that has waited longest for its answer.</summary>
        internal TaskCompletionSource<RedisResult> Next()
        {
            Assert.True(Appends.TryDequeue(out TaskCompletionSource<RedisResult>? append));
            return append;
        }

        /// <summary>What the script was called with.</summary>
        internal ConcurrentQueue<RedisValue[]> Sent { get; } = new();

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (targetMethod!.Name == nameof(IDatabase.ExecuteAsync))
            {
                return Task.FromResult(RedisResult.Create((RedisValue)new string('0', 40)));
            }

            var answer = new TaskCompletionSource<RedisResult>(TaskCreationOptions.RunContinuationsAsynchronously);
            Appends.Enqueue(answer);
            Sent.Enqueue((RedisValue[])args![2]!);
            return answer.Task;
        }
    }

    /// <summary>Refuses the first append as a server does that has not been given the script yet, when it has answered the second: another node has given it the script in between.</summary>
    public class RefusesTheFirst : DispatchProxy
    {
        private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _appends;

        internal IDatabase Target { get; set; } = null!;

        internal int Appends => Volatile.Read(ref _appends);

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            int append = targetMethod!.Name == nameof(IDatabase.ScriptEvaluateAsync) ? ++_appends : 0;
            if (append == 1)
            {
                return RefuseAsync();
            }

            object? answer = targetMethod.Invoke(Target, args);
            if (append == 2)
            {
                _ = ((Task)answer!).ContinueWith(_ => _answered.SetResult(), TaskScheduler.Default);
            }

            return answer;
        }

        private async Task<RedisResult> RefuseAsync()
        {
            await _answered.Task;
            throw new RedisServerException(RedisErrorKind.NoScript, CommandFlags.None, "NOSCRIPT No matching script.");
        }
    }
}
