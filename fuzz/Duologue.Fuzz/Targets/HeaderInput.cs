using System.Text;

namespace Duologue.Fuzz.Targets;

/// <summary>Reads an input as header lines: bytes are Latin-1 characters, a line that is a single NUL stands for a null line.</summary>
internal static class HeaderInput
{
    public static List<string> Lines(ReadOnlySpan<byte> input) => input.IsEmpty ? [] : [.. Encoding.Latin1.GetString(input).Split('\n')];

    public static List<string?> Values(ReadOnlySpan<byte> input) => [.. Lines(input).Select(Value)];

    /// <summary>The values of the lines that begin with a letter, without it.</summary>
    public static List<string?> Tagged(List<string> lines, char tag) =>
        [.. lines.Where(line => line.Length > 0 && line[0] == tag).Select(line => Value(line[1..]))];

    /// <summary>The elements of all lines, read in the plainest way.</summary>
    public static List<string> Elements(IEnumerable<string?> values) =>
        [.. values.SelectMany(value => (value ?? "").Split(',')).Select(element => element.Trim(' ', '\t')).Where(element => element.Length > 0)];

    /// <summary>RFC 9110 §5.6.2, spelled out.</summary>
    public static bool IsToken(string text) =>
        text.Length > 0 && text.All(c => c is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or (>= '0' and <= '9') || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal));

    /// <summary>ASCII case only.</summary>
    public static bool EqualsIgnoreCase(string left, string right) =>
        left.Length == right.Length && left.Zip(right).All(pair => Lower(pair.First) == Lower(pair.Second));

    private static char Lower(char c) => c is >= 'A' and <= 'Z' ? (char)(c + 32) : c;

    private static string? Value(string line) => line == "\0" ? null : line;
}
