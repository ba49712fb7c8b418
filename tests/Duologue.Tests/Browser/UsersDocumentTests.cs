using Duologue.Browser;

namespace Duologue.Tests.Browser;

/// <summary>Every line of code in docs/browser-api.md, run against a server. The page's port 8080 is the test's free port here.</summary>
public sealed class UsersDocumentTests : IAsyncLifetime
{
    private readonly StringWriter _console = new();
    private RawServer _server = null!;

    public ValueTask InitializeAsync()
    {
        _server = RawServer.StartEcho();
        return default;
    }

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task The_constructor_makes_an_instance_that_connects()
    {
        var ws = new WebSocket($"ws://localhost:{_server.Port}");

        Assert.Equal(ReadyState.Connecting, ws.ReadyState);
        Assert.Equal($"ws://localhost:{_server.Port}/", ws.Url);
        _server.Go();
        await CloseAsync(ws);
    }

    [Fact]
    public async Task ReadyState_goes_from_0_to_3()
    {
        var states = new List<(string When, int State)>();
        var ws = new WebSocket(_server.Url);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        states.Add(("new", (int)ws.ReadyState));
        ws.OnOpen = evt =>
        {
            states.Add(("open", (int)ws.ReadyState));
            ws.Close();
            states.Add(("closing", (int)ws.ReadyState));
        };
        ws.OnClose = evt =>
        {
            states.Add(("close", (int)ws.ReadyState));
            done.SetResult();
        };
        _server.Go();
        await Wait(done);

        Assert.Equal([("new", 0), ("open", 1), ("closing", 2), ("close", 3)], states);
    }

    [Fact]
    public async Task OnOpen_sends_hello_everyone()
    {
        var ws = new WebSocket(_server.Url);
        var log = new EventLog(ws);
        ws.OnOpen = evt =>
        {
            ws.Send("hello everyone");
        };

        _server.Go();
        await log.Messages(1);
        Assert.Equal(["hello everyone"], log.Data);
        await CloseAsync(ws);
    }

    [Fact]
    public async Task Two_open_listeners_send_Hello_World_twice()
    {
        var ws = new WebSocket(_server.Url);
        var log = new EventLog(ws);
        ws.AddEventListener("open", evt =>
        {
            ws.Send("Hello World");
        });
        ws.AddEventListener("open", evt =>
        {
            ws.Send("Hello World");
        });

        _server.Go();
        await log.Messages(2);
        Assert.Equal(["Hello World", "Hello World"], log.Data);
        await CloseAsync(ws);
    }

    [Fact]
    public async Task OnMessage_and_its_listener_print_the_message()
    {
        StringWriter Console = _console;
        var ws = new WebSocket(_server.Url);
        ws.OnMessage = evt =>
        {
            Console.WriteLine("Received Message: " + evt.Data);
        };
        ws.AddEventListener("message", evt =>
        {
            Console.WriteLine("Received Message: " + evt.Data);
        });
        var log = new EventLog(ws);
        ws.OnOpen = evt =>
        {
            ws.Send("Hello everyone");
        };

        _server.Go();
        await log.Messages(1);
        Assert.Equal("Received Message: Hello everyone|Received Message: Hello everyone|", Printed());
        await CloseAsync(ws);
    }

    [Fact]
    public async Task A_file_is_sent_as_a_Blob()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await File.WriteAllTextAsync(path, "the file", TestContext.Current.CancellationToken);
        var ws = new WebSocket(_server.Url);
        var log = new EventLog(ws);
        _server.Go();
        await log.Opened;

        var file = Blob.FromFile(path);
        ws.Send(file);

        await log.Messages(1);
        Assert.Equal("the file", await Assert.IsType<Blob>(log.Data[0]).TextAsync(TestContext.Current.CancellationToken));
        await CloseAsync(ws);
        File.Delete(path);
    }

    [Fact]
    public async Task Close_closes_and_OnClose_prints_Connection_closed()
    {
        StringWriter Console = _console;
        var ws = new WebSocket(_server.Url);
        var log = new EventLog(ws);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ws.OnClose = evt =>
        {
            Console.WriteLine("Connection closed.");
        };
        ws.AddEventListener("close", evt => done.SetResult());
        _server.Go();
        await log.Opened;

        ws.Close();

        await Wait(done);
        Assert.Equal("Connection closed.|", Printed());
    }

    [Fact]
    public void OnError_and_its_listener_are_called()
    {
        var calls = new List<string>();
        // Nothing else keeps the events back until the listeners are there.
        using var context = new ManualContext();
        WebSocket ws = context.Make(() => new WebSocket("ws://does-not-exist.invalid:8080"));
        ws.OnError = evt =>
        {
            calls.Add("handler");
        };
        ws.AddEventListener("error", evt =>
        {
            calls.Add("listener");
        });

        context.TurnUntil(() => ws.ReadyState == ReadyState.Closed);
        Assert.Equal(["handler", "listener"], calls);
        Assert.Equal(3, (int)ws.ReadyState);
    }

    private string Printed() => _console.ToString().ReplaceLineEndings("|");

    private static Task Wait(TaskCompletionSource source) => source.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken);

    private static async Task CloseAsync(WebSocket ws)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ws.AddEventListener("close", evt => done.SetResult());
        ws.Close();
        await Wait(done);
    }
}
