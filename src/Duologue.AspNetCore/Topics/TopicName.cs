using Duologue.Client;

namespace Duologue.AspNetCore;

/// <summary>
/// The rules of names. A name has segments, parted by slashes; a pattern may have <c>*</c> for one segment, and <c>**</c> as its last for
/// one or more. Compared with case.
/// </summary>
internal static class TopicName
{
    public const int MaxLength = 256;

    private const char Slash = '/';

    /// <summary>Whether some segment is a wildcard.</summary>
    public static bool IsPattern(string name) => name.Contains('*', StringComparison.Ordinal);

    /// <summary>What is wrong with a name, as a sentence; null if nothing.</summary>
    public static string? FindError(string name) => FindError(name, "topic's name") ?? (IsPattern(name) ? "The topic's name has a *, which stands for many topics; name one." : null);

    /// <summary>What is wrong with a pattern or a name, as a sentence; null if nothing.</summary>
    public static string? FindPatternError(string pattern)
    {
        if (FindError(pattern, "topic pattern") is { } error)
        {
            return error;
        }

        ReadOnlySpan<char> rest = pattern;
        foreach (Range range in rest.Split(Slash))
        {
            ReadOnlySpan<char> segment = rest[range];
            bool last = range.End.GetOffset(rest.Length) == rest.Length;
            if (segment.Contains('*') && segment is not "*" && !(segment is "**" && last))
            {
                return "The topic pattern has a * within a segment: a segment is * or has none, and only the last may be **.";
            }
        }

        return null;
    }

    /// <exception cref="ArgumentException">It is no name of one topic.</exception>
    public static void Check(string topic)
    {
        ArgumentException.ThrowIfNullOrEmpty(topic);
        if (FindError(topic) is { } error)
        {
            throw new ArgumentException(error, nameof(topic));
        }
    }

    /// <exception cref="ArgumentException">It is neither a name nor a pattern.</exception>
    public static void CheckPattern(string topic)
    {
        ArgumentException.ThrowIfNullOrEmpty(topic);
        if (FindPatternError(topic) is { } error)
        {
            throw new ArgumentException(error, nameof(topic));
        }
    }

    /// <summary>Whether a valid pattern stands for a valid name.</summary>
    public static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        while (true)
        {
            (int patternEnd, int nameEnd) = (pattern.IndexOf(Slash), name.IndexOf(Slash));
            ReadOnlySpan<char> segment = patternEnd < 0 ? pattern : pattern[..patternEnd];
            if (segment is "**")
            {
                return true;
            }

            if (segment is not "*" && !segment.SequenceEqual(nameEnd < 0 ? name : name[..nameEnd]))
            {
                return false;
            }

            if (patternEnd < 0 || nameEnd < 0)
            {
                return patternEnd < 0 && nameEnd < 0;
            }

            pattern = pattern[(patternEnd + 1)..];
            name = name[(nameEnd + 1)..];
        }
    }

    /// <summary>The segment of a name or pattern that begins at a place.</summary>
    public static ReadOnlySpan<char> SegmentAt(string name, int start)
    {
        ReadOnlySpan<char> rest = name.AsSpan(start);
        int end = rest.IndexOf(Slash);
        return end < 0 ? rest : rest[..end];
    }

    private static string? FindError(string name, string what)
    {
        if (name.Length is 0 or > MaxLength)
        {
            return $"The {what} has {name.Length} characters; 1 to {MaxLength} are allowed.";
        }

        for (int i = 0; i < name.Length; i++)
        {
            char c = name[i];
            if (char.IsControl(c))
            {
                return $"The {what} has the control character U+{(int)c:X4} at index {i}; none is allowed.";
            }
        }

        if (TopicPattern.IndexOfHalfAPair(name) is >= 0 and int half)
        {
            return $"The {what} has half of a surrogate pair at index {half}, which is no character.";
        }

        ReadOnlySpan<char> rest = name;
        foreach (Range range in rest.Split(Slash))
        {
            // Clients and proxies take such segments out of a URL, so that a topic with one could not be asked for.
            if (rest[range] is "" or "." or "..")
            {
                return $"The {what} has a segment that is empty, . or ..; segments are parted by single slashes, with none at either end.";
            }
        }

        return null;
    }
}
