using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Duologue.Interop.Tests.Peers;

/// <summary>npm's <c>ws</c> in a Node.js process, either role; node/peer.js is its other half.</summary>
internal sealed class NodePeer : ForeignPeer
{
    private readonly NodeProcess _process;
    private readonly Channel<ReceivedMessage> _received = Channel.CreateUnbounded<ReceivedMessage>();
    private readonly Channel<string> _pongs = Channel.CreateUnbounded<string>();
    private readonly TaskCompletionSource<int> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ForeignClose> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string? _error;

    private NodePeer(NodeProcess process)
    {
        _process = process;
        _ = ReadEventsAsync();
    }

    public override string? Subprotocol => _open.Task.IsCompletedSuccessfully ? _open.Task.Result : null;

    public override Task<ForeignClose> Closed => _closed.Task;

    /// <summary>Starts a server that accepts one conversation; its port is known when the task completes.</summary>
    public static Task<(NodePeer Peer, int Port)> ListenAsync(string subprotocol, CancellationToken cancellationToken) =>
        ListenAsync(subprotocol, null, cancellationToken);

    /// <param name="subprotocol">What it speaks.</param>
    /// <param name="deflate">The option perMessageDeflate of ws, as JSON; everything is then sent compressed.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<(NodePeer Peer, int Port)> ListenAsync(string subprotocol, string? deflate, CancellationToken cancellationToken)
    {
        NodePeer peer = Start(deflate, "listen", subprotocol);
        return (peer, await peer._listening.Task.WaitAsync(cancellationToken));
    }

    public static Task<NodePeer> ConnectAsync(Uri uri, IEnumerable<string> subprotocols, CancellationToken cancellationToken) =>
        ConnectAsync(uri, subprotocols, null, cancellationToken);

    public static async Task<NodePeer> ConnectAsync(Uri uri, IEnumerable<string> subprotocols, string? deflate, CancellationToken cancellationToken)
    {
        NodePeer peer = Start(deflate, ["connect", uri.ToString(), .. subprotocols]);
        await peer.OpenAsync(cancellationToken);
        return peer;
    }

    /// <summary>As <see cref="ListenAsync(string, CancellationToken)"/>, over HTTP/2 in clear text, which is Node.js's own.</summary>
    public static async Task<(NodePeer Peer, int Port)> ListenOverHttp2Async(string subprotocol, CancellationToken cancellationToken)
    {
        NodePeer peer = Start(null, "listen-h2", subprotocol);
        return (peer, await peer._listening.Task.WaitAsync(cancellationToken));
    }

    /// <summary>As <see cref="ConnectAsync(Uri, IEnumerable{string}, CancellationToken)"/>, over HTTP/2 in clear text.</summary>
    public static async Task<NodePeer> ConnectOverHttp2Async(Uri uri, IEnumerable<string> subprotocols, CancellationToken cancellationToken)
    {
        NodePeer peer = Start(null, ["connect-h2", uri.ToString(), .. subprotocols]);
        await peer.OpenAsync(cancellationToken);
        return peer;
    }

    /// <summary>Waits for the end of the opening handshake.</summary>
    public Task OpenAsync(CancellationToken cancellationToken) => _open.Task.WaitAsync(cancellationToken);

    public override async Task SendAsync(MessageType type, params ReadOnlyMemory<byte>[] fragments)
    {
        for (int i = 0; i < fragments.Length; i++)
        {
            await _process.DoAsync(new JsonObject
            {
                ["do"] = "send",
                ["binary"] = type == MessageType.Binary,
                ["data"] = Convert.ToBase64String(fragments[i].Span),
                ["fin"] = i == fragments.Length - 1,
            });
        }
    }

    public override async Task<ReceivedMessage> ReceiveAsync(CancellationToken cancellationToken) => await _received.Reader.ReadAsync(cancellationToken);

    public override async Task PingAsync(CancellationToken cancellationToken)
    {
        string payload = Convert.ToBase64String("are you there?"u8);
        await _process.DoAsync(new JsonObject { ["do"] = "ping", ["data"] = payload });
        Assert.Equal(payload, await _pongs.Reader.ReadAsync(cancellationToken));
    }

    public override Task CloseAsync(ushort? code, string reason) =>
        _process.DoAsync(new JsonObject { ["do"] = "close", ["code"] = code, ["reason"] = reason });

    public override void Cut() => _process.DoAsync(new JsonObject { ["do"] = "cut" }).GetAwaiter().GetResult();

    public override ValueTask DisposeAsync() => _process.DisposeAsync();

    private static NodePeer Start(string? deflate, params string[] arguments) =>
        new(NodeProcess.Start("ws", deflate is null ? [] : new() { ["DEFLATE"] = deflate }, ["peer.js", .. arguments]));

    private async Task ReadEventsAsync()
    {
        await _process.ReadEventsAsync(OnEvent);

        // The process has ended: whoever still waits for it is told.
        InvalidOperationException ended = new($"The Node.js peer has ended. Its last error: {_error ?? "none"}.");
        _listening.TrySetException(ended);
        _open.TrySetException(ended);
        _closed.TrySetException(ended);
        _received.Writer.TryComplete(ended);
        _pongs.Writer.TryComplete(ended);
    }

    private void OnEvent(string name, JsonElement said)
    {
        switch (name)
        {
            case "listening":
                _listening.TrySetResult(said.GetProperty("port").GetInt32());
                break;
            case "open":
                _open.TrySetResult(said.GetProperty("protocol").GetString()!);
                break;
            case "message":
                MessageType type = said.GetProperty("binary").GetBoolean() ? MessageType.Binary : MessageType.Text;
                _received.Writer.TryWrite(new ReceivedMessage(type, said.GetProperty("data").GetBytesFromBase64()));
                break;
            case "pong":
                _pongs.Writer.TryWrite(said.GetProperty("data").GetString()!);
                break;
            case "close":
                _closed.TrySetResult(new ForeignClose(said.GetProperty("code").GetInt32(), said.GetProperty("reason").GetString()!));
                break;
            case "error":
                _error = said.GetProperty("message").GetString();
                break;
        }
    }
}
