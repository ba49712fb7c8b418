using System.Collections.Concurrent;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

public sealed class PresenceViewTests
{
    private const string Prefix = "test:";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_follows_is_applied_as_it_is_heard_and_where_something_is_missing_the_hash_is_read()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        NodeRegistry own = RegistryOf(link, "a");
        NodeRegistry other = RegistryOf(link, "b");
        await other.RenewAsync(Token);
        await own.RenewAsync(Token);
        var told = new ConcurrentQueue<string>();
        var view = new PresenceView(own, Prefix, NullLogger.Instance, () => link.GetDatabase(), new CallLimit(TimeProvider.System), change => told.Enqueue($"{change.Joined} {change.Subscriber.Id} {change.Subscriber.Node}"));
        using var stop = new CancellationTokenSource();
        Task running = view.RunAsync(stop.Token);

        // Of a generation that nothing is known of.
        await WriteAsync(number: 1, "1");
        Hear(number: 1, "1");
        await Eventually.True(() => view.Count("t") == 1);

        // The next: the hash does not have it yet.
        Hear(number: 2, "2");
        await Eventually.True(() => view.Count("t") == 2);

        // The one behind the next.
        await WriteAsync(number: 4, "1", "2", "3", "4");
        Hear(number: 4, "4");

        // It is told when it has been counted.
        await Eventually.True(() => view.Count("t") == 4 && told.Count >= 4);
        Assert.Equal(["True 1 b", "True 2 b", "True 3 b", "True 4 b"], told.Order());
        await stop.CancelAsync();
        await running;

        void Hear(long number, string id) => view.Hear(new PresenceMessage(other.Own.Incarnation, 1, number, [new PresenceChange(true, "t", new TopicSubscriber(id, null))]).Encode());

        Task WriteAsync(long number, params string[] ids) => link.GetDatabase().HashSetAsync(
            PresenceWriter.KeyOf(Prefix, other.Own.Incarnation, 1),
            [.. ids.Select(id => new HashEntry(PresenceMessage.FieldOf("t", id), PresenceMessage.ValueOf(new TopicSubscriber(id, null)))), new HashEntry(PresenceWriter.NumberField, number)]);
    }

    [Fact]
    public async Task A_hash_that_is_gone_when_it_has_been_read_does_not_count_for_it_may_have_been_read_in_part()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        IDatabase database = link.GetDatabase();
        NodeRegistry own = RegistryOf(link, "a");
        NodeRegistry other = RegistryOf(link, "b");
        await other.RenewAsync(Token);
        await own.RenewAsync(Token);

        // As a node does that has written its subscribers anew.
        bool isRewritten = false;
        IDatabase read = Interceptor.Create(database, (method, _) =>
        {
            if (isRewritten && method.Name == nameof(IDatabase.HashScanAsync))
            {
                database.KeyDelete(KeyOf(generation: 1));
            }

            return null;
        });
        var told = new ConcurrentQueue<string>();
        var view = new PresenceView(own, Prefix, NullLogger.Instance, () => read, new CallLimit(TimeProvider.System), change => told.Enqueue($"{change.Joined} {change.Subscriber.Id}"));
        using var stop = new CancellationTokenSource();
        Task running = view.RunAsync(stop.Token);
        await WriteAsync(generation: 1, "1", "2");
        Hear(generation: 1, number: 1);
        await Eventually.True(() => view.Count("t") == 2);

        isRewritten = true;
        Hear(generation: 1, number: 3);
        await Eventually.True(() => !database.KeyExists(KeyOf(generation: 1)));
        await WriteAsync(generation: 2, "1", "2", "3");
        await Eventually.True(() =>
        {
            // What is told while the first is still being read is not waited for.
            Hear(generation: 2, number: 1);
            return view.Count("t") == 3 && told.Count >= 3;
        });

        Assert.Equal(["True 1", "True 2", "True 3"], told.Order());
        await stop.CancelAsync();
        await running;

        RedisKey KeyOf(long generation) => PresenceWriter.KeyOf(Prefix, other.Own.Incarnation, generation);

        void Hear(long generation, long number) => view.Hear(new PresenceMessage(other.Own.Incarnation, generation, number, []).Encode());

        Task WriteAsync(long generation, params string[] ids) => database.HashSetAsync(
            KeyOf(generation),
            [.. ids.Select(id => new HashEntry(PresenceMessage.FieldOf("t", id), PresenceMessage.ValueOf(new TopicSubscriber(id, null)))), new HashEntry(PresenceWriter.NumberField, 1)]);
    }

    private static NodeRegistry RegistryOf(ConnectionMultiplexer link, string name) => new(
        new RedisBrokerOptions { NodeName = name, HeartbeatInterval = TimeSpan.FromSeconds(60) },
        Guid.NewGuid().ToString("N"),
        Prefix,
        TimeProvider.System,
        NullLogger.Instance,
        () => link.GetDatabase(),
        new CallLimit(TimeProvider.System));
}
