using System.Net.Sockets;
using System.Text;
using Duologue.Cli.Tests.Support;
using Duologue.Redis.Tests.Support;
using Microsoft.Playwright;

namespace Duologue.Cli.Tests.Page;

/// <summary>Chromium looking at the three ways, against the real server.</summary>
public sealed class ThreeWaysTests(Browser browser) : IClassFixture<Browser>
{
    private const string Ready = "body[data-ready]";
    private static readonly string[] Titles = ["AJAX polling", "Long polling", "Server-sent events", "WebSocket"];

    [Fact]
    public async Task Each_way_brings_each_message_and_counts_what_that_took()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync($"{server.Url}/three-ways", null, Ready);
        await page.Page.GetByLabel("or by itself").SelectOptionAsync("0");
        await page.Page.Locator("#interval").FillAsync("0.5");
        Assert.Equal(Titles, await page.Page.Locator(".pane h2").AllTextContentsAsync());

        // The page has published one itself. One more from here, and one by somebody else.
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Publish a message" }).ClickAsync();
        using var http = new HttpClient();
        using HttpResponseMessage posted = await http.PostAsync(
            new Uri($"{server.Url}/topics/three-ways"), new StringContent("""{"from":"elsewhere","number":1,"text":"Hello <b>from</b> elsewhere"}""", Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        posted.EnsureSuccessStatusCode();
        for (int way = 0; way < Titles.Length; way++)
        {
            await page.Page.Locator($"#way-{way} .messages").GetByText("Hello <b>from</b> elsewhere").WaitForAsync();
            await page.Page.Locator($"#way-{way} .delay output").Filter(new() { HasTextRegex = new("^[0-9.]+ m?s$") }).WaitForAsync();
            await page.Page.WaitForFunctionAsync("way => document.querySelectorAll(`#way-${way} .strip .arrived`).length > 0 || document.querySelector(`#way-${way} [data-count=messages]`).textContent > 2", way);
        }

        // Polling asks for nothing again and again; the others wait, with one request open.
        await page.Page.WaitForFunctionAsync("() => Number(document.querySelector('#way-0 [data-count=empty]').textContent) > 1");
        await page.Page.WaitForFunctionAsync("() => [1, 2, 3].every(way => document.querySelector(`#way-${way} [data-count=open]`).textContent === '1')");
        Assert.Equal("1", await page.Page.Locator("#way-2 [data-count=requests]").TextContentAsync());
        Assert.Equal("1", await page.Page.Locator("#way-3 [data-count=requests]").TextContentAsync());
        Assert.Equal(0, await page.Page.Locator(".messages b b, .messages span b").CountAsync());
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task The_page_of_the_talk_leads_there()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);
        await page.Page.Locator(".bar").GetByRole(AriaRole.Link, new() { Name = "side by side" }).ClickAsync();
        await page.Page.Locator(Ready).WaitForAsync();
        Assert.Empty(page.Complaints);
    }

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task It_fits_a_phone_of_360_pixels(ColorScheme scheme)
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync($"{server.Url}/three-ways", new() { ViewportSize = new() { Width = 360, Height = 740 }, ColorScheme = scheme, HasTouch = true }, Ready);
        await page.Page.WaitForFunctionAsync("() => Number(document.querySelector('#way-3 [data-count=messages]').textContent) > 0");
        Assert.Equal(360, await page.Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth"));
        Assert.Equal(scheme == ColorScheme.Dark ? "rgb(21, 23, 26)" : "rgb(250, 248, 243)", await page.Page.EvaluateAsync<string>("() => getComputedStyle(document.body).backgroundColor"));
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task From_the_tenth_message_on_its_time_was_cut_off()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync($"{server.Url}/three-ways", new() { ViewportSize = new() { Width = 1240, Height = 820 } }, Ready);
        using var http = new HttpClient();
        using HttpResponseMessage posted = await http.PostAsync(
            new Uri($"{server.Url}/topics/three-ways"), new StringContent("""{"from":"elsewhere","number":148,"text":"Message 148 of 20:08:58"}""", Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        posted.EnsureSuccessStatusCode();
        ILocator text = page.Page.Locator("#way-3 .messages").GetByText("Message 148");
        await text.WaitForAsync();
        Assert.True(await text.EvaluateAsync<bool>("span => { span.nextElementSibling.textContent = '2.52 s'; return span.scrollWidth <= span.clientWidth; }"));
        Assert.Empty(await page.Page.EvaluateAsync<string[]>("() => [...document.querySelectorAll('.counts div')].filter(line => line.scrollWidth > line.clientWidth).map(line => line.textContent)"));
    }

    [Fact]
    public async Task Who_wants_no_motion_got_sixty_drawings_a_second()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync($"{server.Url}/three-ways", new() { ReducedMotion = ReducedMotion.Reduce }, Ready);
        await page.Page.AddInitScriptAsync("window.frames_asked = 0; const ask = requestAnimationFrame; window.requestAnimationFrame = draw => { window.frames_asked++; return ask(draw); };");
        await page.Page.ReloadAsync();
        await page.Page.Locator("#way-3 .messages").GetByText("Message 2 of").WaitForAsync();

        // Drawn once a second, and there may be a third before that is looked at.
        await page.Page.Locator("#way-3 [data-count=messages]").Filter(new() { HasTextRegex = new("^([2-9]|[1-9][0-9]+)$") }).WaitForAsync();
        Assert.Equal(0, await page.Page.EvaluateAsync<int>("() => window.frames_asked"));
    }

    [Fact]
    public async Task A_way_goes_on_when_the_server_comes_back()
    {
        await using ServeTool server = await ServeTool.StartToComeBackAsync();
        await using OpenPage page = await browser.OpenAsync($"{server.Url}/three-ways", null, Ready);
        await page.Page.GetByLabel("or by itself").SelectOptionAsync("0");
        await page.Page.Locator("#interval").FillAsync("0.5");
        await server.Tool.KillAsync();
        await page.Page.WaitForFunctionAsync("() => [0, 1, 2, 3].every(way => document.querySelector(`#way-${way} [data-count=open]`).textContent === '0')");

        // Each says so, and with each attempt anew.
        await page.Page.WaitForFunctionAsync("() => [0, 1, 2, 3].every(way => document.querySelector(`#way-${way} .state`).textContent.startsWith('Reconnecting'))");
        await page.Page.WaitForFunctionAsync("() => document.querySelector('#way-3 .state').textContent.includes('time')");
        await using ServeTool again = await ServeTool.StartAtAsync(server.Url);
        await page.Page.WaitForFunctionAsync("() => [1, 2, 3].every(way => document.querySelector(`#way-${way} [data-count=open]`).textContent === '1')");
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Publish a message" }).ClickAsync();
        string text = (await page.Page.Locator("#last").Filter(new() { HasTextRegex = new("^“") }).TextContentAsync())!.Trim('“', '”');
        for (int way = 0; way < Titles.Length; way++)
        {
            await page.Page.Locator($"#way-{way} .messages").GetByText(text).WaitForAsync();
        }

        // What the killed server had and a way had not read is gone: each says so, where the page said nothing.
        await page.Page.WaitForFunctionAsync("() => [0, 1, 2, 3].every(way => Number(document.querySelector(`#way-${way} [data-count=resets]`).textContent) === 1)");
        await page.Page.WaitForFunctionAsync("() => [0, 1, 2, 3].every(way => document.querySelector(`#way-${way} .state`).textContent.startsWith('Reset: the topic began anew'))");
        await page.Page.WaitForFunctionAsync("() => [0, 1, 2, 3].every(way => document.querySelector(`#way-${way} .state`).textContent === '')");
    }

    // Nothing was drawn and nothing published before all ways were there: in a network that lets no WebSocket through the page said nothing.
    [Fact]
    public async Task A_way_that_does_not_get_through_is_said_and_the_others_go_on()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync($"{server.Url}/three-ways", null, Ready);
        await page.Page.AddInitScriptAsync("window.WebSocket = class { constructor() { setTimeout(() => this.onclose(), 10); } };");
        await page.Page.ReloadAsync();
        await page.Page.Locator("#way-3 .state").Filter(new() { HasTextRegex = new("^Reconnecting") }).WaitForAsync();
        await page.Page.WaitForFunctionAsync("() => [0, 1, 2].every(way => Number(document.querySelector(`#way-${way} [data-count=messages]`).textContent) > 0)");
        Assert.Equal("0", await page.Page.Locator("#way-3 [data-count=messages]").TextContentAsync());
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task A_message_that_had_to_be_published_again_came_behind_the_next()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync($"{server.Url}/three-ways", null, Ready);
        await page.Page.GetByLabel("or by itself").SelectOptionAsync("0");
        ILocator messages = page.Page.Locator("#way-3 .messages span");
        await messages.GetByText("Message 1 of").WaitForAsync();
        int posts = 0;
        await page.Page.RouteAsync("**/topics/three-ways", route => route.Request.Method == "POST" && Interlocked.Increment(ref posts) == 1 ? route.AbortAsync() : route.ContinueAsync());
        ILocator publish = page.Page.GetByRole(AriaRole.Button, new() { Name = "Publish a message" });
        await publish.ClickAsync();
        await publish.ClickAsync();
        await messages.Nth(2).WaitForAsync();

        // The newest stands first.
        Assert.Equal(["Message 3", "Message 2", "Message 1"], (await messages.AllTextContentsAsync()).Select(text => text[.."Message 1".Length]));
    }

    [Fact]
    public async Task A_message_whose_answer_was_lost_was_told_as_not_published()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await OpenWithClockAsync(server, _ => Task.CompletedTask);
        await page.Page.Locator(Ready).WaitForAsync();
        await page.Page.Locator("#way-3 .messages").GetByText("Message 1 of").WaitForAsync();
        await page.Page.RouteAsync("**/topics/three-ways", async route =>
        {
            await route.FetchAsync();
            await route.AbortAsync();
        });
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Publish a message" }).ClickAsync();
        await page.Page.Locator("#way-3 .messages").GetByText("Message 2 of").WaitForAsync();

        await PassUntilAsync(page, page.Page.Locator("#last").Filter(new() { HasText = "” may have been published or not: " }), 500, 60);
        Assert.Equal("2", await page.Page.Locator("#way-3 [data-count=messages]").TextContentAsync());
    }

    [Fact]
    public async Task A_server_that_took_questions_and_never_answered_left_the_panes_silent()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await OpenWithClockAsync(server, _ => Task.CompletedTask);
        await page.Page.Locator(Ready).WaitForAsync();
        await page.Page.Locator("#interval").FillAsync("0.5");
        await page.Page.WaitForFunctionAsync("() => [1, 2, 3].every(way => document.querySelector(`#way-${way} [data-count=open]`).textContent === '1')");
        server.Tool.Freeze();
        await PassUntilAsync(page, StateOf(page, 0, "^Reconnecting: no answer"), 5_000, 12);
        await PassUntilAsync(page, StateOf(page, 1, "^Reconnecting: no answer"), 5_000, 12);

        server.Tool.Thaw();

        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Publish a message" }).ClickAsync();
        for (int way = 0; way < Titles.Length; way++)
        {
            await PassUntilAsync(page, page.Page.Locator($"#way-{way} .messages").GetByText("Message 2 of"), 500, 60);
            await PassUntilAsync(page, StateOf(page, way, "^$"), 500, 60);
        }
    }

    [Fact]
    public async Task A_line_that_opened_and_never_brought_an_answer_left_its_pane_silent()
    {
        bool isMute = true;
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await OpenWithClockAsync(server, async page =>
        {
            await page.RouteAsync("**/three-ways/head", route => Volatile.Read(ref isMute) ? Task.CompletedTask : route.ContinueAsync());
            await page.RouteAsync("**/topics/three-ways?*", route => Volatile.Read(ref isMute) && route.Request.Headers["accept"].Contains("event-stream", StringComparison.Ordinal) ? Task.CompletedTask : route.ContinueAsync());
            await page.RouteWebSocketAsync("**/topics/three-ways*", socket =>
            {
                if (!Volatile.Read(ref isMute))
                {
                    socket.ConnectToServer();
                }
            });
        });
        await PassUntilAsync(page, page.Page.Locator("#last").Filter(new() { HasText = "has not answered yet" }), 1_000, 10);
        await page.Page.UnrouteAsync("**/three-ways/head");
        await PassUntilAsync(page, page.Page.Locator(Ready), 1_000, 40);
        await PassUntilAsync(page, StateOf(page, 2, "^Reconnecting: no answer"), 1_000, 30);
        await PassUntilAsync(page, StateOf(page, 3, "^Reconnecting: no answer"), 1_000, 30);

        Volatile.Write(ref isMute, false);

        for (int way = 2; way < Titles.Length; way++)
        {
            await PassUntilAsync(page, StateOf(page, way, "^(Back.*)?$"), 1_000, 40);
            await page.Page.GetByRole(AriaRole.Button, new() { Name = "Publish a message" }).ClickAsync();
            await page.Page.Locator($"#way-{way} .messages li").First.WaitForAsync();
        }
    }

    // A stream and a WebSocket hear of it nothing, and the others were told to have no answer.
    [Fact]
    public async Task While_the_store_of_the_topics_is_away_each_pane_says_what_the_server_says()
    {
        await using var store = new RedisStore();
        await using ServeTool server = await ServeTool.StartAsync("--redis", store.Address, "--node", "one");
        await using OpenPage page = await browser.OpenAsync($"{server.Url}/three-ways", null, Ready);
        await page.Page.GetByLabel("or by itself").SelectOptionAsync("0");
        await page.Page.Locator("#interval").FillAsync("0.5");
        await page.Page.WaitForFunctionAsync("() => [0, 1, 2, 3].every(way => Number(document.querySelector(`#way-${way} [data-count=messages]`).textContent) === 1)");
        await page.Page.EvaluateAsync("""
            () => {
              window.backs = new Set();
              for (const way of [0, 1, 2, 3]) {
                const state = document.querySelector(`#way-${way} .state`);
                new MutationObserver(() => { if (state.textContent.startsWith('Back')) window.backs.add(way); }).observe(state, { childList: true, characterData: true, subtree: true });
              }
            }
            """);
        await store.KillAsync();
        await page.Page.WaitForFunctionAsync("() => [0, 1, 2, 3].every(way => /^The server answers: .*Redis/.test(document.querySelector(`#way-${way} .state`).textContent))");

        await store.RestartAsync();

        await page.Page.WaitForFunctionAsync("() => window.backs.size === 4");
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Publish a message" }).ClickAsync();
        for (int way = 0; way < Titles.Length; way++)
        {
            await page.Page.Locator($"#way-{way} .messages").GetByText("Message 2 of").WaitForAsync();
            await StateOf(page, way, "^$").WaitForAsync(new() { State = WaitForSelectorState.Attached });
        }
    }

    [Fact]
    public async Task The_head_of_a_request_is_measured_to_the_byte()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        var url = new Uri(server.Url);
        using var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port, TestContext.Current.CancellationToken);
        string request = $"GET /three-ways/head?x=1 HTTP/1.1\r\nHost: {url.Authority}\r\nX-Long: {new string('x', 100)}\r\nConnection: close\r\n\r\n";
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream);
        string answer = await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Contains($"\n{request.Length}", answer, StringComparison.Ordinal);
    }

    private static ILocator StateOf(OpenPage page, int way, string pattern) => page.Page.Locator($"#way-{way} .state").Filter(new() { HasTextRegex = new(pattern) });

    /// <summary>The page with a clock that can be moved, publishing nothing by itself, and with this between it and the server.</summary>
    private async Task<OpenPage> OpenWithClockAsync(ServeTool server, Func<IPage, Task> putBetween)
    {
        OpenPage page = await browser.OpenAsync("about:blank", null, "html");
        await page.Page.Clock.InstallAsync();
        await putBetween(page.Page);
        await page.Page.GotoAsync($"{server.Url}/three-ways", new() { WaitUntil = WaitUntilState.Commit });
        await page.Page.GetByLabel("or by itself").SelectOptionAsync("0");
        return page;
    }

    // Lets time pass in steps, as many as it may take; each has the time that the page needs to draw.
    private static async Task PassUntilAsync(OpenPage page, ILocator sign, int step, int most)
    {
        for (int i = 0; i < most && await sign.CountAsync() == 0; i++)
        {
            await page.Page.Clock.FastForwardAsync(step);
            await page.Page.EvaluateAsync("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
        }

        await sign.First.WaitForAsync(new() { State = WaitForSelectorState.Attached });
    }
}
