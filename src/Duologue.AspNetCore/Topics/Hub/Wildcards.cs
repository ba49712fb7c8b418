namespace Duologue.AspNetCore;

/// <summary>A subscription to all topics that a pattern stands for, live only: a position belongs to one topic.</summary>
/// <param name="pattern">A valid pattern with a wildcard.</param>
/// <param name="member">Who subscribes.</param>
/// <param name="allows">Asked for each topic that the pattern is found to stand for, with no lock held, and again when wildcards have changed; null if all are allowed. Must not throw.</param>
internal sealed class Wildcard(string pattern, Member member, Func<string, bool>? allows)
{
    private const int Followed = 1;
    private const int Left = 2;

    private int _phase;

    public string Pattern { get; } = pattern;

    public Member Member { get; } = member;

    public Func<string, bool>? Allows { get; } = allows;

    public bool HasLeft => Volatile.Read(ref _phase) == Left;

    /// <summary>A broker elsewhere follows the pattern on its behalf. False if it has ended meanwhile: the caller ends that, too.</summary>
    public bool TryFollow() => Interlocked.CompareExchange(ref _phase, Followed, 0) != Left;

    /// <summary>It ends. True if a broker follows the pattern on its behalf, which the caller ends.</summary>
    public bool Leave() => Interlocked.Exchange(ref _phase, Left) == Followed;
}

/// <summary>All subscriptions to patterns. A topic looks here when the version has changed since it last did. Its lock is a leaf.</summary>
internal sealed class Wildcards
{
    private readonly Lock _lock = new();
    private readonly HashSet<Wildcard> _all = [];
    private Wildcard[]? _snapshot;
    private int _version;
    private int _count;

    /// <summary>Changes whenever somebody comes or goes.</summary>
    public int Version => Volatile.Read(ref _version);

    public bool IsEmpty => Volatile.Read(ref _count) == 0;

    public void Add(Wildcard wildcard) => Change(() => _all.Add(wildcard));

    public void Remove(Wildcard wildcard) => Change(() => _all.Remove(wildcard));

    public Wildcard[] List()
    {
        lock (_lock)
        {
            return _snapshot ??= [.. _all];
        }
    }

    /// <summary>Who is to get a topic's messages by a pattern. Asks what is the application's: hold no lock.</summary>
    public Member[] FindMembers(string topic, out int version)
    {
        Wildcard[] all;
        lock (_lock)
        {
            version = _version;
            all = _snapshot ??= [.. _all];
        }

        return all.Length == 0 ? [] : [.. all.Where(wildcard => TopicName.Matches(wildcard.Pattern, topic) && wildcard.Allows?.Invoke(topic) != false).Select(wildcard => wildcard.Member).Distinct()];
    }

    private void Change(Func<bool> change)
    {
        lock (_lock)
        {
            if (change())
            {
                _snapshot = null;
                _count = _all.Count;
                _version++;
            }
        }
    }
}
