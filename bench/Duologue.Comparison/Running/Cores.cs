namespace Duologue.Comparison;

/// <summary>Whether server and generator can have a core each.</summary>
internal static class Cores
{
    public static bool IsPinned { get; } = Environment.ProcessorCount > 1
        && (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, "taskset")));
}
