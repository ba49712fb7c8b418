using System.Diagnostics.Metrics;
using System.Reflection;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
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
        (TopicMessage Message, bool IsNew)[] placed = await Task.WhenAll(texts.Select(text => queue.AddAsync("t", new TopicMessage(default, MessageType.Text, System.Text.Encoding.UTF8.GetBytes(text)), new TopicHistory()))).WaitAsync(Node.Patience, Token);

        TopicPage page = await scripts.ReadAsync(database, "t", TopicStart.Oldest, 10, 1_000, TimeSpan.FromMinutes(10));
        Assert.Equal(texts, page.Messages.Select(message => message.Text));
        Assert.Equal(page.Messages.Select(message => message.Position), placed.Select(one => one.Message.Position));
    }

    /// <summary>Refuses the first append as a server does that has not been given the script yet, when it has answered the second: another node has given it the script in between.</summary>
    public class RefusesTheFirst : DispatchProxy
    {
        private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _appends;

        internal IDatabase Target { get; set; } = null!;

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
