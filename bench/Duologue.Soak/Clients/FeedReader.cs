using System.Globalization;

namespace Duologue.Soak;

/// <summary>Reads by one way of <see cref="TopicClient"/>.</summary>
internal sealed class FeedReader : Reader
{
    private readonly TopicClient _client;
    private readonly Task[] _reading;

    public FeedReader(string name, TopicClient client, int[] topics, Ledger ledger, bool mayReset, CancellationToken cancellationToken)
        : base(name, topics, ledger, mayReset)
    {
        _client = client;
        _reading = [.. topics.Select((topic, index) => Task.Run(() => ReadAsync(topic, index, cancellationToken), CancellationToken.None))];
    }

    protected override string State => $"by {_client.Way}, {_client.State}";

    public override async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await Task.WhenAll(_reading);
    }

    private async Task ReadAsync(int topic, int index, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (TopicNews news in _client.SubscribeAsync(Publisher.NameOf(topic), TopicClient.Oldest, cancellationToken))
            {
                if (news is TopicReset reset)
                {
                    TakeReset(index, reset.Lost?.ToString(CultureInfo.InvariantCulture) ?? "unknown");
                }
                else
                {
                    Take(index, ((TopicItem)news).Text);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The run is over.
        }
        catch (TopicException) when (cancellationToken.IsCancellationRequested)
        {
            // So is its client.
        }
        catch (TopicException e)
        {
            Lose(index, $"{e.Code}: {e.Message}");
        }
    }
}
