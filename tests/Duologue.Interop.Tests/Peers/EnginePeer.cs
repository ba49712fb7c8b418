using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Duologue.Interop.Tests.Peers;

/// <summary>npm's official <c>engine.io-client</c> in a Node.js process; node/engine.js is its other half.</summary>
internal sealed class EnginePeer : IAsyncDisposable
{
    private readonly NodeProcess _process;
    private readonly Channel<ReceivedMessage> _received = Channel.CreateUnbounded<ReceivedMessage>();
    private readonly Channel<bool> _pings = Channel.CreateUnbounded<bool>();
    private readonly TaskCompletionSource<string> _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _upgraded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _upgradeFailed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private EnginePeer(NodeProcess process)
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

    public static EnginePeer Start(Uri url, params string[] transports) => new(NodeProcess.Start("engine.io-client", ["engine.js", url.ToString(), .. transports]));

    public Task SendAsync(MessageType type, ReadOnlyMemory<byte> data) => _process.DoAsync(new JsonObject
    {
        ["do"] = "send",
        ["binary"] = type == MessageType.Binary,
        ["data"] = Convert.ToBase64String(data.Span),
    });

    public Task CloseAsync() => _process.DoAsync(new JsonObject { ["do"] = "close" });

    public async Task<ReceivedMessage> ReceiveAsync(CancellationToken cancellationToken) => await _received.Reader.ReadAsync(cancellationToken);

    public async Task SeePingAsync(CancellationToken cancellationToken) => await _pings.Reader.ReadAsync(cancellationToken);

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private async Task ReadEventsAsync()
    {
        await _process.ReadEventsAsync(OnEvent);

        // The process has ended: whoever still waits for it is told.
        InvalidOperationException ended = new("The Node.js peer has ended.");
        _open.TrySetException(ended);
        _upgraded.TrySetException(ended);
        _upgradeFailed.TrySetException(ended);
        _closed.TrySetException(ended);
        _received.Writer.TryComplete(ended);
        _pings.Writer.TryComplete(ended);
    }

    private void OnEvent(string name, JsonElement said)
    {
        switch (name)
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
}
