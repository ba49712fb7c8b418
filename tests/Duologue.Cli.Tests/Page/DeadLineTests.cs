using Duologue.Cli.Tests.Support;
using Microsoft.Playwright;

namespace Duologue.Cli.Tests.Page;

/// <summary>The live page on a line that has died without a word: nothing comes any more, and no Close is answered.</summary>
public sealed class DeadLineTests(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task The_late_end_of_a_dead_line_stopped_the_pings_of_the_next_one()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync("about:blank", null, "html");
        Line line = await Line.OpenAsync(page, server);
        line.IsDead = true;
        await PassSilenceAsync(page.Page);
        await page.WaitForNoteAsync("Connection closed (1006 nothing heard");
        line.IsDead = false;
        await PassSilenceAsync(page.Page);
        await page.WaitForNoteAsync("Connected again");

        // The browser gives it up now.
        await line.Connections[0].CloseAsync();

        int sent = int.Parse(await page.Page.Locator("#text-out").TextContentAsync() ?? "", null);
        await page.Page.WaitForFunctionAsync("sent => Number(document.getElementById('text-out').textContent) > sent + 2", sent);
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task A_user_who_closed_a_dead_line_was_connected_again_unasked()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync("about:blank", null, "html");
        Line line = await Line.OpenAsync(page, server);
        line.IsDead = true;
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Close the connection" }).ClickAsync();
        await page.WaitForStateAsync("CLOSING");

        await PassSilenceAsync(page.Page);

        await page.WaitForNoteAsync("Connection closed (1006 nothing heard");
        await page.Page.Locator("#lost-next").Filter(new() { HasText = "until you connect" }).WaitForAsync();
        Assert.Single(line.Connections);
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task What_a_server_had_passed_on_before_it_was_killed_was_told_as_not_passed_on()
    {
        await using ServeTool server = await ServeTool.StartToComeBackAsync();
        await using OpenPage ben = await browser.OpenAsync(server.Url);
        await using OpenPage ada = await browser.OpenAsync("about:blank", null, "html");
        Line line = await Line.OpenAsync(ada, server);
        await ada.NameAsync("Ada");
        line.IsDeaf = true;
        await ada.SayAsync("heard by Ben");
        await ben.WaitForWordsAsync("Ada", "heard by Ben");
        await server.Tool.KillAsync();
        await ada.WaitForNoteAsync("Connection closed");
        line.IsDeaf = false;

        await using ServeTool again = await ServeTool.StartAtAsync(server.Url);

        await ada.WaitForNoteAsync("“heard by Ben” may have been passed on or not");
        Assert.Equal(0, await ada.Page.GetByText("was not passed on").CountAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_lost_on_the_line_to_a_server_that_lives_was_not_passed_on(bool isNextLineDead)
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using OpenPage page = await browser.OpenAsync("about:blank", null, "html");
        Line line = await Line.OpenAsync(page, server);
        line.IsDead = true;
        await page.SayAsync("into the void");
        await PassSilenceAsync(page.Page);
        await page.WaitForNoteAsync("Connection closed (1006 nothing heard");
        if (isNextLineDead)
        {
            await page.Page.Clock.FastForwardAsync(1500);
            await line.WelcomeLost.WaitAsync(Tool.Patience, TestContext.Current.CancellationToken);
        }

        line.IsDead = false;
        await PassSilenceAsync(page.Page);

        await page.WaitForNoteAsync("“into the void” was not passed on");
    }

    // In steps, so that each has a ping of its own.
    private static async Task PassSilenceAsync(IPage page)
    {
        for (int i = 0; i < 6; i++)
        {
            await page.Clock.FastForwardAsync(1500);
        }
    }

    /// <summary>What lies between the page and the server, with a clock that can be moved.</summary>
    private sealed class Line
    {
        private volatile bool _isDead;
        private volatile bool _isDeaf;
        private readonly TaskCompletionSource _welcomeLost = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<IWebSocketRoute> Connections { get; } = [];

        /// <summary>Whether nothing gets through any more.</summary>
        public bool IsDead { get => _isDead; set => _isDead = value; }

        /// <summary>Whether nothing gets through to the page any more.</summary>
        public bool IsDeaf { get => _isDeaf; set => _isDeaf = value; }

        /// <summary>Ends when the server has welcomed a page that does not hear it.</summary>
        public Task WelcomeLost => _welcomeLost.Task;

        /// <summary>Opens the live page behind it.</summary>
        public static async Task<Line> OpenAsync(OpenPage page, ServeTool server)
        {
            var line = new Line();
            await page.Page.Clock.InstallAsync();
            await page.Page.RouteWebSocketAsync("**/talk*", line.Carry);
            await page.Page.GotoAsync(server.Url);
            await page.WaitUntilReadyAsync();
            return line;
        }

        private void Carry(IWebSocketRoute connection)
        {
            Connections.Add(connection);
            IWebSocketRoute server = connection.ConnectToServer();

            // No line loses what comes first of a connection and carries the rest.
            bool hasLostToServer = false;
            bool hasLostToPage = false;
            connection.OnMessage(frame =>
            {
                if (!(hasLostToServer |= IsDead))
                {
                    Pass(frame, server);
                }
            });
            server.OnMessage(frame =>
            {
                if (!(hasLostToPage |= IsDead || IsDeaf))
                {
                    Pass(frame, connection);
                }
                else if (frame.Text?.Contains("\"welcome\"", StringComparison.Ordinal) == true)
                {
                    _welcomeLost.TrySetResult();
                }
            });
            connection.OnClose((code, reason) =>
            {
                if (!(hasLostToServer |= IsDead))
                {
                    _ = server.CloseAsync(new() { Code = code, Reason = reason });
                }
            });
        }

        private static void Pass(IWebSocketFrame frame, IWebSocketRoute to)
        {
            if (frame.Text is { } text)
            {
                to.Send(text);
            }
            else
            {
                to.Send(frame.Binary!);
            }
        }
    }
}
