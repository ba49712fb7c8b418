using Duologue.Cli.Tests.Page;

namespace Duologue.Browser.Tests.Comparison;

/// <summary>What was recorded of the browser holds for the one that is installed. In three classes, so that they run side by side.</summary>
public abstract class BrowserTests(Chromiums chromium)
{
    /// <summary>The scenarios of some folders; without a browser one name, so that one line says what is skipped.</summary>
    public static TheoryData<string> Names(string folders) =>
        Chromium.Find() is null ? [folders] : [.. folders.Split(' ').SelectMany(Scenario.All)];

    protected async Task CompareAsync(string name)
    {
        string log = await RunAsync(name);

        if (Recording.IsOn)
        {
            await Recording.WriteAsync(name, ".log", log);
            return;
        }

        string recorded = new Scenario(name).Browsers!;
        if (log != recorded && WithoutFailedCloses(log) == WithoutFailedCloses(recorded))
        {
            // A browser that fails a connection ends TCP right behind its Close, and on a busy machine was once seen to end it without.
            log = await RunAsync(name);
        }

        Assert.Equal(recorded, log);
    }

    private async Task<string> RunAsync(string name)
    {
        await using BrowserPage? page = await chromium.OpenPageAsync();
        Assert.SkipWhen(page is null, Chromium.Missing);
        return await page.RunAsync(new Scenario(name));
    }

    private static string WithoutFailedCloses(string log) => log.Replace("server: close by a client that failed\n", "", StringComparison.Ordinal);
}

/// <summary>URLs: many handshakes that fail.</summary>
public sealed class UrlsInABrowserTests(Chromiums chromium) : BrowserTests(chromium)
{
    [Theory]
    [MemberData(nameof(Names), "url")]
    public Task The_browser_does_what_was_recorded(string name) => CompareAsync(name);
}

/// <summary>How connections end.</summary>
public sealed class ClosingInABrowserTests(Chromiums chromium) : BrowserTests(chromium)
{
    [Theory]
    [MemberData(nameof(Names), "closing")]
    public Task The_browser_does_what_was_recorded(string name) => CompareAsync(name);
}

/// <summary>How they begin, and what is said in them.</summary>
public sealed class TalkingInABrowserTests(Chromiums chromium) : BrowserTests(chromium)
{
    [Theory]
    [MemberData(nameof(Names), "connecting sending receiving events")]
    public Task The_browser_does_what_was_recorded(string name) => CompareAsync(name);
}
