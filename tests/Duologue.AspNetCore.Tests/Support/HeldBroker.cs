namespace Duologue.AspNetCore.Tests.Support;

/// <summary>Holds each publish until it is to be answered.</summary>
internal sealed class HeldBroker(bool takesAhead) : StoringBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System))
{
    private readonly List<TaskCompletionSource> _held = [];
    private int _now;

    /// <summary>How many have come.</summary>
    public int Count
    {
        get
        {
            lock (_held)
            {
                return _held.Count;
            }
        }
    }

    public int MostAtATime { get; private set; }

    public List<PublishTurn?> Turns { get; } = [];

    /// <summary>A broker that has much to do takes none ahead for a while.</summary>
    public bool IsAhead { get; set; } = takesAhead;

    internal override bool TakesAhead => IsAhead;

    public override async ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_held)
        {
            _held.Add(answer);
            Turns.Add(message.Turn);
            MostAtATime = Math.Max(MostAtATime, ++_now);
        }

        await answer.Task;
        return await base.AppendAsync(topic, message, history, cancellationToken);
    }

    public Task HoldsAsync(int count) => Eventually.True(() => Count == count, () => $"{Count} have come, not {count}.");

    public void Answer(int publish)
    {
        lock (_held)
        {
            _now--;
            _held[publish].SetResult();
        }
    }

    public void Fail(int publish, Exception error)
    {
        lock (_held)
        {
            _held[publish].SetException(error);
        }
    }

    protected override void Tell(string topic, TopicMessage message) => OnAppended(topic, message);
}
