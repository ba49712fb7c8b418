using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;

namespace Duologue.Interop.Tests.Peers;

/// <summary>npm's official <c>engine.io</c> server in a Node.js process, which echoes; node/engine-server.js is its other half.</summary>
internal sealed class EngineServer : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Channel<bool> _heartbeats = Channel.CreateUnbounded<bool>();
    private readonly TaskCompletionSource<int> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _upgraded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private EngineServer(Process process)
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
        if (!Directory.Exists(Path.Combine(NodePeer.Folder, "node_modules", "engine.io")))
        {
            Assert.Skip("The npm package engine.io is not installed: ./test installs it, or `npm ci` in tests/Duologue.Interop.Tests/node.");
        }

        ProcessStartInfo start = new("node", ["engine-server.js"])
        {
            WorkingDirectory = NodePeer.Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        var server = new EngineServer(Process.Start(start)!);
        server.Url = new Uri($"ws://127.0.0.1:{await server._listening.Task.WaitAsync(cancellationToken)}/engine.io/?EIO=4");
        return server;
    }

    /// <summary>Closes every session.</summary>
    public async Task CloseAsync()
    {
        await _process.StandardInput.WriteLineAsync("close");
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Waits for the answer to one ping.</summary>
    public async Task SeePongAsync(CancellationToken cancellationToken) => await _heartbeats.Reader.ReadAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close(); // its sign to end
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(10));
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private async Task ReadEventsAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement said = document.RootElement;
            switch (said.GetProperty("event").GetString())
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

        // The process has ended: whoever still waits for it is told.
        InvalidOperationException ended = new("The Node.js server has ended.");
        _listening.TrySetException(ended);
        _upgraded.TrySetException(ended);
        _closed.TrySetException(ended);
        _heartbeats.Writer.TryComplete(ended);
    }
}
