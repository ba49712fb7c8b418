using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

public sealed class PresenceWriterTests
{
    private const string Prefix = "test:";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2)]
    [InlineData(50_001)]
    public async Task Of_changes_that_waited_the_hash_has_the_last_and_of_more_than_may_wait_all_is_written_anew(int count)
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        IDatabase database = link.GetDatabase();
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        bool holds = false;
        IDatabase slow = Interceptor.Create(database, (method, arguments) => holds && method.Name == nameof(IDatabase.PublishAsync) ? HoldAsync((RedisChannel)arguments[0]!, (RedisValue)arguments[1]!) : null);

        // No call is given up: the clock stands.
        PresenceWriter writer = await MakeAsync(database, slow, NullLogger.Instance, new CallLimit(new FakeTimeProvider()));
        using var stop = new CancellationTokenSource();
        Task running = writer.RunAsync(stop.Token);
        await Eventually.True(() => IsWhole(generation: 1));

        holds = true;
        writer.Announce("t", new TopicSubscriber("first", null), joined: true);
        await held.Task.WaitAsync(Node.Patience, Token);
        writer.Announce("t", new TopicSubscriber("first", null), joined: false);
        writer.Announce("t", new TopicSubscriber("first", null), joined: true);
        writer.Announce("t", new TopicSubscriber("fleeting", null), joined: true);
        writer.Announce("t", new TopicSubscriber("fleeting", null), joined: false);
        for (int i = 0; i < count; i++)
        {
            writer.Announce("t", new TopicSubscriber($"{i}", null), joined: true);
        }

        release.SetResult();
        long generation = count > 50_000 ? 2 : 1;
        string[] expected = [.. Enumerable.Range(0, count).Select(i => $"{i}").Append("first").Select(id => PresenceMessage.FieldOf("t", id)).Append(PresenceWriter.NumberField).Order(StringComparer.Ordinal)];
        await Eventually.True(() => IsWhole(generation) && database.HashLength(KeyOf(generation)) >= expected.Length);
        Assert.Equal(expected, database.HashKeys(KeyOf(generation)).Select(field => (string)field!).Order(StringComparer.Ordinal));
        await stop.CancelAsync();
        await running;

        bool IsWhole(long generation) => database.HashExists(KeyOf(generation), PresenceWriter.NumberField);

        async Task<long> HoldAsync(RedisChannel channel, RedisValue message)
        {
            held.TrySetResult();
            await release.Task;
            return await database.PublishAsync(channel, message);
        }
    }

    [Fact]
    public async Task A_part_of_the_hash_was_left_on_a_server_that_had_no_room_for_the_rest()
    {
        await using var store = new RedisStore("--appendonly", "no", "--maxmemory-policy", "noeviction");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        IDatabase database = link.GetDatabase();
        int writes = 0;
        IDatabase filling = Interceptor.Create(database, (method, _) =>
        {
            if (method.Name == nameof(IDatabase.HashSetAsync) && Interlocked.Increment(ref writes) == 3)
            {
                link.GetServers()[0].ConfigSet("maxmemory", "1");
            }

            return null;
        });
        var log = new FakeLogger();
        PresenceWriter writer = await MakeAsync(database, filling, log, new CallLimit(TimeProvider.System));
        for (int i = 0; i < 2_000; i++)
        {
            writer.Announce("t", new TopicSubscriber($"{i}", null), joined: true);
        }

        using var stop = new CancellationTokenSource();
        Task running = writer.RunAsync(stop.Token);
        await Eventually.True(() => log.Collector.Count > 0);
        Assert.Contains("OOM", log.LatestRecord.Exception!.Message, StringComparison.Ordinal);
        await Eventually.True(() => !database.KeyExists(KeyOf(1)));
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task Subscribers_that_were_evicted_right_before_their_number_were_never_written_again()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        IDatabase database = link.GetDatabase();
        bool isEvicted = false;
        IDatabase evicting = Interceptor.Create(database, (method, arguments) =>
        {
            if (!isEvicted && method.Name == nameof(IDatabase.HashSetAsync) && arguments[1] is RedisValue field && field == PresenceWriter.NumberField)
            {
                isEvicted = true;
                database.KeyDelete(KeyOf(1));
            }

            return null;
        });
        PresenceWriter writer = await MakeAsync(database, evicting, NullLogger.Instance, new CallLimit(TimeProvider.System));
        writer.Announce("t", new TopicSubscriber("one", null), joined: true);
        using var stop = new CancellationTokenSource();
        Task running = writer.RunAsync(stop.Token);
        await Eventually.True(() => database.HashExists(KeyOf(2), PresenceMessage.FieldOf("t", "one")));
        await stop.CancelAsync();
        await running;
    }

    /// <summary>A writer of a node that is in the registry.</summary>
    private static async Task<PresenceWriter> MakeAsync(IDatabase ofRegistry, IDatabase ofWriter, ILogger log, CallLimit calls)
    {
        var options = new RedisBrokerOptions { NodeName = "a", HeartbeatInterval = TimeSpan.FromSeconds(60) };
        var registry = new NodeRegistry(options, "start", Prefix, TimeProvider.System, NullLogger.Instance, () => ofRegistry, calls);
        await registry.RenewAsync(Token);
        return new PresenceWriter(options, registry, Prefix, TimeProvider.System, log, () => ofWriter, calls);
    }

    private static RedisKey KeyOf(long generation) => PresenceWriter.KeyOf(Prefix, "start", generation);
}
