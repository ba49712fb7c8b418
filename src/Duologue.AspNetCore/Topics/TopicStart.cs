namespace Duologue.AspNetCore;

/// <summary>Where a subscriber begins to read a topic.</summary>
public readonly record struct TopicStart
{
    private TopicStart(TopicStartKind kind, TopicPosition position)
    {
        Kind = kind;
        Position = position;
    }

    /// <summary>With the next message. The default.</summary>
    public static TopicStart Now => default;

    /// <summary>With the oldest message that the history still has.</summary>
    public static TopicStart Oldest => new(TopicStartKind.Oldest, default);

    /// <summary>Which of the three it is.</summary>
    public TopicStartKind Kind { get; }

    /// <summary>The position, if <see cref="Kind"/> is <see cref="TopicStartKind.After"/>.</summary>
    public TopicPosition Position { get; }

    /// <summary>With what follows a position: first what was missed, then what comes.</summary>
    /// <param name="position">Behind the last message that the subscriber has.</param>
    public static TopicStart After(TopicPosition position) => new(TopicStartKind.After, position);
}

/// <summary>The kinds of <see cref="TopicStart"/>.</summary>
public enum TopicStartKind
{
    /// <summary>With the next message.</summary>
    Now,

    /// <summary>With the oldest message that the history has.</summary>
    Oldest,

    /// <summary>With what follows a position.</summary>
    After,
}
