namespace Duologue.AspNetCore.Tests.Support;

/// <summary>
/// A broker as another process's might be: it takes its time, and its notifications are late, doubled or lost. What it has, it has in order.
/// </summary>
internal sealed class FleetingBroker(MemoryBroker log) : Broker
{
    private int _calls;

    /// <summary>Until when calls fail.</summary>
    public bool IsDown { get; set; }

    public override async ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken)
    {
        await LingerAsync();
        TopicPosition position = await log.AppendAsync(topic, message, history, cancellationToken);
        int fate = Interlocked.Increment(ref _calls) % 5;
        if (fate != 0)
        {
            _ = NotifyAsync(topic, message, late: fate == 1);
        }

        if (fate == 2)
        {
            _ = NotifyAsync(topic, message, late: true);
        }

        if (fate == 0)
        {
            // The notification itself is lost; later the broker finds that it may have been.
            _ = NotifyAsync(topic, null, late: true);
        }

        return position;
    }

    public override async ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken)
    {
        await LingerAsync();
        return log.Read(topic, start, maxCount, maxBytes);
    }

    public override async ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken)
    {
        await LingerAsync();
        return await log.SubscribeAsync(topic, cancellationToken);
    }

    public override async ValueTask UnsubscribeAsync(string topic)
    {
        await LingerAsync();
        await log.UnsubscribeAsync(topic);
    }

    private async Task LingerAsync()
    {
        await Task.Yield();
        if (IsDown)
        {
            throw new IOException("The broker is down.");
        }
    }

    private async Task NotifyAsync(string topic, TopicMessage? message, bool late)
    {
        if (late)
        {
            await Task.Delay(Random.Shared.Next(1, 5));
        }
        else
        {
            await Task.Yield();
        }

        if (message is null)
        {
            OnUncertain(topic);
        }
        else
        {
            OnAppended(topic, message);
        }
    }
}
