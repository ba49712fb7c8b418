using System.Collections.Concurrent;
using Duologue.Browser.Tests.Comparison;
using Duologue.Cli.Tests.Page;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(Chromiums))]

namespace Duologue.Browser.Tests.Comparison;

/// <summary>One headless Chromium for all tests, started when the first asks for it.</summary>
public sealed class Chromiums : IAsyncDisposable
{
    private readonly Lazy<Task<IBrowser?>> _browser;
    private readonly ConcurrentDictionary<string, Lazy<Task<BrowserPage?>>> _pages = [];
    private IPlaywright? _playwright;

    public Chromiums() => _browser = new(LaunchAsync);

    /// <summary>
    /// The page of a name, in a context, and so in a process, of its own: a browser makes a page wait whose handshakes keep failing.
    /// Null where there is no browser.
    /// </summary>
    public Task<BrowserPage?> PageAsync(string name) => _pages.GetOrAdd(name, _ => new(OpenAsync)).Value;

    public async ValueTask DisposeAsync()
    {
        foreach (Lazy<Task<BrowserPage?>> opening in _pages.Values)
        {
            if (await opening.Value is { } page)
            {
                await page.DisposeAsync();
            }
        }

        if (_browser.IsValueCreated && await _browser.Value is { } browser)
        {
            await browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }

    private async Task<BrowserPage?> OpenAsync() =>
        await _browser.Value is { } browser ? await BrowserPage.OpenAsync(await (await browser.NewContextAsync()).NewPageAsync()) : null;

    private async Task<IBrowser?> LaunchAsync()
    {
        if (Chromium.Find() is not { } executable)
        {
            return null;
        }

        _playwright = await Playwright.CreateAsync();

        // Other hosts are names to parse, never to talk to.
        return await Chromium.LaunchAsync(_playwright, executable, "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1");
    }
}

/// <summary>A page in the browser and the server that it comes from, for one scenario after the other.</summary>
public sealed class BrowserPage : IAsyncDisposable
{
    private readonly IPage _page;
    private readonly ScenarioServer _server;

    private BrowserPage(IPage page, ScenarioServer server)
    {
        _page = page;
        _server = server;
    }

    internal static async Task<BrowserPage> OpenAsync(IPage page)
    {
        var server = new ScenarioServer();
        await page.GotoAsync(server.Page.AbsoluteUri);
        await page.EvaluateAsync($"() => {{ {Scenario.Harness} }}");
        return new BrowserPage(page, server);
    }

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    internal async Task<string> RunAsync(Scenario scenario)
    {
        string lines = await _page.EvaluateAsync<string>($"script => runScenario(script, {Scenario.Settings(_server)})", scenario.Script);
        return await Scenario.JoinAsync(lines, _server);
    }
}
