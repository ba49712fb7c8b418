using System.Diagnostics;
using System.Globalization;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Client;

[CollectionDefinition(nameof(CutConnectionsTests), DisableParallelization = true)]
public class CutConnectionsTestsAlone;

/// <summary>Issue 5: whatever is cut, and by whichever way a client comes, it has each message once and in order, and each publish is in the topic once.</summary>
[Collection(nameof(CutConnectionsTests))]
public class CutConnectionsTests
{
    private const int Messages = 10_000;
    private const int ClientsOfEach = 10;
    private const int PublishesUnderWay = 64;

    // Reached by a program that is broken, and by no machine that is slow.
    private static readonly TimeSpan Enough = TimeSpan.FromMinutes(8);

    private static readonly FeedWays[] Each = [FeedWays.WebSocket, FeedWays.LongPolling, FeedWays.ServerSentEvents, FeedWays.Polling];

    [Fact]
    public async Task Fifty_clients_over_cut_connections_have_each_of_10_000_messages_once_and_in_order()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"Seed {seed}.");
        var clock = Stopwatch.StartNew();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Enough);
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapTopics("/topics/{**name}").WithOptions(endpoint => endpoint.AllowPublishing = true),
            options => options.TopicHistory = new TopicHistory { MaxCount = 2 * Messages, MaxBytes = int.MaxValue, MaxAge = TimeSpan.FromDays(1) },
            builder => builder.Logging.ClearProviders());
        var lives = new Random(seed);
        await using var proxy = new Relay(host.Url.Port) { Lives = () => TimeSpan.FromMilliseconds(lives.Next(100, 700)) };
        await using TopicClient publisher = Open(proxy, FeedWays.WebSocket);

        // A topic that was only asked for is forgotten with the request that is cut, and its next life has another epoch: a reset with nothing lost.
        await publisher.PublishAsync("news", TextOf(1), patience.Token);

        var random = new Random(seed);
        Task[] reading =
        [
            .. Each.SelectMany(way => Enumerable.Range(0, ClientsOfEach).Select(i => ReadAsync(proxy, $"{way} {i}", way, random.Next(), changes: false, patience.Token))),
            .. Enumerable.Range(0, ClientsOfEach).Select(i => ReadAsync(proxy, $"changing {i}", FeedWays.All, random.Next(), changes: true, patience.Token)),
        ];
        await PublishAsync(publisher, patience.Token);
        double published = clock.Elapsed.TotalSeconds;
        await Task.WhenAll(reading);
        TestContext.Current.TestOutputHelper!.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{proxy.Cuts} connections were cut; published after {published:0.0} s, read after {clock.Elapsed.TotalSeconds:0.0} s."));

        TopicPage all = await host.Topics.ReadAsync("news", TopicStart.Oldest, int.MaxValue, patience.Token);
        Assert.Equal(Enumerable.Range(1, Messages).Select(TextOf).Append("end"), all.Messages.Select(message => message.Text));
        Assert.True(proxy.Cuts > ClientsOfEach * Each.Length, $"Only {proxy.Cuts} connections were cut.");
    }

    private static TopicClient Open(Relay proxy, FeedWays ways) => new(new Uri(proxy.Url, "/topics"), new TopicClientOptions
    {
        Ways = ways,
        InitialDelay = TimeSpan.FromMilliseconds(20),
        MaxDelay = TimeSpan.FromMilliseconds(500),
        Spread = TimeSpan.Zero,
        PollInterval = TimeSpan.FromMilliseconds(100),
        UpgradeInterval = Timeout.InfiniteTimeSpan,
        RepeatFor = Enough,
    });

    private static string TextOf(int number) => number.ToString(CultureInfo.InvariantCulture);

    // In order, many without an answer, at a pace that lets all follow on a small machine.
    private static async Task PublishAsync(TopicClient publisher, CancellationToken cancellationToken)
    {
        Queue<Task<string>> underWay = [];
        for (int i = 2; i <= Messages; i++)
        {
            underWay.Enqueue(publisher.PublishAsync("news", TextOf(i), cancellationToken));
            if (underWay.Count == PublishesUnderWay)
            {
                await underWay.Dequeue();
            }

            if (i % 100 == 0)
            {
                await Task.Delay(80, cancellationToken);
            }
        }

        await Task.WhenAll(underWay);
        await publisher.PublishAsync("news", "end", cancellationToken);
    }

    private static async Task ReadAsync(Relay proxy, string name, FeedWays ways, int seed, bool changes, CancellationToken cancellationToken)
    {
        var random = new Random(seed);
        await using TopicClient client = Open(proxy, ways);
        HashSet<FeedWays> used = [];
        int have = 0;
        int change = random.Next(100, 1_500);
        await foreach (TopicNews news in client.SubscribeAsync("news", TopicClient.Oldest, cancellationToken))
        {
            TopicItem item = news as TopicItem ?? throw new InvalidOperationException($"{name} was told of a reset behind {have}.");
            used.Add(client.Way);
            if (item.Text == "end")
            {
                break;
            }

            Assert.True(item.Text == TextOf(have + 1), $"{name} was given {item.Text} behind {have}, by {client.Way}.");
            have++;
            if (changes && have == change)
            {
                change += random.Next(100, 1_500);
                client.UseWays(Each[random.Next(Each.Length)]);
            }
        }

        Assert.True(have == Messages, $"{name} has {have} messages.");
        Assert.True(!changes || used.Count > 1, $"{name} has used {string.Join(", ", used)} alone.");
    }
}
