using Duologue.Browser.Tests.Comparison;
using Duologue.Cli.Tests.Page;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(Chromiums))]

namespace Duologue.Browser.Tests.Comparison;

/// <summary>One headless Chromium for all tests, started when the first asks for it.</summary>
public sealed class Chromiums : IAsyncDisposable
{
    private readonly Lazy<Task<IBrowser?>> _browser;
    private IPlaywright? _playwright;

    public Chromiums() => _browser = new(LaunchAsync);

    /// <summary>
    /// A new page, in a context, and so in a process, of its own: a browser makes all sockets of a process wait, for seconds, when some of
    /// its handshakes have failed. Null where there is no browser.
    /// </summary>
    public async Task<BrowserPage?> OpenPageAsync() =>
        await _browser.Value is { } browser ? await BrowserPage.OpenAsync(await browser.NewContextAsync()) : null;

    public async ValueTask DisposeAsync()
    {
        if (_browser.IsValueCreated && await _browser.Value is { } browser)
        {
            await browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }

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

/// <summary>A page in the browser and the server that it comes from, for one scenario.</summary>
public sealed class BrowserPage : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly IPage _page;
    private readonly ScenarioServer _server;

    private BrowserPage(IBrowserContext context, IPage page, ScenarioServer server)
    {
        _context = context;
        _page = page;
        _server = server;
    }

    internal static async Task<BrowserPage> OpenAsync(IBrowserContext context)
    {
        IPage page = await context.NewPageAsync();
        var server = new ScenarioServer();
        await page.GotoAsync(server.Page.AbsoluteUri);
        await page.EvaluateAsync($"() => {{ {Scenario.Harness} }}");
        return new BrowserPage(context, page, server);
    }

    public async ValueTask DisposeAsync()
    {
        await _context.DisposeAsync();
        await _server.DisposeAsync();
    }

    internal async Task<string> RunAsync(Scenario scenario)
    {
        string lines = await _page.EvaluateAsync<string>($"script => runScenario(script, {Scenario.Settings(_server)})", scenario.Script);
        return await Scenario.JoinAsync(lines, _server);
    }
}
