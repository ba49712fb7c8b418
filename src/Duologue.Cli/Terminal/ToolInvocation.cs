namespace Duologue.Cli.Terminal;

/// <summary>What to type in order to run this tool: its name where it is installed; in a clone, where no path has that, what the README says.</summary>
internal static class ToolInvocation
{
    private const string Installed = "duologue";
    private const string Project = "src/Duologue.Cli";

    /// <summary>In the directory in which this process was started.</summary>
    public static string Here { get; } = Find(AppContext.BaseDirectory, Environment.CurrentDirectory);

    /// <summary>For somebody elsewhere, who has what this process was started from: at the root of a clone.</summary>
    public static string Elsewhere { get; } = Find(AppContext.BaseDirectory, null);

    /// <param name="tool">Where the tool's files are.</param>
    /// <param name="from">Where it is to be typed; null for the clone's root.</param>
    internal static string Find(string tool, string? from)
    {
        for (DirectoryInfo? folder = new(tool); folder is not null; folder = folder.Parent)
        {
            string project = Path.Combine(folder.FullName, Project);
            if (File.Exists(Path.Combine(project, "Duologue.Cli.csproj")))
            {
                string path = (from is null ? Project : Path.GetRelativePath(from, project)).Replace('\\', '/');
                return $"dotnet run -c Release --project {(path.Contains(' ', StringComparison.Ordinal) ? $"\"{path}\"" : path)} --";
            }
        }

        return Installed;
    }
}
