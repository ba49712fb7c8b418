namespace Duologue.AspNetCore;

/// <summary>How much of a topic is kept for those who come later or come back. Whichever bound is reached first holds.</summary>
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
}
