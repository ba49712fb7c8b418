using Duologue.Browser.Tests.Page;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Browser.Tests.Document;

/// <summary>
/// The snippets of a tutorial on the browser's WebSocket, each character as it stands there, against a server of ours on
/// Kestrel. What the page needs beside them is in page-globals.js and Page/page.js.
/// </summary>
public sealed class UsersDocumentTests : IAsyncLifetime
{
    private static readonly byte[] FileContent = [.. Enumerable.Range(0, 100_000).Select(static i => (byte)(i * 31))];

    private readonly string _file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly TaskCompletionSource<byte[]> _received = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<CloseInfo> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WebApplication _server = null!;
    private ScriptPage _page = null!;

    public async ValueTask InitializeAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddDuologue();
        _server = builder.Build();
        _server.MapDuologue("/", async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync(CancellationToken.None))
            {
                if (message.Type == MessageType.Binary)
                {
                    _received.TrySetResult(message.ToArray());
                }

                await connection.SendAsync(message.Data.ToArray(), message.Type, CancellationToken.None);
            }

            _closed.TrySetResult(await connection.Closed);
        });
        await _server.StartAsync(TestContext.Current.CancellationToken);
        var address = new Uri(_server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        await File.WriteAllBytesAsync(_file, FileContent, TestContext.Current.CancellationToken);
        _page = new ScriptPage(address) { ChosenFiles = [Blob.FromFile(_file)] };
        await _page.DefineAsync("serverHost", () => address.Authority);
        await RunAsync("page-globals");
    }

    public async ValueTask DisposeAsync()
    {
        await _page.DisposeAsync();
        await _server.DisposeAsync();
        File.Delete(_file);
    }

    [Fact]
    public async Task The_constructor_makes_an_instance_that_is_connecting()
    {
        await RunAsync("constructor");
        await _page.RunAsync("ws.onclose = () => console.log('closed')");

        Assert.Equal("0", await _page.EvaluateAsync("new WebScoket('ws://localhost:8080').readyState"));
        Assert.Equal("true", await _page.EvaluateAsync("ws instanceof WebSocket"));
        await RunAsync("close");
        await _page.LoggedAsync("closed");
        Assert.Equal("3", await _page.EvaluateAsync("ws.readyState"));
    }

    [Theory]
    [InlineData("onopen", "hello everyone")]
    [InlineData("open-listener", "Hello World")]
    public async Task What_is_sent_on_opening_comes_back_as_a_message(string open, string text)
    {
        await RunAsync("constructor", open, "onmessage");

        await _page.LoggedAsync($"Received Message: {text}");
        Assert.Equal("1", await _page.EvaluateAsync("ws.readyState"));
        Assert.Empty(_page.Uncaught);
    }

    [Fact]
    public async Task Handlers_and_listeners_are_all_called_in_the_order_of_the_document()
    {
        // In one task with the snippets, so that no message comes between.
        await _page.RunAsync(Script("constructor", "onopen", "open-listener", "onmessage", "message-listener", "onclose", "onerror", "error-listener") + """

            let count = 0;
            ws.addEventListener('message', () => {
              if (++count === 2) {
                ws.close();
              }
            });
            """);

        await _page.LoggedAsync("Connection closed.");
        Assert.Equal(
            [
                "Received Message: hello everyone",
                "Received Message: hello everyone",
                "Received Message: Hello World",
                "Received Message: Hello World",
                "Connection closed.",
            ],
            _page.Console);
        Assert.Empty(_page.Uncaught);
    }

    [Fact]
    public async Task A_text_is_sent()
    {
        await RunAsync("constructor", "message-listener");
        await OpenedAsync();
        await RunAsync("send");

        await _page.LoggedAsync("Received Message: Hello everyone");
    }

    [Fact]
    public async Task A_file_is_sent()
    {
        await RunAsync("constructor");
        await _page.RunAsync("ws.onmessage = async e => console.log(e.data instanceof Blob, e.data.size, new Uint8Array(await e.data.arrayBuffer())[1])");
        await OpenedAsync();
        await RunAsync("send-file");

        Assert.Equal(FileContent, await _received.Task.WaitAsync(Patience.Time, TestContext.Current.CancellationToken));
        await _page.LoggedAsync("true 100000 31");
    }

    [Fact]
    public async Task The_connection_is_closed()
    {
        await RunAsync("constructor", "onclose");
        await OpenedAsync();
        await RunAsync("close");

        await _page.LoggedAsync("Connection closed.");
        CloseInfo info = await _closed.Task.WaitAsync(Patience.Time, TestContext.Current.CancellationToken);
        Assert.Equal((1005, true), (info.Code, info.WasClean));
    }

    [Fact]
    public async Task An_error_is_told_to_the_handler_and_the_listener_and_the_end_comes_after()
    {
        await _server.StopAsync(TestContext.Current.CancellationToken);

        // In one task with the snippets: between two the connection may fail.
        await _page.RunAsync(Script("constructor", "onerror", "error-listener", "onclose") + "\nws.addEventListener('error', () => console.log('error, state ' + ws.readyState))");

        await _page.LoggedAsync("Connection closed.");
        Assert.Equal(["error, state 3", "Connection closed."], _page.Console);
        Assert.Empty(_page.Uncaught);
    }

    private async Task OpenedAsync()
    {
        await _page.RunAsync("ws.readyState === 1 ? console.log('opened') : ws.addEventListener('open', () => console.log('opened'))");
        await _page.LoggedAsync("opened");
    }

    /// <summary>Runs snippets in one task, as in one script element.</summary>
    private Task RunAsync(params string[] snippets) => _page.RunAsync(Script(snippets));

    private static string Script(params string[] snippets) =>
        string.Join('\n', snippets.Select(static name => Resource.Text($"Document/{name}.js")));
}
