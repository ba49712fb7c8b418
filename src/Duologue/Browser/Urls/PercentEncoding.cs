using System.Buffers;
using System.Globalization;
using System.Text;

namespace Duologue.Browser;

/// <summary>The percent-encode sets and the two directions. Source: WHATWG URL §1.3.</summary>
internal static class PercentEncoding
{
    // What each set leaves as it is, among printable ASCII; controls and everything past '~' are always encoded.
    private static readonly SearchValues<char> QueryKept = KeptOutside(" \"#<>'");
    private static readonly SearchValues<char> PathKept = KeptOutside(" \"#<>?^`{}");
    private static readonly SearchValues<char> UserInfoKept = KeptOutside(" \"#<>?^`{}/:;=@[\\]|");

    /// <summary>For the query of a special scheme.</summary>
    public static string EncodeQuery(ReadOnlySpan<char> text) => Encode(text, QueryKept);

    /// <summary>For one segment of a path.</summary>
    public static string EncodePath(ReadOnlySpan<char> text) => Encode(text, PathKept);

    /// <summary>For a user name or a password.</summary>
    public static string EncodeUserInfo(ReadOnlySpan<char> text) => Encode(text, UserInfoKept);

    /// <summary>The bytes behind a text: escapes decoded, all else as UTF-8. An incomplete escape stays as it is.</summary>
    public static byte[] Decode(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int length = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            bool escape = bytes[i] == '%' && i + 2 < bytes.Length
                && char.IsAsciiHexDigit((char)bytes[i + 1]) && char.IsAsciiHexDigit((char)bytes[i + 2]);
            bytes[length++] = escape
                ? byte.Parse(bytes.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
                : bytes[i];
            i += escape ? 2 : 0;
        }

        return bytes[..length];
    }

    private static string Encode(ReadOnlySpan<char> text, SearchValues<char> kept)
    {
        if (text.IndexOfAnyExcept(kept) < 0)
        {
            return text.ToString();
        }

        var result = new StringBuilder(text.Length + 16);
        Span<byte> utf8 = stackalloc byte[4];

        // Lone surrogates come out of the enumeration as U+FFFD, as the standard's scalar value strings want it.
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (rune.IsAscii && kept.Contains((char)rune.Value))
            {
                result.Append((char)rune.Value);
                continue;
            }

            foreach (byte b in utf8[..rune.EncodeToUtf8(utf8)])
            {
                result.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
            }
        }

        return result.ToString();
    }

    private static SearchValues<char> KeptOutside(string encoded)
    {
        IEnumerable<char> printable = Enumerable.Range(' ', '~' - ' ' + 1).Select(static c => (char)c);
        return SearchValues.Create([.. printable.Except(encoded)]);
    }
}
