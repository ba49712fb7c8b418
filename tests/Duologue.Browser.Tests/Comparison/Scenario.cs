using System.Reflection;
using Duologue.Browser.Tests.Page;
using Microsoft.Playwright;

namespace Duologue.Browser.Tests.Comparison;

/// <summary>
/// One script, run against one server. What the browser did is in the .log file beside it. Where the class differs on purpose,
/// what it does is in .ours.log, and docs/browser-api.md says why.
/// </summary>
/// <param name="Name">Folder and file, without the ending.</param>
internal sealed record Scenario(string Name)
{
    private static readonly string Harness = Resource.Text("Comparison/scenario.js");

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

    /// <summary>Runs it in a browser, with the browser's.</summary>
    public async Task<string> RunInBrowserAsync(IPage page)
    {
        await using var server = new ScenarioServer();
        await page.GotoAsync(server.Page.AbsoluteUri);
        await page.EvaluateAsync($"() => {{ {Harness} }}");
        string lines = await page.EvaluateAsync<string>($"script => runScenario(script, {Settings(server)})", Script);
        return await JoinAsync(lines, server);
    }

    private static string Settings(ScenarioServer server) => $"{{ page: '{server.Page}', host: '{server.Host}', refused: '{server.Refused}' }}";

    private static async Task<string> JoinAsync(string lines, ScenarioServer server)
    {
        IEnumerable<string> seen = (await server.SeenAsync()).Select(static line => "server: " + line);
        return string.Join('\n', [lines, .. seen, ""])
            .Replace(server.Host, "HOST:PORT", StringComparison.Ordinal)
            .Replace(server.Refused, "HOST:REFUSED", StringComparison.Ordinal);
    }
}
