namespace Duologue;

/// <summary>How a <see cref="TopicClient"/> has its topics. Immutable; vary with <c>with</c>.</summary>
public sealed record TopicClientOptions : ReconnectOptions
{
    /// <summary>By which ways topics may be had; the best that gets through is used. Default <see cref="FeedWays.All"/>.</summary>
    public FeedWays Ways { get; init; } = FeedWays.All;

    /// <summary>How long between two requests that found nothing, where the way is <see cref="FeedWays.Polling"/>: half of it to one and a half, by chance. Default 2 s; positive, at most a day.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long the server is asked to hold a request, where the way is <see cref="FeedWays.LongPolling"/>. Default 30 s; 1 s to 55 s.</summary>
    public TimeSpan PollWait { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a stream of <see cref="FeedWays.ServerSentEvents"/> may be silent. Default 45 s, where Duologue's server says something every 20 s; positive, at most a day. Passed: it counts as cut.
    /// </summary>
    public TimeSpan StreamTimeout { get; init; } = TimeSpan.FromSeconds(45);

    /// <summary>How often a WebSocket is tried while a lesser way is used. Default 1 min; positive, at most a day, or <see cref="Timeout.InfiniteTimeSpan"/> for never.</summary>
    public TimeSpan UpgradeInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// For how long after it was first sent a publish is repeated. Default 5 min; positive, at most a day, and shorter than the server remembers keys (10 min,
    /// <c>TopicHistory.MaxIdempotencyKeyAge</c>): a later repeat could double it. Passed: a <see cref="TopicException"/> with the code <c>unknown</c>.
    /// </summary>
    public TimeSpan RepeatFor { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How many publishes may be under way, or wait to be; more wait their turn. Default 1,000; at least 1.</summary>
    public int MaxPublishes { get; init; } = 1_000;

    /// <summary>
    /// How many items of one topic may wait for their reader. Default 1,000; at least 1. Reached: no more are taken from the server until there is room. On a WebSocket, where answers to publishes stand behind them, a subscription
    /// whose reader takes nothing for a second meanwhile is ended there, and taken up again when half is read, as after a cut.
    /// </summary>
    public int MaxUnread { get; init; } = 1_000;

    internal new void Validate()
    {
        base.Validate();
        if ((Ways & FeedWays.All) == 0 || (Ways & ~FeedWays.All) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(Ways), Ways, "Ways names at least one of the ways, and nothing else.");
        }

        CheckTime(PollInterval, nameof(PollInterval));
        CheckTime(StreamTimeout, nameof(StreamTimeout));
        CheckTime(RepeatFor, nameof(RepeatFor));
        if (UpgradeInterval != Timeout.InfiniteTimeSpan)
        {
            CheckTime(UpgradeInterval, nameof(UpgradeInterval));
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(PollWait, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PollWait, TimeSpan.FromSeconds(55));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPublishes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxUnread, 1);
    }

    private static void CheckTime(TimeSpan value, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(value, TimeSpan.Zero, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, TimeSpan.FromDays(1), name);
    }
}
