using System.Reflection;
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
        builder.Services.AddDuologue(options => options.TopicIdleLifetime = idle).UseRedis(options => (options.ConnectionFactory, options.HeartbeatInterval) = (factory, TimeSpan.FromSeconds(0.1)));
        return builder.Build();
    }
}
