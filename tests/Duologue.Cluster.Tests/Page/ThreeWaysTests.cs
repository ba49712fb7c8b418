using System.Globalization;
using System.Text;
using Duologue.Cli.Tests.Page;
using Duologue.Soak;
using Microsoft.Playwright;

namespace Duologue.Cluster.Tests.Page;

/// <summary>Issue 6, "done when": a reader kills a node while the three-ways page is open, and sees no gap.</summary>
[Collection(nameof(OneAtATime))]
public sealed class ThreeWaysTests
{
    // What each pane has shown, from the newest line that it adds: the page itself keeps five.
    private const string Watch = """
        () => {
          window.shown = [[], [], [], []];
          for (const way of [0, 1, 2, 3]) {
            new MutationObserver(changes => {
              for (const { addedNodes } of changes) {
                for (const line of addedNodes) {
                  const found = /^number (\d+)$/.exec(line.querySelector('span').textContent);
                  if (found) window.shown[way].push(Number(found[1]));
                }
              }
            }).observe(document.querySelector(`#way-${way} .messages`), { childList: true });
          }
        }
        """;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // Both balancers are in front of the same nodes, each with a page behind it, and by turns what is published goes through them: each node is killed once for both.
    [Fact]
    public async Task Every_pane_shows_each_number_once_and_in_order_while_each_node_is_killed_once()
    {
        Needs.Redis();
        Needs.Program("nginx");
        Needs.Program("haproxy");
        string? chromium = Chromium.Find();
        Assert.SkipWhen(chromium is null, Chromium.Missing);
        await using Soak.Cluster cluster = await Soak.Cluster.StartAsync("haproxy.cfg", isPersistent: true, [], Token);
        await using Balancer nginx = await Balancer.StartAsync("nginx.conf", [.. cluster.Nodes.Select(node => node.Port)], Token);
        using IPlaywright playwright = await Playwright.CreateAsync();
        await using IBrowser browser = await Chromium.LaunchAsync(playwright, chromium!);
        IPage[] pages = [await OpenAsync(browser, cluster.Url), await OpenAsync(browser, nginx.Url)];

        using var first = new HttpClient { BaseAddress = cluster.Url };
        using var second = new HttpClient { BaseAddress = nginx.Url };
        HttpClient[] ways = [first, second];
        int number = 0;
        foreach (NodeProcess node in cluster.Nodes)
        {
            // Each pane has what was before, so that it is behind something when its node goes.
            number = await PublishAsync(ways, number, 5);
            await HaveAsync(pages, number);
            await node.KillAsync();
            number = await PublishAsync(ways, number, 5);
            await node.RestartAsync(Token);
            number = await PublishAsync(ways, number, 5);
            await HaveAsync(pages, number);
        }

        foreach (IPage page in pages)
        {
            int[][] shown = await page.EvaluateAsync<int[][]>("() => window.shown");
            Assert.All(shown, pane => Assert.Equal(Enumerable.Range(1, number), pane));
        }
    }

    private static async Task<IPage> OpenAsync(IBrowser browser, Uri url)
    {
        IPage page = await browser.NewPageAsync();
        page.SetDefaultTimeout((float)Needs.Patience.TotalMilliseconds);
        await page.GotoAsync($"{url}three-ways");
        await page.Locator("body[data-ready]").WaitForAsync();
        await page.GetByLabel("or by itself").SelectOptionAsync("0");
        await page.Locator("#interval").FillAsync("0.5");
        await page.EvaluateAsync(Watch);
        return page;
    }

    private static async Task HaveAsync(IPage[] pages, int number) =>
        await Task.WhenAll(pages.Select(page => page.WaitForFunctionAsync("number => window.shown.every(pane => pane.includes(number))", number)));

    private static async Task<int> PublishAsync(HttpClient[] ways, int number, int count)
    {
        for (int last = number + count; number < last;)
        {
            number++;
            while (!await TryPublishAsync(ways[number % ways.Length], number))
            {
                await Task.Delay(100, Token);
            }
        }

        return number;
    }

    // What had no answer is asked again, with its key.
    private static async Task<bool> TryPublishAsync(HttpClient http, int number)
    {
        string text = string.Create(CultureInfo.InvariantCulture, $$"""{"from":"test","number":{{number}},"text":"number {{number}}"}""");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/topics/three-ways", UriKind.Relative)) { Content = new StringContent(text, Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", string.Create(CultureInfo.InvariantCulture, $"test-{number}"));
        try
        {
            using HttpResponseMessage answer = await http.SendAsync(request, Token);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
