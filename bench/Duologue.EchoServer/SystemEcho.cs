using System.Net.WebSockets;

namespace Duologue.EchoServer;

/// <summary>The same echo by hand on System.Net.WebSockets: a whole message in, a whole message out.</summary>
internal static class SystemEcho
{
    // As in the documentation's examples; it grows with the first message that does not fit, up to the largest that is measured.
    private const int BufferSize = 4 * 1024;
    private const int LargestMessage = 64 * 1024;

    public static void MapTo(WebApplication application, EchoDeflate? deflate)
    {
        application.UseWebSockets(new WebSocketOptions
        {
            // As Duologue's defaults.
            KeepAliveInterval = TimeSpan.FromSeconds(20),
            KeepAliveTimeout = TimeSpan.FromSeconds(20),
        });
        Map(application, "/echo", deflate, EchoAsync);
        SystemFanout fanout = new();
        Map(application, "/fanout", deflate, fanout.SubscribeAsync);
        Map(application, "/fanout/publish", deflate, socket => ReceiveAsync(socket, (message, type) =>
        {
            fanout.Publish(message.ToArray(), type);
            return ValueTask.CompletedTask;
        }));
    }

    /// <summary>Whole messages, one after the other, until the peer closes.</summary>
    public static async Task ReceiveAsync(WebSocket socket, Func<ReadOnlyMemory<byte>, WebSocketMessageType, ValueTask> onMessage)
    {
        byte[] buffer = new byte[BufferSize];
        int length = 0;
        while (true)
        {
            ValueWebSocketReceiveResult result = await socket.ReceiveAsync(buffer.AsMemory(length), CancellationToken.None);
            if (result.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
                return;
            }

            length += result.Count;
            if (result.EndOfMessage)
            {
                await onMessage(buffer.AsMemory(0, length), result.MessageType);
                length = 0;
            }
            else if (length < LargestMessage)
            {
                if (length == buffer.Length)
                {
                    Array.Resize(ref buffer, LargestMessage);
                }
            }
            else
            {
                await socket.CloseOutputAsync(WebSocketCloseStatus.MessageTooBig, null, CancellationToken.None);
                return;
            }
        }
    }

    private static Task EchoAsync(WebSocket socket) =>
        ReceiveAsync(socket, (message, type) => socket.SendAsync(message, type, endOfMessage: true, CancellationToken.None));

    private static void Map(WebApplication application, string path, EchoDeflate? deflate, Func<WebSocket, Task> converse) => application.Map(path, async (HttpContext context) =>
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext
        {
            DangerousEnableCompression = deflate is not null,
            DisableServerContextTakeover = deflate is { Context: false },
            ServerMaxWindowBits = deflate?.WindowBits ?? 15,
        });
        try
        {
            await converse(socket);
        }
        catch (WebSocketException)
        {
            // A load generator ends without a close handshake.
        }
    });
}
