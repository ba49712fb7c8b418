using System.Collections.Concurrent;
using System.Globalization;
using CsCheck;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Pubsub;

/// <summary>
/// Publishers, readers and connections that come, go and come back, all at once, against the list of what was published: nobody has a gap or a double, unless told so.
/// </summary>
public class TopicModelTests
{
    private const int Publishers = 3;

    [Theory]
    [InlineData(false, 1_000_000)]
    [InlineData(false, 20)]
    [InlineData(true, 1_000_000)]
    [InlineData(true, 20)]
    public async Task Readers_that_come_back_have_no_gap_and_no_double(bool isElsewhere, int history)
    {
        await using TestHost host = await StartAsync(isElsewhere, history);
        await Gen.Int[0, int.MaxValue].SampleAsync(seed => PlayReadersAsync(host.Topics, seed), iter: isElsewhere ? 4 : 12, threads: 2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Connections_that_come_back_have_no_gap_and_no_double(bool isElsewhere)
    {
        const int Messages = 300;
        await using TestHost host = await StartAsync(isElsewhere, 1_000_000);
        Task[] publishing = [.. Enumerable.Range(0, Publishers).Select(publisher => PublishAsync(host.Topics, "model", publisher, Messages))];
        Task<List<string>>[] receiving = [.. Enumerable.Range(0, 4).Select(seed => ReceiveAsync(host, seed, Publishers * Messages))];
        await Task.WhenAll(publishing);
        List<string>[] received = await Task.WhenAll(receiving);

        string[] published = await ReadAllAsync(host.Topics, "model");
        Assert.Equal(Publishers * Messages, published.Length);
        Assert.All(received, list => Assert.Equal(published, list));
    }

    private static async Task PlayReadersAsync(Topics topics, int seed)
    {
        const int Messages = 60;
        string topic = $"model/{seed}/{Guid.NewGuid():N}";
        var published = new ConcurrentDictionary<long, string>();
        Task[] publishing = [.. Enumerable.Range(0, Publishers).Select(publisher => PublishAsync(topics, topic, publisher, Messages, published))];
        Task<List<(long Offset, string Text)>>[] reading = [.. Enumerable.Range(0, 3).Select(i => ReadAsync(topics, topic, new Random(seed + i), Publishers * Messages))];
        await Task.WhenAll(publishing);
        Assert.Equal(Publishers * Messages, published.Count);
        foreach (List<(long Offset, string Text)> list in await Task.WhenAll(reading))
        {
            Assert.Equal(list.Select(entry => entry.Offset).Order(), list.Select(entry => entry.Offset));
            Assert.Equal(list.Count, list.Select(entry => entry.Offset).Distinct().Count());
            Assert.All(list, entry => Assert.Equal(published[entry.Offset], entry.Text));
        }
    }

    // Reads to the last message; now and then goes, and comes back where it was.
    private static async Task<List<(long Offset, string Text)>> ReadAsync(Topics topics, string topic, Random random, int last)
    {
        using var patience = new CancellationTokenSource(TestHost.Patience);
        List<(long, string)> all = [];
        TopicStart start = TopicStart.Oldest;
        long have = 0;
        while (have < last)
        {
            using TopicSubscription reader = await topics.SubscribeAsync(topic, start, patience.Token);
            for (int i = random.Next(1, 8); i > 0 && have < last; i--)
            {
                TopicPage page = await reader.ReadAsync(patience.Token);
                if (page.Messages.Count == 0)
                {
                    Assert.True(page.IsReset);
                    continue;
                }

                long gap = page.Messages[0].Position.Offset - have - 1;
                if (page.IsReset)
                {
                    Assert.Equal(gap, page.Lost);
                }
                else
                {
                    // The oldest of a trimmed history is where a new reader begins.
                    Assert.True(gap == 0 || have == 0, $"A gap of {gap} behind {have}.");
                }

                all.AddRange(page.Messages.Select(message => (message.Position.Offset, message.Text)));
                have = page.Next.Offset;
                if (random.Next(3) == 0)
                {
                    await Task.Delay(random.Next(3), patience.Token);
                }
            }

            start = TopicStart.After(reader.Position);
        }

        return all;
    }

    private static async Task PublishAsync(Topics topics, string topic, int publisher, int count, ConcurrentDictionary<long, string>? published = null)
    {
        for (int i = 0; i < count; i++)
        {
            string text = $"{publisher}:{i}";
            TopicPosition position;
            if (i % 3 == 0)
            {
                // As publishers do whose connections are cut: again, and twice at once, with the same key.
                Task<TopicPosition>[] repeats = [.. Enumerable.Range(0, 2).Select(_ => topics.PublishAsync(topic, text, $"key-{text}", TestContext.Current.CancellationToken).AsTask())];
                position = (await Task.WhenAll(repeats)).Distinct().Single();
                Assert.Equal(position, await topics.PublishAsync(topic, text, $"key-{text}", TestContext.Current.CancellationToken));
            }
            else
            {
                position = await topics.PublishAsync(topic, text, TestContext.Current.CancellationToken);
            }

            Assert.True(published?.TryAdd(position.Offset, text) ?? true);
            if (i % 7 == publisher)
            {
                await Task.Yield();
            }
        }
    }

    // By a connection that is cut now and then, and comes back behind what it counted.
    private static async Task<List<string>> ReceiveAsync(TestHost host, int seed, int count)
    {
        var random = new Random(seed);
        List<string> all = [];
        while (all.Count < count)
        {
            using var socket = await host.ConnectAsync($"/model?have={all.Count.ToString(CultureInfo.InvariantCulture)}");
            for (int i = random.Next(1, 120); i > 0 && all.Count < count; i--)
            {
                all.Add(await socket.ReceiveTextAsync());
            }

            socket.Abort();
        }

        return all;
    }

    private static async Task<string[]> ReadAllAsync(Topics topics, string topic)
    {
        TopicPage page = await topics.ReadAsync(topic, TopicStart.Oldest, int.MaxValue, TestContext.Current.CancellationToken);
        return [.. page.Messages.Select(message => message.Text)];
    }

    private static Task<TestHost> StartAsync(bool isElsewhere, int history) => TestHost.StartAsync(
        app => app.MapDuologue("/model", async connection =>
        {
            long have = long.Parse(connection.Request!.QueryString.Split('=')[1], CultureInfo.InvariantCulture);
            Topics topics = app.Services.GetRequiredService<Topics>();
            TopicPosition head = (await topics.ReadAsync("model", TopicStart.Now, 1, default)).Next;
            SubscribeResult result = await connection.SubscribeAsync("model", have == 0 ? TopicStart.Oldest : TopicStart.After(head with { Offset = have }), default);
            Assert.True(result is { IsReset: false });
            await Talks.Idle(connection);
        }),
        options =>
        {
            options.TopicHistory = new TopicHistory { MaxCount = history };
            options.SendQueueLimit = 16 * 1024 * 1024;
        },
        builder =>
        {
            if (isElsewhere)
            {
                var options = new DuologueOptions { TopicHistory = new TopicHistory { MaxCount = history } };
                builder.Services.AddSingleton<Broker>(new FleetingBroker(new MemoryBroker(options, TimeProvider.System)));
            }
        });
}
