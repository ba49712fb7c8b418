namespace Duologue;

/// <summary>Who subscribes to a topic, where a <see cref="TopicClient"/> has asked for it.</summary>
public sealed class TopicPresence : TopicNews
{
    internal TopicPresence(string topic, string cursor, PresenceChange change, IReadOnlyList<TopicPeer> peers)
        : base(topic, cursor) => (Change, Peers) = (change, peers);

    /// <summary>What has changed.</summary>
    public PresenceChange Change { get; }

    /// <summary>All who are there, or the one who has come or gone.</summary>
    public IReadOnlyList<TopicPeer> Peers { get; }
}

/// <summary>What a <see cref="TopicPresence"/> tells.</summary>
public enum PresenceChange
{
    /// <summary>All who are there; whoever was known before and is not among them is gone. At the beginning, and anew after each cut.</summary>
    Present,

    /// <summary>One has begun to subscribe. One who is known already may be told once more.</summary>
    Joined,

    /// <summary>One has ended it.</summary>
    Left,
}

/// <summary>A subscriber of a topic.</summary>
/// <param name="Id">The subscription's, on its server.</param>
/// <param name="User">The user; null if nobody is signed in.</param>
public sealed record TopicPeer(string Id, string? User);
