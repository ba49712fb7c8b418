using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Duologue.Interop.Tests.Peers;

/// <summary>npm's official <c>engine.io-client</c> in a Node.js process; node/engine.js is its other half.</summary>
internal sealed class EnginePeer : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Channel<ReceivedMessage> _received = Channel.CreateUnbounded<ReceivedMessage>();
    private readonly Channel<bool> _pings = Channel.CreateUnbounded<bool>();
    private readonly TaskCompletionSource<string> _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _upgraded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _upgradeFailed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private EnginePeer(Process process)
    {
        _process = process;
        _ = ReadEventsAsync();
    }

    /// <summary>The transport of the opening.</summary>
    public Task<string> Open => _open.Task;

    /// <summary>The transport that took over.</summary>
    public Task<string> Upgraded => _upgraded.Task;

    /// <summary>No WebSocket took over.</summary>
    public Task UpgradeFailed => _upgradeFailed.Task;

    /// <summary>The reason that the client gives.</summary>
    public Task<string> Closed => _closed.Task;

    public static EnginePeer Start(Uri url, params string[] transports)
    {
        if (!Directory.Exists(Path.Combine(NodePeer.Folder, "node_modules", "engine.io-client")))
        {
            Assert.Skip("The npm package engine.io-client is not installed: ./test installs it, or `npm ci` in tests/Duologue.Interop.Tests/node.");
        }

        ProcessStartInfo start = new("node", ["engine.js", url.ToString(), .. transports])
        {
            WorkingDirectory = NodePeer.Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        return new EnginePeer(Process.Start(start)!);
    }

    public async Task SendAsync(MessageType type, ReadOnlyMemory<byte> data) => await DoAsync(new JsonObject
    {
        ["do"] = "send",
        ["binary"] = type == MessageType.Binary,
        ["data"] = Convert.ToBase64String(data.Span),
    });

    public Task CloseAsync() => DoAsync(new JsonObject { ["do"] = "close" });

    public async Task<ReceivedMessage> ReceiveAsync(CancellationToken cancellationToken) => await _received.Reader.ReadAsync(cancellationToken);

    public async Task SeePingAsync(CancellationToken cancellationToken) => await _pings.Reader.ReadAsync(cancellationToken);

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

    private async Task DoAsync(JsonObject command)
    {
        await _process.StandardInput.WriteLineAsync(command.ToJsonString());
        await _process.StandardInput.FlushAsync();
    }

    private async Task ReadEventsAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement said = document.RootElement;
            switch (said.GetProperty("event").GetString())
            {
                case "open":
                    _open.TrySetResult(said.GetProperty("transport").GetString()!);
                    break;
                case "upgrade":
                    _upgraded.TrySetResult(said.GetProperty("transport").GetString()!);
                    break;
                case "upgradeError":
                    _upgradeFailed.TrySetResult();
                    break;
                case "message":
                    MessageType type = said.GetProperty("binary").GetBoolean() ? MessageType.Binary : MessageType.Text;
                    _received.Writer.TryWrite(new ReceivedMessage(type, said.GetProperty("data").GetBytesFromBase64()));
                    break;
                case "ping":
                    _pings.Writer.TryWrite(true);
                    break;
                case "close":
                    _closed.TrySetResult(said.GetProperty("reason").GetString()!);
                    break;
            }
        }

        // The process has ended: whoever still waits for it is told.
        InvalidOperationException ended = new("The Node.js peer has ended.");
        _open.TrySetException(ended);
        _upgraded.TrySetException(ended);
        _upgradeFailed.TrySetException(ended);
        _closed.TrySetException(ended);
        _received.Writer.TryComplete(ended);
        _pings.Writer.TryComplete(ended);
    }
}
