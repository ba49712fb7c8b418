using System.Net.WebSockets;

namespace Duologue.Cli.Compare.Clients;

/// <summary>Listens on a WebSocket. It is that of the base class library, which takes the counted sockets that all clients here are made of.</summary>
internal sealed class SocketWaiter(WaiterContext context, int number) : Waiter(context, number)
{
    protected override async Task WaitForNewsAsync(CancellationToken cancellationToken)
    {
        using var socket = new ClientWebSocket();
        socket.Options.KeepAliveInterval = TimeSpan.Zero;
        Uri http = Context.At(Context.After, "");
        Context.Traffic.AddRequest();
        await socket.ConnectAsync(new UriBuilder(http) { Scheme = "ws" }.Uri, Http, cancellationToken).ConfigureAwait(false);
        using var buffer = new RentedBuffer();
        int length = 0;
        while (true)
        {
            buffer.Grow(length);
            ValueWebSocketReceiveResult result = await socket.ReceiveAsync(buffer.Array.AsMemory(length), cancellationToken).ConfigureAwait(false);
            if (result.MessageType == WebSocketMessageType.Close)
            {
                throw new EndOfStreamException($"The server closed a WebSocket: {socket.CloseStatus} {socket.CloseStatusDescription}");
            }

            length += result.Count;
            if (result.EndOfMessage)
            {
                FeedItems.DeliverPage(buffer.Array.AsSpan(0, length), Context.Ledger, Number);
                length = 0;

                // The first page says where it begins.
                BeginWaiting();
            }
        }
    }
}
