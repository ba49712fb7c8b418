using Duologue.Cli.Tests.Support;
using Duologue.Redis.Tests.Support;
using Microsoft.Playwright;

namespace Duologue.Cli.Tests.Page;

/// <summary>Chromium driving the live page, against the real server.</summary>
public sealed class PageTests(Browser browser) : IClassFixture<Browser>
{
    // The smallest PNG: one pixel.
    private static readonly byte[] Picture = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==");

    [Fact]
    public async Task Two_pages_and_a_terminal_talk()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage ada = await browser.OpenAsync(server.Url);
        await using OpenPage ben = await browser.OpenAsync(server.Url);
        await using Tool terminal = Tool.Start("connect", $"{server.Socket}/?name=Grace", "--wait", "none");
        await ada.WaitForNoteAsync("Grace joined from a terminal");
        await ada.NameAsync("Ada");
        await ben.NameAsync("Ben");

        await ada.SayAsync("Can everyone hear me?");
        await ben.WaitForWordsAsync("Ada", "Can everyone hear me?");
        await terminal.WaitForOutAsync(line => line == "Ada: Can everyone hear me?");
        await terminal.WriteAsync("Loud and clear.\n");
        await ada.WaitForWordsAsync("Grace", "Loud and clear.");
        await ben.WaitForWordsAsync("Grace", "Loud and clear.");
        await ben.SayAsync("Me too.");
        await ada.WaitForWordsAsync("Ben", "Me too.");

        Assert.Equal(3, await ada.Page.Locator("#people li").CountAsync());
        await terminal.KillAsync();
        await ben.WaitForNoteAsync("Grace left");
        Assert.Empty(ada.Complaints);
        Assert.Empty(ben.Complaints);
    }

    [Fact]
    public async Task Over_TLS_the_page_talks_on_the_HTTP2_connection_that_brought_it()
    {
        await using ServeTool server = await ServeTool.StartAtAsync("https://127.0.0.1:0", "--tls");
        await using OpenPage page = await browser.OpenAsync(server.Url, new() { IgnoreHTTPSErrors = true });
        Assert.Equal("h2", await page.Page.EvaluateAsync<string>("() => performance.getEntriesByType('navigation')[0].nextHopProtocol"));

        // RFC 8441 §5: over HTTP/2 the answer is a 200, over HTTP/1.1 a 101.
        ICDPSession devTools = await page.Page.Context.NewCDPSessionAsync(page.Page);
        await devTools.SendAsync("Network.enable");
        var status = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        devTools.Event("Network.webSocketHandshakeResponseReceived").OnEvent += (_, data) =>
            status.TrySetResult(data!.Value.GetProperty("response").GetProperty("status").GetInt32());
        await page.Page.ReloadAsync();
        Assert.Equal(200, await status.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
        await page.WaitUntilReadyAsync();
        await page.NameAsync("Ada");
        await page.SayAsync("hello");
        await page.WaitForWordsAsync("Ada", "hello");
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task The_server_speaks_unasked_and_the_connections_numbers_are_shown()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);
        string first = await WaitForClockAsync(page, "");
        await WaitForClockAsync(page, first);
        await page.Page.WaitForFunctionAsync("() => /^\\d/.test(document.getElementById('rtt-now').textContent) && document.getElementById('chart-line').getAttribute('d').includes('L')");
        await page.Page.WaitForFunctionAsync("() => Number(document.getElementById('text-in').textContent) > 2 && Number(document.getElementById('text-out').textContent) > 1");
        Assert.Equal("duologue.talk.v1", await page.Page.Locator("#protocol").TextContentAsync());
        Assert.Equal("1 OPEN", await page.Page.Locator("#ladder [aria-current]").TextContentAsync());
        Assert.Empty(page.Complaints);
    }

    [Theory]
    [InlineData("shared", "permessage-deflate; server_no_context_takeover; client_no_context_takeover")]
    [InlineData("dedicated", "permessage-deflate")]
    [InlineData("dedicated:10", "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10")]
    public async Task The_browser_talks_compressed(string mode, string extensions)
    {
        await using ServeTool server = await ServeTool.StartAsync("--compression", mode, "--threshold", "0");
        await using OpenPage ada = await browser.OpenAsync(server.Url);
        await using OpenPage ben = await browser.OpenAsync(server.Url);
        for (int i = 0; i < 5; i++)
        {
            await ada.SayAsync($"number {i}: compressed, compressed, compressed, compressed");
            await ben.Page.GetByText($"number {i}: compressed").First.WaitForAsync();
        }

        string answer = await ada.Page.EvaluateAsync<string>("""
            url => new Promise(done => {
              const socket = new WebSocket(url);
              const texts = ['', 'a', 'word '.repeat(20000), JSON.stringify([...Array(2000).keys()])];
              let next = 0;
              socket.onopen = () => socket.send(texts[0]);
              socket.onmessage = e => {
                if (e.data !== texts[next]) return done('wrong text ' + next);
                if (++next < texts.length) socket.send(texts[next]); else done(socket.extensions);
              };
              socket.onclose = e => done('closed ' + e.code);
            })
            """, $"{server.Socket}/echo");
        Assert.Equal(extensions, answer);
        Assert.Empty(ada.Complaints);
        Assert.Empty(ben.Complaints);
    }

    [Fact]
    public async Task A_picture_is_shown_and_another_file_can_be_saved()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage ada = await browser.OpenAsync(server.Url);
        await using OpenPage ben = await browser.OpenAsync(server.Url);
        byte[] content = [.. Enumerable.Range(0, 400_000).Select(i => (byte)(i * 17))];
        await ada.Page.Locator("#file").SetInputFilesAsync(new FilePayload { Name = "dot.png", MimeType = "image/png", Buffer = Picture });
        await ada.Page.Locator("#file").SetInputFilesAsync(new FilePayload { Name = "data.html", MimeType = "text/html", Buffer = content });
        foreach (OpenPage page in new[] { ada, ben })
        {
            await page.Page.WaitForFunctionAsync("() => document.querySelector('img.picture')?.naturalWidth === 1");
            Assert.Equal("dot.png", await page.Page.Locator("img.picture").GetAttributeAsync("alt"));
            await page.Page.Locator("a.download").WaitForAsync();
            Assert.Empty(page.Complaints);
        }

        IDownload download = await ben.Page.RunAndWaitForDownloadAsync(() => ben.Page.Locator("a.download").ClickAsync());
        Assert.Equal("data.html", download.SuggestedFilename);
        Assert.Equal(content, await File.ReadAllBytesAsync(await download.PathAsync(), TestContext.Current.CancellationToken));
        // The browser would run a page of this origin: it gets octets.
        string type = await ben.Page.EvaluateAsync<string>("async () => (await new Promise(done => { const x = new XMLHttpRequest(); x.open('GET', document.querySelector('a.download').href); x.responseType = 'blob'; x.onload = () => done(x.response); x.onerror = () => done({ type: 'blocked' }); x.send(); })).type");
        Assert.True(type is "application/octet-stream" or "blocked", type);
        Assert.True(await ada.Page.Locator("#progress").IsHiddenAsync());
    }

    [Fact]
    public async Task A_file_larger_than_the_server_takes_is_refused_before_it_is_sent()
    {
        await using ServeTool server = await ServeTool.StartAsync("--max-message-size", "64KiB");
        await using OpenPage page = await browser.OpenAsync(server.Url);
        await page.Page.Locator("#file").SetInputFilesAsync(new FilePayload { Name = "big.bin", MimeType = "", Buffer = new byte[70_000] });
        await page.Page.Locator("#notice").Filter(new() { HasText = "--max-message-size" }).WaitForAsync();
        await page.WaitForStateAsync("OPEN");
        Assert.Equal("0", await page.Page.Locator("#binary-out").TextContentAsync());
    }

    [Fact]
    public async Task The_page_comes_back_when_the_server_does()
    {
        await using ServeTool server = await ServeTool.StartToComeBackAsync();
        await using OpenPage ada = await browser.OpenAsync(server.Url);
        await using OpenPage ben = await browser.OpenAsync(server.Url);
        await ada.NameAsync("Ada");
        await ada.SayAsync("before");
        await ben.WaitForWordsAsync("Ada", "before");

        // A server that is killed with something unread resets the connection, and what ada has not read then is gone.
        await ada.WaitForWordsAsync("Ada", "before");
        await server.Tool.KillAsync();
        await ada.WaitForNoteAsync("Connection closed (1006, not clean)");
        await ada.Page.Locator("#lost").WaitForAsync();
        await ada.SayAsync("kept while away");
        await ada.Page.Locator("#notice").Filter(new() { HasText = "still here" }).WaitForAsync();
        Assert.Equal("kept while away", await ada.Page.GetByLabel("Message to everyone").InputValueAsync());

        await using ServeTool again = await ServeTool.StartAtAsync(server.Url);
        await ada.WaitForNoteAsync("Connected again");
        await ben.WaitForNoteAsync("Connected again");
        await ada.Page.Locator("#people .own bdi").Filter(new() { HasText = "Ada" }).WaitForAsync();
        await ada.Page.GetByLabel("Message to everyone").PressAsync("Enter");
        await ben.WaitForWordsAsync("Ada", "kept while away");
        await ada.WaitForWordsAsync("Ada", "before");
    }

    [Fact]
    public async Task What_was_said_and_never_came_back_is_named_when_the_page_is_back()
    {
        await using ServeTool server = await ServeTool.StartToComeBackAsync();
        await using OpenPage ada = await browser.OpenAsync(server.Url);
        await ada.SayAsync("heard");
        await ada.Page.GetByText("heard").First.WaitForAsync();
        server.Tool.Freeze();
        await ada.SayAsync("into the void");
        await server.Tool.KillAsync();
        await using ServeTool again = await ServeTool.StartAtAsync(server.Url);
        await ada.WaitForNoteAsync("“into the void” may have been passed on or not");
        Assert.Equal(0, await ada.Page.GetByText("“heard”").CountAsync());
    }

    [Fact]
    public async Task A_page_whose_node_is_killed_comes_back_by_another_as_who_it_was()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool one = await ServeTool.StartAsync("--redis", store.Address, "--node", "one");
        await using ServeTool two = await ServeTool.StartToComeBackAsync("--redis", store.Address, "--node", "two");
        await using TestClient ada = await TestClient.JoinTalkAsync(one, "/?name=Ada");
        await using OpenPage ben = await browser.OpenAsync(two.Url);
        await ben.NameAsync("Ben");
        await ada.ReceiveTextAsync(line => line.EndsWith("is now Ben", StringComparison.Ordinal));
        await ben.SayAsync("hello from two");
        await ada.ReceiveTextAsync(line => line == "Ben: hello from two");
        await two.Tool.KillAsync();
        await ada.SendAsync("said meanwhile");

        // As a balancer would, at the same address.
        await using ServeTool three = await ServeTool.StartAtAsync(two.Url, "--redis", store.Address, "--node", "three");
        await ben.WaitForNoteAsync("Connected again");
        await ben.WaitForWordsAsync("Ada", "said meanwhile");
        await ben.Page.Locator("#people .own bdi").Filter(new() { HasTextString = "Ben", HasNotTextString = "2" }).WaitForAsync();
        await ben.SayAsync("hello from three");
        await ada.ReceiveTextAsync(line => line == "Ben: hello from three");
        Assert.Equal(1, await ben.Page.GetByText("hello from two").CountAsync());
        Assert.Equal(0, await ben.Page.GetByText("began anew").CountAsync());
    }

    [Fact]
    public async Task That_a_message_could_not_be_sent_stood_there_when_it_could()
    {
        await using ServeTool server = await ServeTool.StartToComeBackAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);
        ILocator notice = page.Page.Locator("#notice");
        await server.Tool.KillAsync();
        await page.Page.Locator("#lost").WaitForAsync();
        await page.SayAsync("kept while away");
        await notice.Filter(new() { HasText = "Not connected" }).WaitForAsync();

        await using ServeTool again = await ServeTool.StartAtAsync(server.Url);
        await notice.Filter(new() { HasText = "Connected again: your message is still here" }).WaitForAsync();
        await page.Page.GetByLabel("Message to everyone").PressAsync("Enter");
        await page.Page.Locator(".words").GetByText("kept while away").WaitForAsync();
        await notice.WaitForAsync(new() { State = WaitForSelectorState.Hidden });
    }

    [Fact]
    public async Task A_talk_that_began_anew_with_its_server_looked_as_if_it_went_on()
    {
        await using ServeTool server = await ServeTool.StartToComeBackAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);
        await page.SayAsync("before");
        await page.Page.Locator(".words").GetByText("before").WaitForAsync();
        await server.Tool.KillAsync();
        await using ServeTool again = await ServeTool.StartAtAsync(server.Url);
        await page.WaitForNoteAsync("The talk began anew");
    }

    [Fact]
    public async Task Messages_that_the_history_had_no_more_were_missing_without_a_word()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);
        await page.SayAsync("the first");
        await page.Page.Locator(".words").GetByText("the first").WaitForAsync();
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Close the connection" }).ClickAsync();
        await page.WaitForStateAsync("CLOSED");
        await SayMoreThanIsKeptAsync(server);
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Connect now" }).ClickAsync();
        await page.WaitForNoteAsync("8 messages did not reach this page");
        await page.WaitForWordsAsync("Speaker5", "number 17");
        await page.SayAsync("back");
        await page.Page.Locator(".words").GetByText("back").WaitForAsync();
        Assert.Equal(1, await page.Page.GetByText("did not reach this page").CountAsync());
    }

    [Fact]
    public async Task Messages_that_the_history_had_no_more_were_missing_without_a_word_where_none_had_come_before()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);
        await WaitForClockAsync(page, "");
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Close the connection" }).ClickAsync();
        await page.WaitForStateAsync("CLOSED");
        await SayMoreThanIsKeptAsync(server);
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Connect now" }).ClickAsync();
        await page.WaitForNoteAsync("8 messages did not reach this page");

        // One that comes later has missed nothing.
        await using OpenPage later = await browser.OpenAsync(server.Url);
        await WaitForClockAsync(later, "");
        await later.SayAsync("new here");
        await later.Page.Locator(".words").GetByText("new here").WaitForAsync();
        Assert.Equal(0, await later.Page.GetByText("did not reach this page").CountAsync());
    }

    [Fact]
    public async Task A_message_that_was_refused_while_another_was_being_written_was_lost()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);

        // All before the page hears of the first: twenty pass, and a few more.
        await page.Page.EvaluateAsync("""
            () => {
              for (let i = 1; i <= 50; i++) {
                document.getElementById('say').value = `number ${i}`;
                document.getElementById('composer').requestSubmit();
              }
              document.getElementById('say').value = 'meanwhile';
            }
            """);
        ILocator refused = page.Page.Locator(".direction").Filter(new() { HasTextRegex = new("^“number [0-9]+” was answered with an error: Too fast") });
        await page.Page.WaitForFunctionAsync("() => document.querySelectorAll('.words, .direction.warning').length === 50");
        Assert.InRange(await refused.CountAsync(), 1, 30);
        Assert.Equal("meanwhile", await page.Page.GetByLabel("Message to everyone").InputValueAsync());
    }

    [Fact]
    public async Task A_page_that_its_user_had_closed_connected_again_when_the_browser_was_online()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Close the connection" }).ClickAsync();
        await page.WaitForStateAsync("CLOSED");
        Assert.Equal("CLOSED", await page.Page.EvaluateAsync<string>("() => { dispatchEvent(new Event('online')); return document.getElementById('state-name').textContent; }"));
    }

    [Fact]
    public async Task What_the_server_has_not_passed_on_yet_was_nowhere_to_be_seen()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync("about:blank", null, "html");
        await page.Page.Clock.InstallAsync();
        await page.Page.GotoAsync(server.Url);
        await page.WaitUntilReadyAsync();
        ILocator notice = page.Page.Locator("#notice");

        // By a clock that stands still meanwhile: after some seconds of silence the page would give the line up.
        await page.Page.Clock.PauseAtAsync(DateTime.UtcNow.AddSeconds(1));
        server.Tool.Freeze();
        await page.SayAsync("into the silence");
        await page.Page.Clock.RunForAsync(3000);
        await notice.Filter(new() { HasText = "Not passed on yet: “into the silence”" }).WaitForAsync();
        server.Tool.Thaw();
        await page.Page.Clock.ResumeAsync();
        await page.Page.Locator(".words").GetByText("into the silence").WaitForAsync();
        await notice.WaitForAsync(new() { State = WaitForSelectorState.Hidden });
    }

    [Fact]
    public async Task Just_after_midnight_it_was_24_oclock()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url, new() { Locale = "en-US", TimezoneId = "UTC" });
        Assert.Equal("00:05:00", await page.Page.EvaluateAsync<string>("async () => (await import('/page/transcript.js')).clockTime(Date.UTC(2026, 0, 1, 0, 5))"));
    }

    [Fact]
    public async Task The_keyboard_wandered_through_what_the_open_panel_covers()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url, new() { ViewportSize = new() { Width = 360, Height = 740 } });
        await page.Page.Locator("#panel-toggle").FocusAsync();
        await page.Page.Keyboard.PressAsync("Enter");
        await page.Page.Keyboard.PressAsync("Tab");
        Assert.Equal("Close the connection", await FocusedAsync(page));
        await page.Page.Keyboard.PressAsync("Escape");
        await page.Page.Keyboard.PressAsync("Tab");
        Assert.Equal("Messages", await FocusedAsync(page));

        // Where the window becomes wide, nothing is covered.
        await page.Page.Keyboard.PressAsync("Shift+Tab");
        await page.Page.Keyboard.PressAsync("Enter");
        await page.Page.SetViewportSizeAsync(1280, 800);
        await page.SayAsync("wide");
        await page.Page.Locator(".words").GetByText("wide").WaitForAsync();
    }

    [Fact]
    public async Task At_320_pixels_the_name_of_the_page_was_cut_within_a_letter()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url, new() { ViewportSize = new() { Width = 320, Height = 600 } });
        await page.Page.Locator("#toggle-rtt").Filter(new() { HasTextRegex = new("[0-9]") }).WaitForAsync();
        Assert.True(await page.Page.EvaluateAsync<bool>("() => { const mark = document.querySelector('.mark'); return mark.scrollWidth <= mark.clientWidth; }"));
        Assert.Equal(320, await page.Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth"));
    }

    [Fact]
    public async Task Closing_shows_every_ready_state_and_stays_closed_until_asked()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);
        await page.Page.Locator("#rtt-now").Filter(new() { HasTextRegex = new("[0-9]") }).WaitForAsync();
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Close the connection" }).ClickAsync();
        await page.WaitForStateAsync("CLOSED");
        IReadOnlyList<string> changes = await page.Page.Locator("#changes span").AllTextContentsAsync();
        Assert.Equal(["3 CLOSED", "2 CLOSING", "1 OPEN", "0 CONNECTING"], changes);
        await page.WaitForNoteAsync("Connection closed (1000");
        Assert.Equal("–", await page.Page.Locator("#rtt-now").TextContentAsync());
        await page.Page.Locator("#lost-next").Filter(new() { HasText = "until you connect" }).WaitForAsync();
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Connect now" }).ClickAsync();
        await page.WaitUntilReadyAsync();
    }

    [Fact]
    public async Task Names_messages_and_files_of_others_are_text_and_never_markup()
    {
        const string Evil = "<img src=x onerror=document.title='owned'>";
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url);
        await using TestClient plain = await TestClient.ConnectAsync(new Uri($"{server.Socket}/?name={Uri.EscapeDataString("<b>Eve</b>")}"));
        await plain.SendAsync(Evil);
        await plain.SendAsync("<script>document.title='owned'</script>");
        await page.WaitForWordsAsync("<b>Eve</b>", Evil);
        await page.WaitForWordsAsync("<b>Eve</b>", "<script>document.title='owned'</script>");
        await page.NameAsync("<i>me</i>");
        await page.Page.Locator("#file").SetInputFilesAsync(new FilePayload { Name = "<u>x</u>.svg", MimeType = "image/svg+xml", Buffer = "<svg xmlns='http://www.w3.org/2000/svg' onload='document.title=1'/>"u8.ToArray() });
        await page.Page.Locator("a.download").WaitForAsync();
        Assert.Equal(0, await page.Page.Locator("#script img, #script b, #script i, #script u, #script script, #people b, #people i").CountAsync());
        Assert.Equal("Duologue", await page.Page.TitleAsync());
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task The_page_talks_over_tls()
    {
        await using ServeTool server = await ServeTool.StartAtAsync("https://127.0.0.1:0", "--tls");
        await using OpenPage page = await browser.OpenAsync(server.Url, new() { IgnoreHTTPSErrors = true });
        Assert.StartsWith("wss://", await page.Page.Locator("#url").TextContentAsync(), StringComparison.Ordinal);
        await page.NameAsync("Ada");
        await page.SayAsync("in confidence");
        await page.WaitForWordsAsync("Ada", "in confidence");
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task The_keyboard_suffices()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage other = await browser.OpenAsync(server.Url);
        await using OpenPage page = await browser.OpenAsync(server.Url);
        IKeyboard keyboard = page.Page.Keyboard;
        await page.Page.EvaluateAsync("() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); }");
        await keyboard.PressAsync("Tab");
        Assert.Equal("Skip to writing", await FocusedAsync(page));
        await keyboard.PressAsync("Tab");
        Assert.Contains("side by side", await FocusedAsync(page), StringComparison.Ordinal);
        await keyboard.PressAsync("Tab");
        Assert.Equal("Messages", await FocusedAsync(page));
        await keyboard.PressAsync("Tab");
        Assert.Equal("name", await FocusedAsync(page));
        await keyboard.PressAsync("Control+A");
        await keyboard.TypeAsync("Keys");
        await keyboard.PressAsync("Enter");
        Assert.Equal("say", await FocusedAsync(page));
        await keyboard.TypeAsync("first line");
        await keyboard.PressAsync("Shift+Enter");
        await keyboard.TypeAsync("second line");
        await keyboard.PressAsync("Enter");
        await other.WaitForWordsAsync("Keys", "first line\nsecond line");
        await keyboard.PressAsync("Tab");
        Assert.Equal("Send a file", await FocusedAsync(page));
        await keyboard.PressAsync("Tab");
        Assert.Equal("Send", await FocusedAsync(page));
        await keyboard.PressAsync("Tab");
        Assert.Equal("Close the connection", await FocusedAsync(page));
        await keyboard.PressAsync("Enter");
        await page.WaitForStateAsync("CLOSED");
    }

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task It_fits_a_phone_of_360_pixels(ColorScheme scheme)
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync(server.Url, new() { ViewportSize = new() { Width = 360, Height = 740 }, ColorScheme = scheme, HasTouch = true });
        await page.SayAsync(new string('x', 300));
        await page.Page.Locator(".words").WaitForAsync();
        Assert.Equal(360, await page.Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth"));
        Assert.Empty(await page.Page.EvaluateAsync<string[]>("() => [...document.querySelectorAll('.bar > *, .script > *, .composer *')].filter(e => e.checkVisibility() && !e.matches('.hidden') && e.getBoundingClientRect().right > 360).map(e => e.className || e.tagName)"));
        Assert.True(await page.Page.Locator("#panel").IsHiddenAsync());
        await page.Page.Locator("#panel-toggle").TapAsync();
        await page.Page.Locator("#chart").WaitForAsync();
        await page.Page.Keyboard.PressAsync("Escape");
        Assert.True(await page.Page.Locator("#panel").IsHiddenAsync());
        Assert.True(await ContrastAsync(page) >= 4.5);
    }

    // The server keeps the last hundred; nobody may say more than twenty at once.
    private static async Task SayMoreThanIsKeptAsync(ServeTool server)
    {
        for (int speaker = 0; speaker < 6; speaker++)
        {
            await using TestClient client = await TestClient.JoinTalkAsync(server, $"/?name=Speaker{speaker}");
            for (int i = 0; i < 18; i++)
            {
                await client.SendAsync($"number {i}");
            }

            await client.ReceiveTextAsync(line => line == $"Speaker{speaker}: number 17");
        }
    }

    private static async Task<string> WaitForClockAsync(OpenPage page, string before)
    {
        await page.Page.WaitForFunctionAsync("before => /^\\d\\d:\\d\\d:\\d\\d$/.test(document.getElementById('clock').textContent) && document.getElementById('clock').textContent !== before", before);
        return await page.Page.Locator("#clock").TextContentAsync() ?? "";
    }

    private static Task<string> FocusedAsync(OpenPage page) =>
        page.Page.EvaluateAsync<string>("() => { const e = document.activeElement; return e.getAttribute('aria-label') || e.id && ['name', 'say'].includes(e.id) && e.id || e.textContent.trim(); }");

    // The lower of the contrasts (WCAG 2.2, 1.4.3) of the words and of the quietest text with the page behind them.
    private static Task<double> ContrastAsync(OpenPage page) => page.Page.EvaluateAsync<double>("""
        () => {
          const canvas = new OffscreenCanvas(1, 1).getContext('2d');
          const luminance = color => {
            canvas.fillStyle = color;
            canvas.fillRect(0, 0, 1, 1);
            const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const paper = luminance(getComputedStyle(document.body).backgroundColor);
          const contrast = element => {
            const [low, high] = [luminance(getComputedStyle(element).color), paper].sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05);
          };
          return Math.min(...['.words', '.stamp', '.who', '.as label', '#state-name'].map(each => contrast(document.querySelector(each))));
        }
        """);
}
