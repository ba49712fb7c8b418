using System.Globalization;

namespace Duologue.Browser;

/// <summary>IPv4 addresses as URLs may spell them: one to four parts, each decimal, octal or hexadecimal. Source: WHATWG URL §3.5.</summary>
internal static class IPv4Literal
{
    /// <summary>Whether a host must be an IPv4 address: its last label is a number.</summary>
    public static bool EndsInNumber(string domain)
    {
        string[] labels = domain.Split('.');
        int last = labels.Length - 1;
        if (labels[last].Length == 0)
        {
            if (labels.Length == 1)
            {
                return false;
            }

            last--;
        }

        return (labels[last].Length > 0 && labels[last].All(char.IsAsciiDigit)) || TryParsePart(labels[last], out _);
    }

    /// <exception cref="DomException">A SyntaxError: the host ends in a number but is no IPv4 address.</exception>
    public static string Parse(string domain)
    {
        string[] parts = domain.Split('.');
        if (parts.Length > 1 && parts[^1].Length == 0)
        {
            parts = parts[..^1];
        }

        if (parts.Length > 4)
        {
            throw Invalid(domain);
        }

        ulong address = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            bool isLast = i == parts.Length - 1;
            ulong limit = isLast ? 1UL << (8 * (5 - parts.Length)) : 256;
            if (!TryParsePart(parts[i], out ulong value) || value >= limit)
            {
                throw Invalid(domain);
            }

            address += isLast ? value : value << (8 * (3 - i));
        }

        return string.Create(CultureInfo.InvariantCulture, $"{address >> 24}.{(address >> 16) & 255}.{(address >> 8) & 255}.{address & 255}");
    }

    private static bool TryParsePart(string part, out ulong value)
    {
        value = 0;
        if (part.Length == 0)
        {
            return false;
        }

        int radix = 10;
        ReadOnlySpan<char> digits = part;
        if (part.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            radix = 16;
            digits = digits[2..];
        }
        else if (part.Length > 1 && part[0] == '0')
        {
            radix = 8;
            digits = digits[1..];
        }

        foreach (char c in digits)
        {
            int digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : radix;
            if (digit >= radix)
            {
                return false;
            }

            // Saturate: anything this large is out of range at every place.
            value = Math.Min((value * (ulong)radix) + (ulong)digit, 1UL << 40);
        }

        return true;
    }

    private static DomException Invalid(string domain) =>
        DomException.Syntax($"The host '{domain}' of the URL ends in a number but is not an IPv4 address.");
}
