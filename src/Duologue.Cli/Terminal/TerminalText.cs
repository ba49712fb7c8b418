using System.Globalization;
using System.Text;

namespace Duologue.Cli.Terminal;

/// <summary>
/// Text of a peer on its way to a terminal. A terminal obeys control characters (colours, cursor, title, clipboard), so a
/// peer's are shown, not passed on. Where the output is no terminal it is passed on as it came.
/// </summary>
internal static class TerminalText
{
    private const int Visible = 0x2400;   // U+2400 SYMBOL FOR NULL: the 32 control characters have a picture each.

    // As wide as the time before a message.
    private const string Margin = "             ┊ ";

    /// <summary>A text of several lines, of which those behind the first are set in: one that began at the edge would pass for what another peer has said.</summary>
    public static string EscapeLines(string text) => Escape(text).Replace("\n", "\n" + Margin, StringComparison.Ordinal);

    /// <summary>What stands in a line of ours: a line feed is shown, too.</summary>
    public static string EscapeLine(string text) => Escape(text).Replace('\n', (char)(Visible + '\n'));

    public static string Escape(string text)
    {
        if (!text.Any(IsUnsafe))
        {
            return text;
        }

        var result = new StringBuilder(text.Length + 8);
        foreach (char c in text)
        {
            if (!IsUnsafe(c))
            {
                result.Append(c);
            }
            else if (c < ' ')
            {
                result.Append((char)(Visible + c));
            }
            else
            {
                result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
        }

        return result.ToString();
    }

    // C0 but tab and line feed, DEL, C1, and the controls of writing direction, with which a text can lie about its order.
    private static bool IsUnsafe(char c) =>
        c is (< ' ' and not ('\n' or '\t')) or (>= '\x7f' and <= '\x9f') or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');
}
