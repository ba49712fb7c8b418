namespace Duologue.Tests.Shared;

/// <summary>The repository that the tests run in, for those that hold its documents against the code.</summary>
internal static class Repository
{
    /// <summary>The path of a file, by its path from the repository's root.</summary>
    public static string PathOf(string file)
    {
        // Not by the compiler's path of a source: a deterministic build does not tell where it was.
        string directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "Duologue.slnx")))
        {
            directory = Path.GetDirectoryName(directory) ?? throw new DirectoryNotFoundException("Duologue.slnx is in no directory above the tests.");
        }

        return Path.Combine(directory, file);
    }
}
