using System.Globalization;

namespace Duologue.Protocol.Handshake;

/// <summary>Puts what a peer sent into a sentence of ours: short, in quotes, and without control characters that would forge a log.</summary>
internal static class PeerText
{
    private const int MaxLength = 80;

    public static string Quote(ReadOnlySpan<char> text) => Quote(text, MaxLength);

    /// <param name="text">What the peer sent.</param>
    /// <param name="maxLength">So much of it is shown; at most some hundred characters.</param>
    public static string Quote(ReadOnlySpan<char> text, int maxLength)
    {
        ReadOnlySpan<char> shown = text.Length > maxLength ? text[..maxLength] : text;
        Span<char> clean = stackalloc char[shown.Length];
        for (int i = 0; i < shown.Length; i++)
        {
            clean[i] = shown[i] is < ' ' or > '~' ? '?' : shown[i];
        }

        return text.Length > maxLength ? $"\"{clean}…\"" : $"\"{clean}\"";
    }

    /// <summary>Words for people, in any language: whole, and on one line, as whoever sent them may want to write more of them in a log.</summary>
    public static string QuoteWords(string text) => string.Create(text.Length + 2, text, static (line, text) =>
    {
        line[0] = line[^1] = '"';
        for (int i = 0; i < text.Length; i++)
        {
            line[i + 1] = char.IsControl(text[i]) || char.GetUnicodeCategory(text[i]) is UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Format ? '?' : text[i];
        }
    });

    /// <summary>All lines of a header, as they would stand in one.</summary>
    public static string Quote<TValues>(TValues values)
        where TValues : IReadOnlyList<string?>
    {
        return Quote(string.Join(", ", values));
    }
}
