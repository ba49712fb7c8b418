using System.Net.WebSockets;
using System.Threading.Channels;

namespace Duologue.Interop.Tests.Peers;

/// <summary>System.Net.WebSockets, either role.</summary>
internal sealed class SystemPeer : ForeignPeer
{
    // Short, so that a test sees several pings pass; it pings by itself only.
    public static readonly TimeSpan KeepAliveInterval = TimeSpan.FromMilliseconds(50);
    public static readonly TimeSpan KeepAliveTimeout = TimeSpan.FromSeconds(10);

    private readonly WebSocket _socket;
    private readonly Channel<ReceivedMessage> _received = Channel.CreateUnbounded<ReceivedMessage>();
    private readonly TaskCompletionSource<ForeignClose> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public SystemPeer(WebSocket socket)
    {
        _socket = socket;
        _ = ReceiveAllAsync();
    }

    public override string? Subprotocol => _socket.SubProtocol;

    public override Task<ForeignClose> Closed => _closed.Task;

    public override async Task SendAsync(MessageType type, params ReadOnlyMemory<byte>[] fragments)
    {
        WebSocketMessageType kind = type == MessageType.Text ? WebSocketMessageType.Text : WebSocketMessageType.Binary;
        for (int i = 0; i < fragments.Length; i++)
        {
            await _socket.SendAsync(fragments[i], kind, i == fragments.Length - 1, TestContext.Current.CancellationToken);
        }
    }

    public override async Task<ReceivedMessage> ReceiveAsync(CancellationToken cancellationToken) => await _received.Reader.ReadAsync(cancellationToken);

    public override async Task PingAsync(CancellationToken cancellationToken)
    {
        // Its pings and pongs are invisible; a missing pong shows by the end of the conversation.
        Task first = await Task.WhenAny(Closed, Task.Delay((KeepAliveInterval * 4) + KeepAliveTimeout, cancellationToken));
        Assert.NotSame(Closed, first);
        Assert.Equal(WebSocketState.Open, _socket.State);
    }

    public override Task CloseAsync(ushort? code, string reason) => code is { } given
        ? _socket.CloseOutputAsync((WebSocketCloseStatus)given, reason, TestContext.Current.CancellationToken)
        : _socket.CloseOutputAsync(WebSocketCloseStatus.Empty, null, TestContext.Current.CancellationToken);

    public override void Cut() => _socket.Abort();

    public override ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task ReceiveAllAsync()
    {
        byte[] buffer = new byte[16 * 1024];
        using MemoryStream message = new();
        try
        {
            while (true)
            {
                ValueWebSocketReceiveResult result = await _socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
                if (result.MessageType == WebSocketMessageType.Close)
                {
                    await AnswerCloseAsync();
                    _closed.TrySetResult(new ForeignClose((int?)_socket.CloseStatus ?? 1006, _socket.CloseStatusDescription ?? ""));
                    return;
                }

                message.Write(buffer, 0, result.Count);
                if (result.EndOfMessage)
                {
                    MessageType type = result.MessageType == WebSocketMessageType.Text ? MessageType.Text : MessageType.Binary;
                    _received.Writer.TryWrite(new ReceivedMessage(type, message.ToArray()));
                    message.SetLength(0);
                }
            }
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or ObjectDisposedException)
        {
            _closed.TrySetResult(new ForeignClose(1006, exception.Message));
        }
        finally
        {
            _received.Writer.TryComplete();
        }
    }

    private async Task AnswerCloseAsync()
    {
        if (_socket.State != WebSocketState.CloseReceived)
        {
            return;
        }

        try
        {
            await _socket.CloseOutputAsync(_socket.CloseStatus ?? WebSocketCloseStatus.Empty, _socket.CloseStatusDescription, CancellationToken.None);
        }
        catch (WebSocketException)
        {
            // CloseAsync was sending a Close at this moment, so that both have had one already.
        }
    }
}
