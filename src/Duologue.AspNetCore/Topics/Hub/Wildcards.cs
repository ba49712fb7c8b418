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
    private readonly Dictionary<string, HashSet<Wildcard>> _byPattern = new(StringComparer.Ordinal);
    private readonly PatternIndex _patterns = new();
    private int _version;
    private int _count;
    private int _asking;

    /// <summary>Changes whenever somebody comes or goes.</summary>
    public int Version => Volatile.Read(ref _version);

    public bool IsEmpty => Volatile.Read(ref _count) == 0;

    /// <summary>Whether for any of them the application is asked which topics it may have, which may take its time.</summary>
    public bool AskApplication => Volatile.Read(ref _asking) > 0;

    public void Add(Wildcard wildcard)
    {
        lock (_lock)
        {
            if (!_byPattern.TryGetValue(wildcard.Pattern, out HashSet<Wildcard>? those))
            {
                _byPattern.Add(wildcard.Pattern, those = []);
                _patterns.Add(wildcard.Pattern);
            }

            if (those.Add(wildcard))
            {
                (_count, _version) = (_count + 1, _version + 1);
                _asking += wildcard.Allows is null ? 0 : 1;
            }
        }
    }

    public void Remove(Wildcard wildcard)
    {
        lock (_lock)
        {
            if (!_byPattern.TryGetValue(wildcard.Pattern, out HashSet<Wildcard>? those) || !those.Remove(wildcard))
            {
                return;
            }

            (_count, _version) = (_count - 1, _version + 1);
            _asking -= wildcard.Allows is null ? 0 : 1;
            if (those.Count == 0)
            {
                _byPattern.Remove(wildcard.Pattern);
                _patterns.Remove(wildcard.Pattern);
            }
        }
    }

    /// <summary>Who subscribes by which pattern.</summary>
    public (string Pattern, Member[] Members)[] List()
    {
        lock (_lock)
        {
            return [.. _byPattern.Select(those => (those.Key, those.Value.Select(wildcard => wildcard.Member).ToArray()))];
        }
    }

    /// <summary>Who is to get a topic's messages by a pattern. Asks what is the application's: hold no lock.</summary>
    public Member[] FindMembers(string topic, out int version)
    {
        Wildcard[] found = FindAllowed(topic, out version);
        return found.Length == 0 ? [] : [.. found.Select(wildcard => wildcard.Member).Distinct()];
    }

    /// <summary>The same, by pattern.</summary>
    public (string Pattern, Member[] Members)[] FindByPattern(string topic) =>
        [.. FindAllowed(topic, out _).GroupBy(wildcard => wildcard.Pattern).Select(those => (those.Key, those.Select(wildcard => wildcard.Member).ToArray()))];

    private Wildcard[] FindAllowed(string topic, out int version)
    {
        Wildcard[] found;
        lock (_lock)
        {
            version = _version;
            found = [.. (_patterns.Find(topic) ?? []).SelectMany(pattern => _byPattern[pattern])];
        }

        return [.. found.Where(wildcard => wildcard.Allows?.Invoke(topic) != false)];
    }
}
