namespace Duologue.AspNetCore;

/// <summary>How much of a topic is kept for those who come later, come back, or repeat what they said. Whichever bound is reached first holds.</summary>
public sealed record TopicHistory
{
    /// <summary>Keeps nothing: whoever was away is told by a reset what is missing.</summary>
    public static TopicHistory None { get; } = new() { MaxCount = 0 };

    /// <summary>The most messages. Default 1,000; 0 for none.</summary>
    public int MaxCount { get; init; } = 1_000;

    /// <summary>The most bytes of payload. Default 1 MiB; 0 for none.</summary>
    public int MaxBytes { get; init; } = 1024 * 1024;

    /// <summary>The greatest age of a message. Default 10 min; positive, at most 49 days.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// How many of the newest idempotency keys a topic remembers, also those of messages that it does not keep: a publish that repeats one of them appends nothing. Default 1,000; at least 1.
    /// </summary>
    public int MaxIdempotencyKeys { get; init; } = 1_000;

    /// <summary>
    /// How long a topic remembers an idempotency key. Default 10 min; positive, at most 49 days. A topic that is forgotten (<see cref="DuologueOptions.TopicIdleLifetime"/>) forgets its keys.
    /// </summary>
    public TimeSpan MaxIdempotencyKeyAge { get; init; } = TimeSpan.FromMinutes(10);
}
