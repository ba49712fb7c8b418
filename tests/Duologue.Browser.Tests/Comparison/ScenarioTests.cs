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

        Assert.Equal(scenario.Ours, await scenario.RunInJintAsync());
    }
}

/// <summary>
/// What was recorded of the browser holds for the one that is installed. <c>DUOLOGUE_RECORD=1 ./test Duologue.Browser.Tests</c>
/// writes the .log files anew: read the difference as a reviewer would, and build again.
/// </summary>
public sealed class BrowserTests(Chromiums chromium) : IClassFixture<Chromiums>
{
    private static readonly bool Record = Environment.GetEnvironmentVariable("DUOLOGUE_RECORD") == "1";

    public static TheoryData<string> Names => [.. Scenario.All("")];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_browser_does_what_was_recorded(string name)
    {
        IPage page = chromium.Page();
        var scenario = new Scenario(name);

        string log = await scenario.RunInBrowserAsync(page);

        if (Record)
        {
            await File.WriteAllTextAsync(Path.Combine(Scenario.Folder, $"{name}.log"), log, TestContext.Current.CancellationToken);
            return;
        }

        Assert.Equal(scenario.Browsers, log);
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
        _browser = await Chromium.LaunchAsync(_playwright, executable);
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
