using Duologue.Cli.Tests.Support;
using Microsoft.Playwright;

namespace Duologue.Cli.Tests.Page;

/// <summary>One headless Chromium for the tests of a class.</summary>
public sealed class Browser : IAsyncLifetime
{
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        if (Chromium.Find() is not { } executable)
        {
            return;
        }

        _playwright = await Playwright.CreateAsync();
        _browser = await Chromium.LaunchAsync(_playwright, executable);
    }

    /// <summary>A page of its own context, as another person's browser would have. What it complains of fails the test, by <see cref="OpenPage.Complaints"/>.</summary>
    public Task<OpenPage> OpenAsync(string url, BrowserNewContextOptions? options = null) => OpenAsync(url, options, OpenPage.TalkIsReady);

    /// <summary>The same for a page that is ready when there is such an element.</summary>
    public async Task<OpenPage> OpenAsync(string url, BrowserNewContextOptions? options, string ready)
    {
        Assert.SkipWhen(_browser is null, Chromium.Missing);
        IBrowserContext context = await _browser.NewContextAsync(options);
        IPage page = await context.NewPageAsync();
        page.SetDefaultTimeout(60_000);
        var open = new OpenPage(page);
        await page.GotoAsync(url);
        await page.Locator(ready).WaitForAsync();
        return open;
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

/// <summary>The live page in a browser, with the words of its user.</summary>
public sealed class OpenPage : IAsyncDisposable
{
    /// <summary>The server has welcomed the page of the talk.</summary>
    public const string TalkIsReady = "#send:enabled";

    private readonly List<string> _complaints = [];

    public OpenPage(IPage page)
    {
        Page = page;
        page.SetDefaultTimeout((float)Tool.Patience.TotalMilliseconds * 2);
        page.PageError += (_, error) => _complaints.Add(error);
        page.Console += (_, message) =>
        {
            if (message.Type == "error")
            {
                _complaints.Add(message.Text);
            }
        };
    }

    public IPage Page { get; }

    /// <summary>Errors of scripts and of the console, which tells what the content security policy stopped.</summary>
    public IReadOnlyList<string> Complaints => _complaints;

    public async Task NameAsync(string name)
    {
        await Page.GetByLabel("You are").FillAsync(name);
        await Page.GetByLabel("You are").PressAsync("Enter");
        await Page.Locator("#people .own bdi").Filter(new() { HasText = name }).WaitForAsync();
    }

    public async Task SayAsync(string text)
    {
        await Page.GetByLabel("Message to everyone").FillAsync(text);
        await Page.GetByLabel("Message to everyone").PressAsync("Enter");
    }

    public Task WaitForWordsAsync(string name, string text) =>
        Page.Locator(".speech").Filter(new() { Has = Page.Locator(".who bdi", new() { HasText = name }) }).Locator(".words").GetByText(text, new() { Exact = true }).WaitForAsync();

    public Task WaitForNoteAsync(string text) => Page.Locator(".direction").Filter(new() { HasText = text }).First.WaitForAsync();

    public Task WaitForStateAsync(string name) => Page.Locator("#state-name").GetByText(name, new() { Exact = true }).WaitForAsync();

    /// <summary>Waits until the server has welcomed the page.</summary>
    public Task WaitUntilReadyAsync() => Page.Locator(TalkIsReady).WaitForAsync();

    public async ValueTask DisposeAsync() => await Page.Context.DisposeAsync();
}
