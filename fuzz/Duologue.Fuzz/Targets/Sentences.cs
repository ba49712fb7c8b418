namespace Duologue.Fuzz.Targets;

/// <summary>What a sentence that quotes a peer must be.</summary>
internal static class Sentences
{
    /// <summary>Bounded, and without characters that would forge a line of a log or move a terminal's cursor.</summary>
    public static bool IsSafe(string sentence) => sentence.Length is > 0 and < 600 && sentence.All(c => c is (>= ' ' and <= '~') or '…' or '§');
}
