using System.Globalization;
using CsCheck;
using Duologue.AspNetCore.Tests.Client;
using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Pubsub;

/// <summary>
/// A log that loses its end, or all of it, and notifications that are lost, against what readers and clients have: since they were last told of a loss, each has what the log has, in order, up to its end.
/// </summary>
public class LosingModelTests
{
    private const int Messages = 250;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1_000_000)]
    [InlineData(15)]
    public async Task Whoever_was_not_told_of_a_loss_has_what_the_log_has(int history) =>
        await Gen.Int[0, int.MaxValue].SampleAsync(seed => PlayAsync(seed, history), iter: 6, threads: 2);

    private static async Task PlayAsync(int seed, int history)
    {
        var broker = new LosingBroker(seed, history);
        await using TestHost host = await QuickTopics.StartAsync(broker);
        await host.Topics.PublishAsync("model", "0", Token);
        Had[] had = [.. Enumerable.Range(0, 8).Select(_ => new Had())];
        TopicClient[] clients = [.. QuickTopics.EachWay.Select(way => QuickTopics.Open(host, QuickTopics.Options with { Ways = way.Data }))];
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Token);
        Task[] reading =
        [
            .. clients.Select((client, i) => ReadAsync(client, had[i], over.Token)),
            .. had[clients.Length..].Select((mine, i) => ReadAsync(host, mine, new Random(seed + i), over.Token)),
        ];
        await Task.WhenAll(Enumerable.Range(0, 2).Select(publisher => PublishAsync(host, publisher, new Random(seed - publisher))));
        broker.BecomeCalm();
        await host.Topics.PublishAsync("model", "end", Token);
        await Eventually.True(() => had.All(mine => mine.Last == "end"));
        await over.CancelAsync();
        await Task.WhenAll(reading);
        foreach (TopicClient client in clients)
        {
            await client.DisposeAsync();
        }

        Assert.All(had, mine => mine.Check(broker.Log));
    }

    private static async Task PublishAsync(TestHost host, int publisher, Random random)
    {
        for (int i = 0; i < Messages; i++)
        {
            await host.Topics.PublishAsync("model", string.Create(CultureInfo.InvariantCulture, $"{publisher}:{i}"), Token);
            if (random.Next(4) == 0)
            {
                await Task.Delay(random.Next(4), Token);
            }
        }
    }

    private static async Task ReadAsync(TopicClient client, Had had, CancellationToken over)
    {
        try
        {
            await foreach (TopicNews news in client.SubscribeAsync("model", TopicClient.Oldest, over))
            {
                had.Take(news is TopicReset, news is TopicItem item ? [(OffsetOf(item.Cursor), item.Text)] : []);
            }
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // It has all.
        }
    }

    // Goes now and then, and comes back behind what it had.
    private static async Task ReadAsync(TestHost host, Had had, Random random, CancellationToken over)
    {
        TopicStart start = TopicStart.Oldest;
        try
        {
            while (true)
            {
                using TopicSubscription reader = await host.Topics.SubscribeAsync("model", start, over);
                for (int i = random.Next(1, 8); i > 0; i--)
                {
                    TopicPage page = await reader.ReadAsync(over);
                    had.Take(page.IsReset, page.Messages.Select(message => (message.Position.Offset, message.Text)));
                }

                start = TopicStart.After(reader.Position);
            }
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // It has all.
        }
    }

    private static long OffsetOf(string cursor) => TopicPosition.TryParse(cursor, out TopicPosition position) ? position.Offset : throw new FormatException(cursor);

    /// <summary>What one reader has, since it was last told of a loss.</summary>
    private sealed class Had
    {
        private readonly Lock _lock = new();
        private readonly List<(long Offset, string Text)> _since = [];

        public string? Last
        {
            get
            {
                lock (_lock)
                {
                    return _since.LastOrDefault().Text;
                }
            }
        }

        public void Take(bool isReset, IEnumerable<(long Offset, string Text)> items)
        {
            lock (_lock)
            {
                if (isReset)
                {
                    _since.Clear();
                }

                _since.AddRange(items);
            }
        }

        /// <summary>No gap and no double, and the log's end, as much of it as both have.</summary>
        public void Check(List<(long Offset, string Text)> log)
        {
            int both = Math.Min(log.Count, _since.Count);
            Assert.Equal(log[^both..], _since[^both..]);
            Assert.Equal(_since.Select((_, i) => _since[0].Offset + i), _since.Select(item => item.Offset));
            Assert.Equal(_since.Count, _since.Select(item => item.Text).Distinct().Count());
        }
    }
}
