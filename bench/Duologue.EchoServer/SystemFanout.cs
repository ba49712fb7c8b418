using System.Collections.Concurrent;
using System.Net.WebSockets;
using System.Threading.Channels;

namespace Duologue.EchoServer;

/// <summary>
/// One to many by hand on System.Net.WebSockets, which allows one send at a time: each subscriber has a queue, and a task that empties it.
/// </summary>
internal sealed class SystemFanout
{
    // As many bytes as Duologue's send queue holds, in messages of 128.
    private const int QueueLimit = 8192;

    private readonly ConcurrentDictionary<WebSocket, Channel<(byte[] Data, WebSocketMessageType Type)>> _subscribers = new();

    public async Task SubscribeAsync(WebSocket socket)
    {
        var queue = Channel.CreateBounded<(byte[] Data, WebSocketMessageType Type)>(new BoundedChannelOptions(QueueLimit) { SingleReader = true });
        _subscribers[socket] = queue;
        Task sending = SendAsync(socket, queue.Reader);
        try
        {
            await SystemEcho.ReceiveAsync(socket, (_, _) => ValueTask.CompletedTask);
        }
        finally
        {
            _subscribers.TryRemove(socket, out _);
            queue.Writer.Complete();
            await sending;
        }
    }

    public void Publish(byte[] data, WebSocketMessageType type)
    {
        foreach ((WebSocket socket, Channel<(byte[] Data, WebSocketMessageType Type)> queue) in _subscribers)
        {
            // Who is so far behind is cut off, as Duologue does by default.
            if (!queue.Writer.TryWrite((data, type)))
            {
                socket.Abort();
            }
        }
    }

    private static async Task SendAsync(WebSocket socket, ChannelReader<(byte[] Data, WebSocketMessageType Type)> queue)
    {
        try
        {
            await foreach ((byte[] data, WebSocketMessageType type) in queue.ReadAllAsync())
            {
                await socket.SendAsync(data, type, endOfMessage: true, CancellationToken.None);
            }
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The subscriber is gone.
        }
    }
}
