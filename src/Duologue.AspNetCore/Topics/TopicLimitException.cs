namespace Duologue.AspNetCore;

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
