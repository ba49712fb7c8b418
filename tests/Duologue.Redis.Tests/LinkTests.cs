using System.Reflection;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>How the broker keeps its link, on a connection of the application's, where each call can be held up or made to fail.</summary>
public class LinkTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("READONLY You can't write against a read only replica.", false)]
    [InlineData("LOADING Redis is loading the dataset in memory", false)]
    [InlineData("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", false)]
    [InlineData("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", false)]
    [InlineData("CLUSTERDOWN The cluster is down", false)]
    [InlineData("OOM command not allowed when used memory > 'maxmemory'.", false)]
    [InlineData("MISCONF Errors writing to the AOF file: No space left on device", false)]
    [InlineData("NOREPLICAS Not enough good replicas to write. script: a8da, on @user_script:10.", false)]
    [InlineData("NOPERM this user has no permissions to run the 'evalsha' command", false)]
    [InlineData("ERR The user executing the script can't run this command or subcommand script: be46, on @user_script:47.", false)]
    [InlineData("WRONGTYPE Operation against a key holding the wrong kind of value", true)]
    [InlineData("WRONGTYPE The key duologue:v3:{t:READONLY}h is a string, where the topic has a hash", true)]
    public void A_server_that_answers_no_read_for_the_moment_was_taken_for_a_topic_that_cannot_be_read(string refusal, bool isOfOneTopic)
    {
        var refused = new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, refusal);
        Assert.Equal(isOfOneTopic, RedisBroker.IsOfOneTopic(new BrokerUnavailableException("It refuses.", isUnknown: false, refused)));
    }

    [Fact]
    public async Task The_link_is_proven_while_topics_are_kept_alive_however_long_that_takes()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer inner = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        var answer = new TaskCompletionSource<RedisResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        bool isHeld = false;
        int held = 0, beats = 0;
        IConnectionMultiplexer link = Interceptor.Connection(inner, (_, _) => null, (method, _) =>
        {
            if (!Volatile.Read(ref isHeld) || method.Name != nameof(IDatabase.ScriptEvaluateAsync))
            {
                return null;
            }

            Interlocked.Increment(ref held);
            return answer.Task;
        });
        await inner.GetSubscriber().SubscribeAsync(new TopicScripts("duologue:").Channel, (_, payload) =>
        {
            if (((string)payload!).StartsWith('!') && Volatile.Read(ref held) > 0)
            {
                Interlocked.Increment(ref beats);
            }
        });
        await using (WebApplication app = Build(_ => Task.FromResult(link), TimeSpan.FromSeconds(1)))
        {
            RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
            await broker.SubscribeAsync("t", Token).AsTask().WaitAsync(Node.Patience, Token);
            Volatile.Write(ref isHeld, true);

            // The first read is that which keeps the topic alive: from when it waits on, the beats go on.
            await Eventually.True(() => Volatile.Read(ref beats) > 3);
            Assert.Equal(1, Volatile.Read(ref held));
        }

        answer.SetException(new TimeoutException());
    }

    [Fact]
    public async Task A_server_that_answered_no_read_at_first_was_never_told_how_far_topics_had_come()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer inner = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        int refusals = 0;
        IConnectionMultiplexer link = Interceptor.Connection(inner, (_, _) => null, (method, _) =>
            method.Name == nameof(IDatabase.ScriptEvaluateAsync) && Volatile.Read(ref refusals) > 0 && Interlocked.Decrement(ref refusals) >= 0
                ? Task.FromException<RedisResult>(new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, "LOADING Redis is loading the dataset in memory"))
                : null);
        await using WebApplication app = Build(_ => Task.FromResult(link), TimeSpan.FromMinutes(10));
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        await Eventually.True(() => broker.IsConnected);
        foreach (string topic in (string[])["a", "b", "c"])
        {
            await broker.AppendAsync(topic, TopicHub.JsonMessage([(byte)'1']), new TopicHistory(), Token).AsTask().WaitAsync(Node.Patience, Token);
        }

        var scripts = (TopicScripts)typeof(RedisBroker).GetField("_scripts", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(broker)!;
        await Eventually.True(() => !scripts.Ends.ListDoubtful().Any());
        Volatile.Write(ref refusals, 2);
        typeof(RedisBroker).GetMethod("Shake", BindingFlags.Instance | BindingFlags.NonPublic)!.Invoke(broker, ["by this test"]);
        await Eventually.True(() => Volatile.Read(ref refusals) <= 0 && !scripts.Ends.ListDoubtful().Any());
    }

    [Fact]
    public async Task Tries_that_fail_leave_nothing_on_a_connection_of_the_applications_and_neither_does_the_end()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer inner = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        int tries = 0, handlers = 0;
        IConnectionMultiplexer link = Interceptor.Connection(
            inner,
            (method, _) =>
            {
                Interlocked.Add(ref handlers, method.Name.StartsWith("add_Connection", StringComparison.Ordinal) ? 1 : method.Name.StartsWith("remove_Connection", StringComparison.Ordinal) ? -1 : 0);
                return null;
            },
            (method, arguments) => method.Name == nameof(IDatabase.ExecuteAsync) && arguments[0] is "SCRIPT" && Interlocked.Increment(ref tries) <= 6
                ? Task.FromException<RedisResult>(new TimeoutException())
                : null);
        await using (WebApplication app = Build(_ => Task.FromResult(link), TimeSpan.FromMinutes(10)))
        {
            RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
            await Eventually.True(() => broker.IsConnected);
            Assert.True(Volatile.Read(ref tries) > 6);
            Assert.Equal(2, Volatile.Read(ref handlers));
        }

        Assert.Equal(0, Volatile.Read(ref handlers));
    }

    [Fact]
    public async Task A_link_that_fails_as_the_broker_stops_does_not_fail_its_end()
    {
        using var begun = new ManualResetEventSlim();
        using var stopped = new ManualResetEventSlim();
        WebApplication app = Build(
            _ =>
            {
                begun.Set();

                // In the call itself, so that it is this that ends it, and not the stop.
                Assert.True(stopped.Wait(Node.Patience, CancellationToken.None));
                throw new TimeoutException();
            },
            TimeSpan.FromMinutes(10));
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        var stop = (CancellationTokenSource)typeof(RedisBroker).GetField("_stop", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(broker)!;
        Assert.True(begun.Wait(Node.Patience, Token));
        Task ended = broker.DisposeAsync().AsTask();
        await Eventually.True(() => stop.IsCancellationRequested);
        stopped.Set();
        await ended.WaitAsync(Node.Patience, Token);
        await app.DisposeAsync();
    }

    private static WebApplication Build(Func<IServiceProvider, Task<IConnectionMultiplexer>> factory, TimeSpan idle)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();

        // A link is doubted after five of them without a beat: that is to be longer than a busy machine holds a process up.
        builder.Services.AddDuologue(options => options.TopicIdleLifetime = idle).UseRedis(options => (options.ConnectionFactory, options.HeartbeatInterval) = (factory, TimeSpan.FromSeconds(0.4)));
        return builder.Build();
    }
}
