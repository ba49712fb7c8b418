namespace Duologue.Cli.Terminal;

/// <summary>What an end of a conversation says of what was not sent.</summary>
internal static class UnsentText
{
    /// <summary>As the end of a sentence; empty if nothing is known to be unsent.</summary>
    public static string Of(CloseInfo info) => info.UnsentBytes > 0 ? $"; {Plural.Of(info.UnsentBytes, "byte")} {Plural.Was(info.UnsentBytes)} not sent" : "";
}
