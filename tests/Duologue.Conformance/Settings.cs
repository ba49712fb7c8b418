using System.Reflection;

namespace Duologue.Conformance;

/// <summary>What the environment says of a run; see docs/conformance.md.</summary>
internal static class Settings
{
    /// <summary>DUOLOGUE_CONFORMANCE=strict: all cases, at their full sizes and counts. Otherwise the quick run.</summary>
    public static bool Strict { get; } = string.Equals(Environment.GetEnvironmentVariable("DUOLOGUE_CONFORMANCE"), "strict", StringComparison.OrdinalIgnoreCase);

    /// <summary>DUOLOGUE_CONFORMANCE_CASES: only the cases whose ids begin so, such as <c>6.12.</c>; empty for all.</summary>
    public static string Cases { get; } = Environment.GetEnvironmentVariable("DUOLOGUE_CONFORMANCE_CASES") ?? "";

    /// <summary>Where the report is written.</summary>
    public static string ReportFolder { get; } = Path.Combine(
        typeof(Settings).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(attribute => attribute.Key == "Artifacts").Value!,
        "conformance");
}
