namespace Duologue.AspNetCore;

/// <summary>A piece of a topic, read from a place on.</summary>
/// <param name="Messages">What stands there, in order and without a gap; empty if there is nothing new.</param>
/// <param name="Next">Where to continue.</param>
/// <param name="HasMore">Whether there was more at hand than was asked for.</param>
public sealed record TopicPage(IReadOnlyList<TopicMessage> Messages, TopicPosition Next, bool HasMore)
{
    /// <summary>
    /// Whether messages between the place asked for and the first of <see cref="Messages"/> are gone, or may be: the history has let them go, or the topic has begun anew.
    /// </summary>
    public bool IsReset { get; init; }

    /// <summary>How many messages are known lost, if <see cref="IsReset"/>; null if that cannot be known, because the topic has begun anew.</summary>
    public long? Lost { get; init; }

    internal bool IsEmpty => Messages.Count == 0 && !IsReset;
}
