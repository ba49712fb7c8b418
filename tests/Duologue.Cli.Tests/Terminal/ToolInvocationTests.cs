using Duologue.Cli.Terminal;
using Duologue.Tests.Shared;

namespace Duologue.Cli.Tests.Terminal;

public sealed class ToolInvocationTests
{
    private static readonly string Tool = Repository.PathOf("artifacts/bin/Duologue.Cli/release/");

    [Fact]
    public void In_a_clone_it_is_what_the_readme_says()
    {
        string command = ToolInvocation.Find(Tool, Repository.PathOf("."));
        Assert.Contains($"{command} connect ws://localhost:8080", File.ReadAllLines(Repository.PathOf("README.md")));
        Assert.Equal(command, ToolInvocation.Find(Tool, null));
    }

    [Fact]
    public void From_another_folder_of_the_clone_the_project_is_found() =>
        Assert.Equal("dotnet run -c Release --project ../src/Duologue.Cli --", ToolInvocation.Find(Tool, Repository.PathOf("docs")));

    [Fact]
    public void Where_it_is_installed_it_has_its_name()
    {
        string folder = Directory.CreateTempSubdirectory("duologue-tool-").FullName;
        try
        {
            Assert.Equal("duologue", ToolInvocation.Find(folder, folder));
        }
        finally
        {
            Directory.Delete(folder);
        }
    }
}
