using System.Collections.Concurrent;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>Two versions whose scripts differ and whose layout is the same, as while a deployment rolls.</summary>
public class ScriptVersionsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task Nodes_of_one_layout_share_a_topic_each_by_scripts_of_its_own(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using ConnectionMultiplexer inner = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        IDatabase database = inner.GetDatabase();
        var texts = new ConcurrentDictionary<string, byte>();
        await using Node ours = await Node.StartAsync(store);
        IConnectionMultiplexer link = Interceptor.Connection(inner, (_, _) => null, (method, arguments) =>
        {
            if (method.Name != nameof(IDatabase.ExecuteAsync) || arguments is not ["SCRIPT", object[] and ["LOAD", string text], ..])
            {
                return null;
            }

            texts.TryAdd(text, 0);
            return database.ExecuteAsync("SCRIPT", "LOAD", "-- Of another version.\n" + text);
        });
        await using Node theirs = await Node.StartAsync(store, options => (options.Configuration, options.ConnectionFactory) = (null, _ => Task.FromResult(link)));
        Assert.Equal(2, texts.Count);

        using TopicSubscription here = await ours.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        using TopicSubscription there = await theirs.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        TopicPosition position = default;
        for (int i = 0; i < 40; i++)
        {
            TopicPosition next = await (i % 2 == 0 ? ours : theirs).Topics.PublishAsync("t", $"{i}", $"key-{i / 3}", Token);
            if (i % 3 == 0)
            {
                Assert.True(i == 0 || (next.Epoch, next.Offset) == (position.Epoch, position.Offset + 1));
                position = next;
            }

            Assert.Equal(position, next);
        }

        // A key of the one is a key of the other: of three with the same the first stands.
        string[] expected = [.. Enumerable.Range(0, 14).Select(i => $"{i * 3}")];
        Assert.Equal(expected, await here.TextsAsync(expected.Length));
        Assert.Equal(expected, await there.TextsAsync(expected.Length));
        Assert.Equal(expected[^3..], (await theirs.Topics.ReadAsync("t", TopicStart.After(position with { Offset = position.Offset - 3 }), 10, Token)).Messages.Select(message => message.Text));
    }
}
