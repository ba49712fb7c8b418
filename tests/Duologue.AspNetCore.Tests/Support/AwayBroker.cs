namespace Duologue.AspNetCore.Tests.Support;

/// <summary>A broker that is away for a number of reads, and of appends. Of the appends that it refuses each other one has been done, and only its answer was lost.</summary>
internal sealed class AwayBroker(MemoryBroker log, int calls) : Broker
{
    private int _appends = calls;
    private int _reads = calls;
    private int _readsBefore;

    /// <summary>How many reads it answers before it is away.</summary>
    public int ReadsBefore
    {
        init => _readsBefore = value;
    }

    /// <summary>How many calls were refused.</summary>
    public int Refused { get; private set; }

    public override async ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken)
    {
        bool isAway = IsAway(ref _appends);
        bool isLost = isAway && _appends % 2 == 0;
        if (isAway && !isLost)
        {
            throw new BrokerUnavailableException("The broker is away.", isUnknown: false, null);
        }

        TopicPosition position = await log.AppendAsync(topic, message, history, cancellationToken);
        OnAppended(topic, message);
        return isLost ? throw new BrokerUnavailableException("The answer was lost.", isUnknown: true, null) : position;
    }

    public override async ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken)
    {
        return Interlocked.Decrement(ref _readsBefore) < 0 && IsAway(ref _reads) ? throw new BrokerUnavailableException("The broker is away.", isUnknown: false, null) : await log.ReadAsync(topic, start, maxCount, maxBytes, cancellationToken);
    }

    public override ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken) => log.SubscribeAsync(topic, cancellationToken);

    public override ValueTask UnsubscribeAsync(string topic) => log.UnsubscribeAsync(topic);

    private bool IsAway(ref int left)
    {
        lock (log)
        {
            if (left == 0)
            {
                return false;
            }

            left--;
            Refused++;
            return true;
        }
    }
}
