using System.Globalization;

namespace Duologue.Soak;

/// <summary>A client by one way that reads some topics, and checks each number.</summary>
internal sealed class Reader : IAsyncDisposable
{
    private readonly TopicClient _client;
    private readonly Ledger _ledger;
    private readonly string _name;
    private readonly bool _mayReset;
    private readonly int[] _topics;
    private readonly int[] _have;
    private readonly Task[] _reading;

    public Reader(string name, TopicClient client, int[] topics, Ledger ledger, bool mayReset, CancellationToken cancellationToken)
    {
        (_name, _client, _topics, _ledger, _mayReset) = (name, client, topics, ledger, mayReset);
        _have = new int[topics.Length];
        _reading = [.. topics.Select((topic, index) => Task.Run(() => ReadAsync(topic, index, cancellationToken), CancellationToken.None))];
    }

    public string Name => _name;

    /// <summary>What it still lacks, in words; null if nothing.</summary>
    public string? Lacks()
    {
        for (int i = 0; i < _topics.Length; i++)
        {
            int last = _ledger.LastOf(_topics[i]);
            int have = Volatile.Read(ref _have[i]);
            if (have < last)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{_name} has {have} of {last} of topic {_topics[i]}, by {_client.Way}, {_client.State}.");
            }
        }

        return null;
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await Task.WhenAll(_reading);
    }

    private async Task ReadAsync(int topic, int index, CancellationToken cancellationToken)
    {
        bool isReset = false;
        try
        {
            await foreach (TopicNews news in _client.SubscribeAsync(Publisher.NameOf(topic), TopicClient.Oldest, cancellationToken))
            {
                if (news is TopicReset reset)
                {
                    _ledger.Reset();
                    isReset = true;
                    if (!_mayReset)
                    {
                        _ledger.Complain(string.Create(CultureInfo.InvariantCulture, $"{_name} was told of a reset of topic {topic} behind {_have[index]} (lost: {reset.Lost?.ToString(CultureInfo.InvariantCulture) ?? "unknown"}), and nothing was lost."));
                    }

                    continue;
                }

                int number = int.Parse(((TopicItem)news).Text, CultureInfo.InvariantCulture);
                Volatile.Write(ref _have[index], _ledger.Take($"{_name}, topic {topic}, by {_client.Way},", _have[index], number, isReset));
                isReset = false;
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
            _ledger.Complain(string.Create(CultureInfo.InvariantCulture, $"{_name} has no topic {topic} any more, behind {_have[index]}: {e.Code}: {e.Message}"));
        }
    }
}
