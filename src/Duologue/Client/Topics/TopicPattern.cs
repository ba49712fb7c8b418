namespace Duologue.Client;

/// <summary>Names and patterns of topics: <c>*</c> is one segment, <c>**</c> as the last one or more. What is wrong with one, the server says. Source: docs/topics-protocol.md.</summary>
internal static class TopicPattern
{
    /// <summary>Whether it stands for topics, and is not the name of one.</summary>
    public static bool Is(string name) => name.Split('/').Any(segment => segment is "*" or "**");

    /// <summary>Refuses what would become another name on its way; what else is wrong with one, the server says.</summary>
    /// <exception cref="ArgumentException">No server could be asked for it.</exception>
    public static void CheckText(string name, string parameter)
    {
        ArgumentException.ThrowIfNullOrEmpty(name, parameter);

        // RFC 3986 §5.2.4: a URL loses them, and a request would be about another topic.
        if (name.Split('/').Any(segment => segment is "." or ".."))
        {
            throw new ArgumentException($"The topic {name} has a segment . or .., which a URL loses: name the topic without.", parameter);
        }

        // U+FFFD would stand for it in what is sent, and what comes back would be of a topic that nobody asked for.
        if (IndexOfHalfAPair(name) >= 0)
        {
            throw new ArgumentException("The topic has half of a surrogate pair, which is no character.", parameter);
        }
    }

    /// <summary>Where a name has half of a surrogate pair, which no UTF-8 can say; negative if nowhere.</summary>
    public static int IndexOfHalfAPair(string name)
    {
        for (int i = 0; i < name.Length; i++)
        {
            if (char.IsSurrogate(name[i]))
            {
                if (!char.IsSurrogatePair(name, i))
                {
                    return i;
                }

                i++;
            }
        }

        return -1;
    }

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
