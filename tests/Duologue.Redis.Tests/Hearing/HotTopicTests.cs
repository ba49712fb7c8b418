using System.Globalization;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>Issue 6, §1: a hot topic is read once per node, however many subscribers it has.</summary>
public class HotTopicTests
{
    private const int Messages = 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(300)]
    public async Task A_message_is_not_read_by_each_of_its_subscribers(int subscribers)
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store);
        await using Node publisher = await Node.StartAsync(store);
        TopicSubscription[] readers = await Task.WhenAll(Enumerable.Range(0, subscribers).Select(_ => node.Topics.SubscribeAsync("t", TopicStart.Now, Token).AsTask()));
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        IServer server = link.GetServer(store.Address);

        long before = await CallsAsync(server);
        for (int i = 0; i < Messages; i++)
        {
            await publisher.Topics.PublishAsync("t", $"{i}", Token);
            List<string>[] read = await Task.WhenAll(readers.Select(reader => reader.TextsAsync(1)));
            Assert.All(read, texts => Assert.Equal([$"{i}"], texts));
        }

        // The publishes themselves, and a read of each message at most; on a link that stands there is none.
        Assert.InRange(await CallsAsync(server) - before, Messages, Messages * 2);
        Array.ForEach(readers, reader => reader.Dispose());
    }

    private static async Task<long> CallsAsync(IServer server)
    {
        const string Name = "cmdstat_evalsha:calls=";
        string statistics = await server.InfoRawAsync("commandstats") ?? "";
        string line = statistics.Split('\n').First(line => line.StartsWith(Name, StringComparison.Ordinal));
        return long.Parse(line[Name.Length..].Split(',')[0], CultureInfo.InvariantCulture);
    }
}
