using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Duologue.Interop.Tests.Peers;

/// <summary>npm's official <c>engine.io</c> server in a Node.js process, which echoes; node/engine-server.js is its other half.</summary>
internal sealed class EngineServer : IAsyncDisposable
{
    private readonly NodeProcess _process;
    private readonly Channel<bool> _heartbeats = Channel.CreateUnbounded<bool>();
    private readonly TaskCompletionSource<int> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _upgraded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private EngineServer(NodeProcess process)
    {
        _process = process;
        _ = ReadEventsAsync();
    }

    /// <summary>Where it listens; <c>EIO=4</c> says what it speaks.</summary>
    public Uri Url { get; private set; } = null!;

    /// <summary>A WebSocket has taken over.</summary>
    public Task Upgraded => _upgraded.Task;

    /// <summary>The reason that the server gives for a session's end.</summary>
    public Task<string> Closed => _closed.Task;

    public static async Task<EngineServer> StartAsync(CancellationToken cancellationToken)
    {
        var server = new EngineServer(NodeProcess.Start("engine.io", "engine-server.js"));
        server.Url = new Uri($"ws://127.0.0.1:{await server._listening.Task.WaitAsync(cancellationToken)}/engine.io/?EIO=4");
        return server;
    }

    /// <summary>Closes every session.</summary>
    public Task CloseAsync() => _process.DoAsync(new JsonObject { ["do"] = "close" });

    /// <summary>Waits for the answer to one ping.</summary>
    public async Task SeePongAsync(CancellationToken cancellationToken) => await _heartbeats.Reader.ReadAsync(cancellationToken);

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private async Task ReadEventsAsync()
    {
        await _process.ReadEventsAsync(OnEvent);

        // The process has ended: whoever still waits for it is told.
        InvalidOperationException ended = new("The Node.js server has ended.");
        _listening.TrySetException(ended);
        _upgraded.TrySetException(ended);
        _closed.TrySetException(ended);
        _heartbeats.Writer.TryComplete(ended);
    }

    private void OnEvent(string name, JsonElement said)
    {
        switch (name)
        {
            case "listening":
                _listening.TrySetResult(said.GetProperty("port").GetInt32());
                break;
            case "upgrade":
                _upgraded.TrySetResult();
                break;
            case "heartbeat":
                _heartbeats.Writer.TryWrite(true);
                break;
            case "close":
                _closed.TrySetResult(said.GetProperty("reason").GetString()!);
                break;
        }
    }
}
