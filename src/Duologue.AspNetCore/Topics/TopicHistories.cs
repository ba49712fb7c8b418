namespace Duologue.AspNetCore;

/// <summary>Which topic keeps how much: the pattern that says most about its name decides, else the default.</summary>
internal sealed class TopicHistories(DuologueOptions options)
{
    // The more literal characters the earlier; of equals the one that sorts first, so that the choice is the same in all processes.
    private readonly KeyValuePair<string, TopicHistory>[] _patterns =
    [
        .. options.TopicHistories.OrderByDescending(pair => pair.Key.Count(c => c != '*')).ThenBy(pair => pair.Key, StringComparer.Ordinal),
    ];

    public TopicHistory For(string topic)
    {
        foreach ((string pattern, TopicHistory history) in _patterns)
        {
            if (TopicName.Matches(pattern, topic))
            {
                return history;
            }
        }

        return options.TopicHistory;
    }
}
