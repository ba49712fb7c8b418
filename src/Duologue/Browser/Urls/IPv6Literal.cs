using System.Globalization;
using System.Text;

namespace Duologue.Browser;

/// <summary>IPv6 addresses in URLs: parsed strictly, written in their compressed form. Source: WHATWG URL §3.5, RFC 5952.</summary>
internal static class IPv6Literal
{
    /// <summary>The address in brackets.</summary>
    /// <exception cref="DomException">A SyntaxError: not an IPv6 address.</exception>
    public static string Parse(string text)
    {
        Span<ushort> pieces = stackalloc ushort[8];
        return TryParse(text, pieces)
            ? Format(pieces)
            : throw DomException.Syntax($"The host '[{text}]' of the URL is not an IPv6 address.");
    }

    private static bool TryParse(ReadOnlySpan<char> text, Span<ushort> pieces)
    {
        int gap = text.IndexOf("::", StringComparison.Ordinal);
        if (gap < 0)
        {
            return ParsePieces(text, pieces) == 8;
        }

        Span<ushort> tail = stackalloc ushort[8];
        int headCount = gap == 0 ? 0 : ParsePieces(text[..gap], pieces, allowIPv4: false);
        ReadOnlySpan<char> after = text[(gap + 2)..];
        int tailCount = after.IsEmpty ? 0 : ParsePieces(after, tail);
        if (headCount < 0 || tailCount < 0 || headCount + tailCount > 7)
        {
            return false;
        }

        pieces[headCount..].Clear();
        tail[..tailCount].CopyTo(pieces[(8 - tailCount)..]);
        return true;
    }

    /// <summary>Pieces separated by single colons; the last two may be written as an IPv4 address. Returns their number, or -1.</summary>
    private static int ParsePieces(ReadOnlySpan<char> text, Span<ushort> pieces, bool allowIPv4 = true)
    {
        int count = 0;
        foreach (Range range in text.Split(':'))
        {
            ReadOnlySpan<char> part = text[range];
            if (part.Contains('.'))
            {
                bool isLast = range.End.GetOffset(text.Length) == text.Length;
                return allowIPv4 && isLast && count <= 6 && TryParseIPv4(part, pieces.Slice(count, 2)) ? count + 2 : -1;
            }

            if (count == 8 || part.Length is 0 or > 4
                || !ushort.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out pieces[count]))
            {
                return -1;
            }

            count++;
        }

        return count;
    }

    private static bool TryParseIPv4(ReadOnlySpan<char> text, Span<ushort> pieces)
    {
        Span<byte> bytes = stackalloc byte[4];
        int count = 0;
        foreach (Range range in text.Split('.'))
        {
            ReadOnlySpan<char> part = text[range];
            bool leadingZero = part.Length > 1 && part[0] == '0';
            if (count == 4 || leadingZero || !byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out bytes[count]))
            {
                return false;
            }

            count++;
        }

        pieces[0] = (ushort)((bytes[0] << 8) | bytes[1]);
        pieces[1] = (ushort)((bytes[2] << 8) | bytes[3]);
        return count == 4;
    }

    private static string Format(ReadOnlySpan<ushort> pieces)
    {
        // RFC 5952 §4.2: the first longest run of at least two zero pieces becomes "::".
        int runStart = -1;
        int runLength = 1;
        for (int i = 0; i < 8; i++)
        {
            int length = 0;
            while (i + length < 8 && pieces[i + length] == 0)
            {
                length++;
            }

            if (length > runLength)
            {
                (runStart, runLength) = (i, length);
            }
        }

        var result = new StringBuilder("[");
        for (int i = 0; i < 8; i++)
        {
            if (i == runStart)
            {
                result.Append(i == 0 ? "::" : ":");
                i += runLength - 1;
                continue;
            }

            result.Append(CultureInfo.InvariantCulture, $"{pieces[i]:x}").Append(i < 7 ? ":" : "");
        }

        return result.Append(']').ToString();
    }
}
