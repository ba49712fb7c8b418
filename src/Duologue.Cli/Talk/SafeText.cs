using System.Globalization;
using System.Text;

namespace Duologue.Cli.Talk;

/// <summary>Cleans what people call themselves and their files. The texts they send are passed on as they are, and escaped where they are shown.</summary>
internal static class SafeText
{
    private const string FallbackType = "application/octet-stream";

    /// <summary>A name on one line without control or direction characters, at most <see cref="TalkLimits.Name"/> long; null if nothing is left.</summary>
    public static string? CleanName(string? name) => Clean(name, TalkLimits.Name);

    /// <summary>The last part of a path, cleaned likewise.</summary>
    public static string CleanFileName(string? name)
    {
        string? cleaned = Clean(name?[(name.LastIndexOfAny(['/', '\\']) + 1)..], TalkLimits.FileName);
        return cleaned is null or "." or ".." ? "file" : cleaned;
    }

    /// <summary>A media type without parameters, or the type of plain octets where it is none.</summary>
    public static string CleanMediaType(string? type)
    {
        string bare = (type ?? "").Split(';')[0].Trim().ToLowerInvariant();
        int slash = bare.IndexOf('/', StringComparison.Ordinal);
        bool valid = bare.Length <= 100
            && slash > 0
            && slash < bare.Length - 1
            && bare.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '+' or '-' or '.' or '_')
            && bare.LastIndexOf('/') == slash;
        return valid ? bare : FallbackType;
    }

    private static string? Clean(string? text, int limit)
    {
        if (text is null)
        {
            return null;
        }

        var cleaned = new StringBuilder(limit);
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isSpace = Rune.IsWhiteSpace(rune);
            // Format characters hide in a name or turn it around; the joiner is kept, since emoji are made with it.
            bool isHidden = !isSpace && rune.Value != '\u200d'
                && Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;
            if (isHidden || (isSpace && (cleaned.Length == 0 || cleaned[^1] == ' ')))
            {
                continue;
            }

            if (cleaned.Length + rune.Utf16SequenceLength > limit)
            {
                break;
            }

            cleaned.Append(isSpace ? " " : rune.ToString());
        }

        string result = cleaned.ToString().Trim().Trim('\u200d');
        return result.Length == 0 ? null : result;
    }
}
