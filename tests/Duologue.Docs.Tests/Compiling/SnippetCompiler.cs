using System.Globalization;
using Duologue.Docs.Tests.Reading;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Duologue.Docs.Tests.Compiling;

/// <summary>Compiles blocks together, against the assemblies that this program itself runs on: those of the packages, of ASP.NET Core and of .NET.</summary>
internal static class SnippetCompiler
{
    // What is no fault in a few lines that are shown: a variable that nobody uses, code behind an endless loop, a method that does not wait, dots as the body of a loop, a name that
    // hides one of the prelude, a namespace named twice, an assembly that wants an older version of another.
    private static readonly string[] NoFaults = ["CS0105", "CS0108", "CS0162", "CS0168", "CS0219", "CS0642", "CS1701", "CS1702", "CS1998", "CS8321"];

    /// <summary>What the compiler has to say, each with the document and its line.</summary>
    public static IReadOnlyList<string> Compile(IEnumerable<Block> blocks)
    {
        var usings = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        var files = new List<SyntaxTree>();
        foreach (Block block in blocks)
        {
            if (!usings.TryGetValue(block.File, out HashSet<string>? named))
            {
                usings.Add(block.File, named = new(StringComparer.Ordinal));
            }

            files.Add(Snippet.ToFile(block, named, files.Count));
        }

        var options = new CSharpCompilationOptions(
            OutputKind.DynamicallyLinkedLibrary,
            nullableContextOptions: NullableContextOptions.Enable,
            specificDiagnosticOptions: NoFaults.Select(id => KeyValuePair.Create(id, ReportDiagnostic.Suppress)));
        // Not named Duologue…: it is to see what is public, and nothing else.
        var compilation = CSharpCompilation.Create("Book", files, References(), options);
        return [.. compilation.GetDiagnostics().Where(found => found.Severity >= DiagnosticSeverity.Warning).OrderBy(found => found.Location.SourceTree?.FilePath, StringComparer.Ordinal).Select(Tell)];
    }

    private static IEnumerable<MetadataReference> References() => ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(path => MetadataReference.CreateFromFile(path));

    private static string Tell(Diagnostic found)
    {
        FileLinePositionSpan place = found.Location.GetMappedLineSpan();
        return string.Create(CultureInfo.InvariantCulture, $"{place.Path}({place.StartLinePosition.Line + 1}): {found.Id}: {found.GetMessage(CultureInfo.InvariantCulture)}");
    }
}
