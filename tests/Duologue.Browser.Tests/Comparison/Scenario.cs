using System.Reflection;
using Duologue.Browser.Tests.Page;

namespace Duologue.Browser.Tests.Comparison;

/// <summary>
/// One script, run against one server. What the browser did is in the .log file beside it. Where the class differs on purpose,
/// what it does is in .ours.log, and docs/browser-api.md says why.
/// </summary>
/// <param name="Name">Folder and file, without the ending.</param>
internal sealed record Scenario(string Name)
{
    public static string Harness { get; } = Resource.Text("Comparison/scenario.js");

    public static string Folder { get; } = typeof(Scenario).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(static a => a.Key == "Scenarios").Value!;

    public string Script => Resource.Text($"Scenarios/{Name}.js");

    /// <summary>What the browser's log says.</summary>
    public string? Browsers => Resource.Find($"Scenarios/{Name}.log");

    /// <summary>What the class's log is to say.</summary>
    public string? Ours => Resource.Find($"Scenarios/{Name}.ours.log") ?? Browsers;

    /// <summary>Names of all, or of those of a folder.</summary>
    public static IEnumerable<string> All(string folder) => Resource.Names($"Scenarios/{folder}", ".js").Select(static name => name["Scenarios/".Length..^".js".Length]);

    /// <summary>Runs it in Jint, with the C# class.</summary>
    public async Task<string> RunInJintAsync()
    {
        await using var server = new ScenarioServer();
        await using var page = new ScriptPage(server.Page);
        var lines = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await page.DefineAsync("finish", new Action<string>(lines.SetResult));
        await page.DefineAsync("scenario", () => Script);
        await page.RunAsync(Harness);
        await page.RunAsync($"runScenario(scenario(), {Settings(server)}).then(finish)");
        return await JoinAsync(await lines.Task.WaitAsync(Patience.Time, TestContext.Current.CancellationToken), server);
    }

    /// <summary>What the harness has to know.</summary>
    public static string Settings(ScenarioServer server) => $"{{ page: '{server.Page}', host: '{server.Host}', refused: '{server.Refused}', patience: 25000 }}";

    /// <summary>The whole log: what the page wrote and what its server saw, with the same ports each time.</summary>
    public static async Task<string> JoinAsync(string lines, ScenarioServer server)
    {
        IEnumerable<string> seen = (await server.TakeSeenAsync()).Select(static line => "server: " + line);
        return string.Join('\n', [lines, .. seen, ""])
            .Replace(server.Host, "HOST:PORT", StringComparison.Ordinal)
            .Replace(server.Refused, "HOST:REFUSED", StringComparison.Ordinal);
    }
}
