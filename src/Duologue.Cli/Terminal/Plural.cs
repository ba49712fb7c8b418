using System.Globalization;

namespace Duologue.Cli.Terminal;

/// <summary>Numbers with what they count: "1 client", "2 clients".</summary>
internal static class Plural
{
    /// <summary>A whole number and its noun.</summary>
    public static string Of(long count, string noun) => string.Create(CultureInfo.InvariantCulture, $"{count:N0} {Noun(count == 1, noun)}");

    /// <summary>The same with a number as it is shown.</summary>
    public static string Of(string shown, string noun) => $"{shown} {Noun(shown == "1", noun)}";

    /// <summary>"was" or "were".</summary>
    public static string Was(long count) => count == 1 ? "was" : "were";

    private static string Noun(bool isOne, string noun) => isOne ? noun : noun + "s";
}
