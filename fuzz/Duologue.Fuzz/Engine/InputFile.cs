using System.Reflection;

namespace Duologue.Fuzz.Engine;

/// <summary>
/// Inputs kept as text: one a line, in hex; a line that begins with '#' is a comment. <c>fuzz/corpus</c> holds what reaches
/// much of the code, <c>fuzz/findings</c> what once broke an invariant.
/// </summary>
internal static class InputFile
{
    /// <summary>The folder <c>fuzz</c> of the repository.</summary>
    public static string Folder { get; } = Path.GetFullPath(typeof(InputFile).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "FuzzFolder").Value!);

    public static string CorpusPath(FuzzTarget target) => Path.Combine(Folder, "corpus", target.Name + ".txt");

    public static string FindingsPath(FuzzTarget target) => Path.Combine(Folder, "findings", target.Name + ".txt");

    /// <summary>All inputs of a file; none if there is no file.</summary>
    public static List<byte[]> Read(string path) => !File.Exists(path)
        ? []
        : [.. File.ReadLines(path).Where(line => !line.StartsWith('#')).Select(Convert.FromHexString)];

    public static void Write(string path, string comment, IEnumerable<byte[]> inputs)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, string.Concat(inputs.Select(input => Convert.ToHexStringLower(input) + "\n").Prepend($"# {comment}\n")));
    }
}
