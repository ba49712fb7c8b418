using System.Text.RegularExpressions;
using Duologue.Docs.Tests.Reading;
using Duologue.Tests.Shared;

namespace Duologue.Docs.Tests;

/// <summary>Links lead somewhere, and what there is to read can be found.</summary>
public sealed partial class LinkTests
{
    private static readonly string[] SourceFolders = ["src", "samples", "bench", "fuzz", "tests", "eng"];

    [Fact]
    public void Every_link_within_the_repository_leads_somewhere()
    {
        Dictionary<string, Document> documents = Book.Documents.ToDictionary(document => document.File, StringComparer.Ordinal);
        var faults = new List<string>();
        int followed = 0;
        foreach (Document document in Book.Documents)
        {
            foreach ((int line, string target) in document.Links.Where(link => !link.Target.Contains("://", StringComparison.Ordinal) && !link.Target.StartsWith("mailto:", StringComparison.Ordinal)))
            {
                followed++;
                string[] parts = target.Split('#', 2);
                string file = parts[0].Length == 0 ? document.File : Resolve(document.File, parts[0]);
                bool there = documents.TryGetValue(file, out Document? named) || File.Exists(Repository.PathOf(file)) || Directory.Exists(Repository.PathOf(file));
                if (!there || (parts.Length > 1 && named?.Anchors.Contains(parts[1]) is not true))
                {
                    faults.Add($"{document.File}({line}): {target} leads nowhere.");
                }
            }
        }

        Assert.True(followed > 200, $"Only {followed} links were found.");
        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    [Fact]
    public void Every_document_that_a_source_names_is_there()
    {
        string[] named = [.. SourceFolders
            .SelectMany(folder => Directory.EnumerateFiles(Repository.PathOf(folder), "*.cs", SearchOption.AllDirectories))
            .SelectMany(file => DocumentName().Matches(File.ReadAllText(file)).Select(match => match.Value))
            .Distinct()];

        Assert.True(named.Length > 10, $"Only {named.Length} were found.");
        Assert.Empty(named.Except(Book.Documents.Select(document => document.File)));
    }

    [Fact]
    public void Every_document_is_reached_from_the_book_or_the_readme()
    {
        string[] entrances = ["README.md", "docs/README.md"];
        IEnumerable<string> reached = Book.Documents
            .Where(document => entrances.Contains(document.File))
            .SelectMany(document => document.Links.Select(link => Resolve(document.File, link.Target.Split('#')[0])));

        Assert.Empty(Book.Documents.Select(document => document.File).Except(reached).Except(entrances));
    }

    [Fact]
    public void What_a_package_shows_on_its_page_links_to_nothing_within_the_repository()
    {
        Document[] shown = [.. Book.Documents.Where(document => document.File.StartsWith("src/", StringComparison.Ordinal))];

        Assert.Equal(Directory.GetDirectories(Repository.PathOf("src"), "Duologue*").Length, shown.Length);
        Assert.DoesNotContain(shown.SelectMany(document => document.Links), link => !link.Target.StartsWith("https://", StringComparison.Ordinal));
    }

    [Fact]
    public void Headings_have_the_anchors_that_GitHub_gives_them()
    {
        var document = new Document("a.md", "# A `code`, and more\n\n## A [link](b.md)\n## Twice\n## Twice\n```\n# none\n```\n### `serve --redis`: how\n");

        Assert.Equal(["a-code-and-more", "a-link", "serve---redis-how", "twice", "twice-1"], document.Anchors.Order(StringComparer.Ordinal));
    }

    private static string Resolve(string from, string target) =>
        Path.GetRelativePath("/", Path.GetFullPath(Path.Combine("/", Path.GetDirectoryName(from)!, target))).Replace('\\', '/');

    [GeneratedRegex(@"\bdocs/[a-z0-9-]+\.md\b")]
    private static partial Regex DocumentName();
}
