namespace Duologue.Client;

/// <summary>Patterns of topics: <c>*</c> is one segment, <c>**</c> as the last one or more. What is wrong with one, the server says. Source: docs/topics-protocol.md.</summary>
internal static class TopicPattern
{
    /// <summary>Whether it stands for topics, and is not the name of one.</summary>
    public static bool Is(string name) => name.Split('/').Any(segment => segment is "*" or "**");

    /// <summary>Whether a pattern stands for a name.</summary>
    public static bool Matches(string pattern, string name)
    {
        string[] segments = pattern.Split('/');
        string[] names = name.Split('/');
        for (int i = 0; i < segments.Length; i++)
        {
            if (i == names.Length)
            {
                return false;
            }

            if (segments[i] == "**")
            {
                return true;
            }

            if (segments[i] != "*" && segments[i] != names[i])
            {
                return false;
            }
        }

        return segments.Length == names.Length;
    }
}
