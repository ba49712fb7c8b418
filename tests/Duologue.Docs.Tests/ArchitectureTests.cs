using System.Text.RegularExpressions;
using Duologue.Docs.Tests.Reading;
using Duologue.Tests.Shared;

namespace Duologue.Docs.Tests;

/// <summary>What docs/architecture.md says of the rooms is so.</summary>
public sealed partial class ArchitectureTests
{
    /// <summary>What the sources of a folder may name by a using, beside the folder's own and the types in the namespace <c>Duologue</c>.</summary>
    public static TheoryData<string, string[]> Arrows { get; } = new()
    {
        { "src/Duologue/Protocol", [] },
        { "src/Duologue/Carriers", [] },
        { "src/Duologue/Peer", ["Protocol", "Carriers"] },
        { "src/Duologue/EngineIo", ["Protocol", "Carriers", "Peer"] },
        { "src/Duologue/Adapters", ["Protocol", "Peer"] },
        { "src/Duologue/Client", ["Protocol", "Carriers", "Peer", "EngineIo"] },
        { "src/Duologue/Browser", ["Protocol", "Client"] },
        { "src/Duologue.AspNetCore", ["Protocol", "Carriers", "Peer", "EngineIo", "Client"] },
        { "src/Duologue.EventLoop", ["Carriers", "Peer", "AspNetCore"] },
        { "src/Duologue.Redis", ["AspNetCore"] },
    };

    [Theory]
    [MemberData(nameof(Arrows))]
    public void Arrows_point_down_only(string folder, string[] below)
    {
        string own = folder["src/".Length..].Replace('/', '.');
        string[] files = Directory.GetFiles(Repository.PathOf(folder), "*.cs", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        IEnumerable<string> wrong =
            from file in files
            from Match match in Using().Matches(File.ReadAllText(file))
            let named = match.Groups["name"].Value
            where named != "Duologue" && !IsWithin(named, own) && !below.Any(room => IsWithin(named, "Duologue." + room))
            select $"{Path.GetFileName(file)} names {named}.";

        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_room_stands_in_the_book()
    {
        Document architecture = Book.Documents.Single(document => document.File == "docs/architecture.md");
        IEnumerable<string> listed = architecture.Rows.Select(row => row.Cells[0]);
        string[] rooms = [.. Directory.GetDirectories(Repository.PathOf("src"))
            .SelectMany(project => Directory.GetDirectories(project).Where(room => Directory.EnumerateFiles(room).Any()).Select(room => $"src/{Path.GetFileName(project)}/{Path.GetFileName(room)}"))];

        Assert.True(rooms.Length > 20, $"Only {rooms.Length} rooms were found.");
        string[] missing = [.. rooms.Where(room => !listed.Any(cell => cell.Contains($"`{room}`", StringComparison.Ordinal)))];
        Assert.Empty(missing);
    }

    [Fact]
    public void The_wire_looks_at_no_clock_and_no_thread_and_does_no_IO()
    {
        string[] files = Directory.GetFiles(Repository.PathOf("src/Duologue/Protocol"), "*.cs", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        string[] wrong = [.. files.Where(file => Outside().IsMatch(Comment().Replace(File.ReadAllText(file), "")))];
        Assert.Empty(wrong);
    }

    private static bool IsWithin(string name, string room) => name == room || name.StartsWith(room + ".", StringComparison.Ordinal);

    [GeneratedRegex(@"^using (static |\w+ = )?(?<name>Duologue(\.\w+)*)", RegexOptions.Multiline)]
    private static partial Regex Using();

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"\b(Stream|Socket|PipeReader|PipeWriter|Task|ValueTask|TimeProvider|Stopwatch|DateTime|DateTimeOffset|Timer|ThreadPool|ILogger)\b|\bnew Thread\b|\basync\b")]
    private static partial Regex Outside();
}
