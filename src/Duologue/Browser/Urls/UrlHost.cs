using System.Buffers;
using System.Globalization;
using System.Text;

namespace Duologue.Browser;

/// <summary>Parses the host of a URL with a special scheme into its one ASCII form. Source: WHATWG URL §3.5.</summary>
internal static class UrlHost
{
    private static readonly SearchValues<char> Forbidden =
        SearchValues.Create([.. Enumerable.Range(0, 0x20).Append(0x7F).Select(static c => (char)c), .. " #%/:<>?@[\\]^|"]);

    // Characters that IDNA maps to nothing (UTS #46): soft hyphen, joiners of width zero, variation selectors.
    private static readonly SearchValues<char> Ignored =
        SearchValues.Create("\u00AD\u034F\u180B\u180C\u180D\u200B\u2060\u2064\uFEFF" + string.Concat(Enumerable.Range(0xFE00, 16).Select(static c => (char)c)));

    private const int ZeroWidthNonJoiner = 0x200C;
    private const int ZeroWidthJoiner = 0x200D;

    private static readonly IdnMapping Idn = new() { AllowUnassigned = true };

    /// <exception cref="DomException">A SyntaxError that says what is wrong with the host.</exception>
    public static string Parse(string host)
    {
        if (host.StartsWith('['))
        {
            return host.EndsWith(']')
                ? IPv6Literal.Parse(host[1..^1])
                : throw DomException.Syntax($"The host '{host}' of the URL begins with '[' but does not end with ']'.");
        }

        string domain = ToAscii(Encoding.UTF8.GetString(PercentEncoding.Decode(host)), host);
        int bad = domain.AsSpan().IndexOfAny(Forbidden);
        if (bad >= 0)
        {
            throw DomException.Syntax($"The host '{host}' of the URL contains the character U+{(int)domain[bad]:X4}, which a host must not contain.");
        }

        return IPv4Literal.EndsInNumber(domain) ? IPv4Literal.Parse(domain) : domain;
    }

    private static string ToAscii(string domain, string host)
    {
        if (Ascii.IsValid(domain) && !domain.Contains("xn--", StringComparison.OrdinalIgnoreCase))
        {
            return domain.ToLowerInvariant();
        }

        try
        {
            string ascii = string.Join('.', Map(domain).Split('.').Select(static label => LabelToAscii(label)));
            return ascii.Length > 0 ? ascii : throw DomException.Syntax($"The host '{host}' of the URL is empty.");
        }
        catch (ArgumentException error)
        {
            throw new DomException("SyntaxError", $"The host '{host}' of the URL is not a valid internationalized domain name.", error);
        }
    }

    private static string LabelToAscii(string label)
    {
        if (!Ascii.IsValid(label))
        {
            CheckCharacters(label);
            return Idn.GetAscii(label);
        }

        if (label.StartsWith("xn--", StringComparison.Ordinal))
        {
            string decoded = Idn.GetUnicode(label);
            CheckCharacters(decoded);
            if (Ascii.IsValid(decoded) || Idn.GetAscii(decoded) != label)
            {
                throw new ArgumentException($"'{label}' is not the punycode of a label.", nameof(label));
            }
        }

        return label;
    }

    /// <summary>The validity criteria of UTS #46, §4.1, as far as general categories tell.</summary>
    private static void CheckCharacters(string label)
    {
        Rune before = default;
        foreach (Rune rune in label.EnumerateRunes())
        {
            UnicodeCategory category = Rune.GetUnicodeCategory(rune);
            bool isMark = category is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;
            bool isFirst = before == default;
            bool isValid = rune.Value is ZeroWidthNonJoiner or ZeroWidthJoiner
                ? !isFirst && !before.IsAscii // They join letters of scripts that have joined forms, RFC 5892 §A.1.
                : !(isFirst && isMark) && category is not (UnicodeCategory.Control or UnicodeCategory.OtherNotAssigned
                    or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
                    or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
            if (!isValid)
            {
                throw new ArgumentException($"U+{rune.Value:X4} is not allowed there in a domain name.", nameof(label));
            }

            before = rune;
        }

        // RFC 5893 §2, rule 2: a label with letters written from right to left has none of the other direction. ICU does not check it.
        bool mixesDirections = label.EnumerateRunes().Any(IsRightToLeft)
            && label.EnumerateRunes().Any(static rune => Rune.IsLetter(rune) && !IsRightToLeft(rune));
        if (mixesDirections)
        {
            throw new ArgumentException($"The label '{label}' mixes directions of writing.", nameof(label));
        }
    }

    // The blocks that Unicode reserves for such scripts (DerivedBidiClass.txt).
    private static bool IsRightToLeft(Rune rune) => Rune.IsLetter(rune) && rune.Value
        is (>= 0x0590 and <= 0x08FF) or (>= 0xFB1D and <= 0xFDFF) or (>= 0xFE70 and <= 0xFEFF) or (>= 0x10800 and <= 0x10FFF) or (>= 0x1E800 and <= 0x1EFFF);

    /// <summary>The mapping step of UTS #46, as far as .NET brings the tables: compatibility forms need ICU or NLS.</summary>
    private static string Map(string domain)
    {
        var result = new StringBuilder(domain.Length);
        foreach (char c in domain)
        {
            if (c is '\u3002' or '\uFF0E' or '\uFF61')
            {
                result.Append('.');
            }
            else if (c is >= '\uFF01' and <= '\uFF5E')
            {
                // Full-width ASCII, spelled out because it is common in East Asian input and works without ICU.
                result.Append((char)(c - 0xFEE0));
            }
            else if (c == '\uFFFD')
            {
                throw new ArgumentException("U+FFFD is not allowed in a domain name.", nameof(domain));
            }
            else if (!Ignored.Contains(c))
            {
                result.Append(c);
            }
        }

        return result.ToString().ToLowerInvariant().Normalize(NormalizationForm.FormKC);
    }
}
