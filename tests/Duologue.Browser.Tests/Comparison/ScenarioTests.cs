using Duologue.Cli.Tests.Page;
using Microsoft.Playwright;

namespace Duologue.Browser.Tests.Comparison;

/// <summary>The C# class, driven by JavaScript in Jint, does in every scenario what was recorded of the browser.</summary>
public sealed class ScenarioTests
{
    public static TheoryData<string> Names => [.. Scenario.All("")];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_class_does_what_the_browser_did(string name)
    {
        var scenario = new Scenario(name);

        string log = await scenario.RunInJintAsync();

        if (Recording.IsOn)
        {
            await Recording.WriteAsync(name, ".ours.log", log);
            return;
        }

        Assert.Equal(scenario.Ours, log);
    }
}

/// <summary>
/// What was recorded of the browser holds for the one that is installed.
/// </summary>
public sealed class BrowserTests(Chromiums chromium) : IClassFixture<Chromiums>
{
    public static TheoryData<string> Names => [.. Scenario.All("")];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_browser_does_what_was_recorded(string name)
    {
        IPage page = chromium.Page();
        var scenario = new Scenario(name);

        string log = await scenario.RunInBrowserAsync(page);

        if (Recording.IsOn)
        {
            await Recording.WriteAsync(name, ".log", log);
            return;
        }

        Assert.Equal(scenario.Browsers, log);
    }
}

/// <summary>
/// <c>DUOLOGUE_RECORD=1 ./test Duologue.Browser.Tests</c> writes the .log files anew, and the .ours.log files that are there:
/// read the difference as a reviewer would, and build again.
/// </summary>
internal static class Recording
{
    public static bool IsOn { get; } = Environment.GetEnvironmentVariable("DUOLOGUE_RECORD") == "1";

    public static async Task WriteAsync(string name, string ending, string log)
    {
        string path = Path.Combine(Scenario.Folder, name + ending);
        if (ending == ".log" || File.Exists(path))
        {
            await File.WriteAllTextAsync(path, log, TestContext.Current.CancellationToken);
        }
    }
}

/// <summary>One page of one headless Chromium.</summary>
public sealed class Chromiums : IAsyncLifetime
{
    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private IPage? _page;

    public async ValueTask InitializeAsync()
    {
        if (Chromium.Find() is not { } executable)
        {
            return;
        }

        _playwright = await Playwright.CreateAsync();

        // Other hosts are names to parse, never to talk to.
        _browser = await Chromium.LaunchAsync(_playwright, executable, "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1");
        _page = await _browser.NewPageAsync();
    }

    public IPage Page()
    {
        Assert.SkipWhen(_page is null, Chromium.Missing);
        return _page;
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }
}
