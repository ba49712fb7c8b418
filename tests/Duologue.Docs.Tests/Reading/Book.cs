using System.Net;
using Duologue.Tests.Shared;

namespace Duologue.Docs.Tests.Reading;

/// <summary>All that a user or a contributor reads.</summary>
internal static class Book
{
    // What a build leaves behind, and what npm brings, is not ours; nor is what tools keep in folders that begin with a dot.
    private static readonly string[] Foreign = ["artifacts", "bin", "obj", "node_modules"];

    private static readonly string Root = Repository.PathOf("");

    public static IReadOnlyList<Document> Documents { get; } =
    [
        .. Files(Root)
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Order(StringComparer.Ordinal)
            .Select(file => new Document(file, File.ReadAllText(Repository.PathOf(file)))),
    ];

    public static IEnumerable<Block> Blocks(params string[] languages) =>
        Documents.SelectMany(document => document.Blocks).Where(block => languages.Contains(block.Language));

    /// <summary>The examples of C# in comments of the sources, which an editor shows; what is none has a language.</summary>
    public static IEnumerable<Block> Examples()
    {
        foreach (string path in Directory.EnumerateFiles(Repository.PathOf("src"), "*.cs", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string[] lines = File.ReadAllLines(path);
            for (int at = Array.FindIndex(lines, IsBegin); at >= 0; at = Array.FindIndex(lines, at + 1, IsBegin))
            {
                int end = Array.FindIndex(lines, at, line => line.Trim() == "/// </code>");
                IEnumerable<string> code = lines[(at + 1)..end].Select(line => WebUtility.HtmlDecode(line.TrimStart()["///".Length..]));
                yield return new(Path.GetRelativePath(Root, path).Replace('\\', '/'), at + 2, "csharp", string.Join('\n', code), null);
            }
        }

        static bool IsBegin(string line) => line.Trim() == "/// <code>";
    }

    private static IEnumerable<string> Files(string folder) => Directory.GetFiles(folder, "*.md").Concat(
        Directory.GetDirectories(folder).Where(inner => !IsForeign(Path.GetFileName(inner))).SelectMany(Files));

    private static bool IsForeign(string folder) => folder.StartsWith('.') || Foreign.Contains(folder);
}
