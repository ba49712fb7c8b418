namespace Duologue.AspNetCore;

/// <summary>Who subscribes to a topic.</summary>
/// <param name="Id">The id of the connection, or of the stream; unique within its process.</param>
/// <param name="UserId">The user's name, as in <see cref="Connections"/>; null if nobody is signed in.</param>
public readonly record struct TopicSubscriber(string Id, string? UserId)
{
    /// <summary>The process that it is connected to, where several share the topics: two of them may have subscribers of the same id. Null where this one has the topics alone.</summary>
    public string? Node { get; init; }
}

/// <summary>Somebody has joined or left a topic.</summary>
/// <param name="topic">The topic's name.</param>
/// <param name="subscriber">Who it is.</param>
public sealed class TopicPresenceEventArgs(string topic, TopicSubscriber subscriber) : EventArgs
{
    /// <summary>The topic's name.</summary>
    public string Topic { get; } = topic;

    /// <summary>Who it is.</summary>
    public TopicSubscriber Subscriber { get; } = subscriber;
}

/// <summary>A topic was forgotten, because nobody had used it.</summary>
/// <param name="topic">The topic's name.</param>
public sealed class TopicExpiredEventArgs(string topic) : EventArgs
{
    /// <summary>The topic's name.</summary>
    public string Topic { get; } = topic;
}

/// <summary>Messages of a topic are lost to subscribers, or may be.</summary>
/// <param name="topic">The topic's name.</param>
/// <param name="lost">How many.</param>
/// <param name="subscribers">Who was not told.</param>
public sealed class TopicResetEventArgs(string topic, long? lost, IReadOnlyList<TopicSubscriber> subscribers) : EventArgs
{
    /// <summary>The topic's name; a pattern where it is not known of which of its topics messages may be lost.</summary>
    public string Topic { get; } = topic;

    /// <summary>How many messages are known lost; null if that cannot be known, because the topic has begun anew, or it is a pattern.</summary>
    public long? Lost { get; } = lost;

    /// <summary>The plain connections that subscribe, by name or by a pattern: what they are sent next does not follow what they were sent last.</summary>
    public IReadOnlyList<TopicSubscriber> Subscribers { get; } = subscribers;
}
