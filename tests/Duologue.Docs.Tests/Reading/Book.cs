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

    private static IEnumerable<string> Files(string folder) => Directory.GetFiles(folder, "*.md").Concat(
        Directory.GetDirectories(folder).Where(inner => !IsForeign(Path.GetFileName(inner))).SelectMany(Files));

    private static bool IsForeign(string folder) => folder.StartsWith('.') || Foreign.Contains(folder);
}
