using System.Reflection;
using Duologue.AspNetCore;
using Duologue.Cli.Tests.Page;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;

namespace Duologue.Browser.Tests.Sessions;

/// <summary>A page in Chromium that has no WebSocket, with npm's official <c>engine.io-client</c> as a page loads it.</summary>
public sealed class WithoutWebSocketTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    [Theory]
    [InlineData("'polling'")]
    [InlineData("'polling', 'websocket'")]
    public async Task A_page_talks_with_the_same_handler_by_polling(string transports)
    {
        string script = await File.ReadAllTextAsync(FindClient(), TestContext.Current.CancellationToken);
        Assert.SkipWhen(Chromium.Find() is null, Chromium.Missing);
        await using WebApplication app = await StartAsync(script);
        using IPlaywright playwright = await Playwright.CreateAsync();
        await using IBrowser browser = await Chromium.LaunchAsync(playwright, Chromium.Find()!);
        IPage page = await browser.NewPageAsync();
        page.SetDefaultTimeout((float)Patience.TotalMilliseconds);
        await page.AddInitScriptAsync("delete window.WebSocket;");
        await page.GotoAsync(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        Assert.Equal("undefined", await page.EvaluateAsync<string>("() => typeof WebSocket"));

        // The page answers when all that it sent has come back, in order, or when the session has ended.
        string answer = await page.EvaluateAsync<string>(
            $$"""
            () => new Promise(done => {
              const socket = window.socket = eio(location.origin, { path: '/talk', transports: [{{transports}}] });
              socket.binaryType = 'arraybuffer';
              const texts = [...Array(100).keys()].map(i => i + ' ähnlich 🍵');
              let received = 0;
              socket.on('open', () => {
                texts.forEach(text => socket.send(text));
                socket.send(Uint8Array.of(0, 1, 128, 255).buffer);
              });
              socket.on('message', data => {
                const isText = received < texts.length;
                const isRight = isText ? data === texts[received] : new Uint8Array(data).join() === '0,1,128,255';
                if (!isRight) done('wrong at ' + received + ': ' + data);
                else if (++received > texts.length) done('all over ' + socket.transport.name);
              });
              socket.on('close', reason => done('closed: ' + reason));
            })
            """).WaitAsync(Patience, TestContext.Current.CancellationToken);

        Assert.Equal("all over polling", answer);
        Connection connection = Assert.Single(app.Services.GetRequiredService<Connections>());
        Assert.Equal(Transport.LongPolling, connection.Transport);
        await page.EvaluateAsync("() => { socket.close(); }");
        CloseInfo info = await connection.Closed.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(CloseCause.PeerClosed, info.Cause);
    }

    /// <summary>The bundle that pages load. Skips the test where it is not installed.</summary>
    private static string FindClient()
    {
        string folder = typeof(WithoutWebSocketTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "NodePackages").Value!;
        string bundle = Path.Combine(folder, "engine.io-client", "dist", "engine.io.js");
        Assert.SkipUnless(File.Exists(bundle), "The npm package engine.io-client is not installed: ./test installs it, or `npm ci` in tests/Duologue.Interop.Tests/node.");
        return bundle;
    }

    private static async Task<WebApplication> StartAsync(string script)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");

        // A machine that is busy for a minute ends no session.
        builder.Services.AddDuologue(options => options.KeepAliveTimeout = Patience);
        WebApplication app = builder.Build();
        app.MapDuologue<Echo>("/talk");
        app.MapGet("/engine.io.js", () => Results.Text(script, "text/javascript"));
        app.MapGet("/", () => Results.Text("<!doctype html><meta charset=utf-8><script src=/engine.io.js></script>", "text/html"));
        await app.StartAsync(TestContext.Current.CancellationToken);
        return app;
    }

    private sealed class Echo : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message) => connection.SendAsync(message.Data, message.Type);
    }
}
