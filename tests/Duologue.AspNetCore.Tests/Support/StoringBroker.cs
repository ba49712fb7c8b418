namespace Duologue.AspNetCore.Tests.Support;

/// <summary>A broker elsewhere that stores in memory; those on it differ in what they tell.</summary>
internal abstract class StoringBroker(MemoryBroker log) : Broker
{
    public override async ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken)
    {
        TopicPosition position = await log.AppendAsync(topic, message, history, cancellationToken);
        Tell(topic, message);
        return position;
    }

    public override ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken) => new(log.Read(topic, start, maxCount, maxBytes));

    public override ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken) => log.SubscribeAsync(topic, cancellationToken);

    public override ValueTask UnsubscribeAsync(string topic) => log.UnsubscribeAsync(topic);

    protected abstract void Tell(string topic, TopicMessage message);
}

/// <summary>Tells of what was appended only when it is asked to.</summary>
internal sealed class SilentBroker(MemoryBroker log) : StoringBroker(log)
{
    private readonly List<AppendedMessage> _appended = [];

    public FanoutReach Tell() => OnAppended([.. _appended]);

    public FanoutReach TellLast() => OnAppended([_appended[^1]]);

    public void TellUnseen(string topic, TopicPosition first) => OnAppendedUnseen(topic, first);

    public void TellMissed() => OnMissed();

    public void TellUncertain(string topic) => OnUncertain(topic);

    protected override void Tell(string topic, TopicMessage message) => _appended.Add(new AppendedMessage(topic, message));
}
