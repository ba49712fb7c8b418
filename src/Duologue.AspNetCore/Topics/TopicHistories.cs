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

/// <summary>A limit on topics is reached. Its option is named.</summary>
internal sealed class TopicLimitException(string option, int limit) : InvalidOperationException(TextFor(option, limit))
{
    public string Option { get; } = option;

    public int Limit { get; } = limit;

    /// <summary>The option as metrics and clients have it: in lower case with underscores.</summary>
    public string Name => Option == nameof(DuologueOptions.MaxTopicsPerConnection) ? "max_topics_per_connection" : "max_topics";

    private static string TextFor(string option, int limit) => option == nameof(DuologueOptions.MaxTopicsPerConnection)
        ? $"The connection subscribes to {limit} topics, which is the most: {nameof(DuologueOptions)}.{option}."
        : $"There are {limit} topics, which is the most: {nameof(DuologueOptions)}.{option}.";
}
