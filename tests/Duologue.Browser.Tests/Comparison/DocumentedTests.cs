namespace Duologue.Browser.Tests.Comparison;

/// <summary>docs/browser-api.md says all that the scenarios know, and nothing that they do not.</summary>
public sealed class DocumentedTests
{
    private static readonly string Document = File.ReadAllText(Path.GetFullPath(Path.Combine(Scenario.Folder, "../../../docs/browser-api.md")));

    [Fact]
    public void Every_difference_is_in_the_document_and_is_one()
    {
        string[] different = [.. Resource.Names("Scenarios/", ".ours.log").Select(static name => name["Scenarios/".Length..^".ours.log".Length])];

        Assert.NotEmpty(different);
        Assert.All(different, static name =>
        {
            Assert.Contains($"`{name}`", Document, StringComparison.Ordinal);
            Assert.NotEqual(new Scenario(name).Browsers, new Scenario(name).Ours);
        });
    }

    [Fact]
    public void Every_scenario_that_the_document_names_is_there_and_has_a_log()
    {
        string[] folders = ["closing", "connecting", "events", "receiving", "sending", "url"];
        string[] all = [.. Scenario.All("")];
        IEnumerable<string> named = Document.Split('`').Where(word => folders.Contains(word.Split('/')[0]) && word.Contains('/', StringComparison.Ordinal));

        Assert.All(named, name => Assert.Contains(name, all));
        Assert.All(all, static name => Assert.NotNull(new Scenario(name).Browsers));
    }
}
