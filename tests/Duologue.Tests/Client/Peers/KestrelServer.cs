using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Duologue.Tests.Client.Peers;

/// <summary>A real server with the platform's own WebSockets, on a free port of 127.0.0.1.</summary>
internal sealed class KestrelServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _tcpConnections;

    private KestrelServer(WebApplication app, string scheme)
    {
        _app = app;
        Uri = new Uri($"{scheme}://127.0.0.1:{new Uri(app.Urls.Single()).Port}/");
    }

    public Uri Uri { get; }

    /// <summary>How many TCP connections came so far.</summary>
    public int TcpConnections => Volatile.Read(ref _tcpConnections);

    public static Task<KestrelServer> StartAsync(RequestDelegate handler, Action<HttpsConnectionAdapterOptions>? tls = null) =>
        StartAsync(handler, tls, HttpProtocols.Http1);

    public static async Task<KestrelServer> StartAsync(RequestDelegate handler, Action<HttpsConnectionAdapterOptions>? tls, HttpProtocols protocols)
    {
        KestrelServer? server = null;
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = protocols;
            listen.Use(next => connection =>
            {
                Interlocked.Increment(ref server!._tcpConnections);
                return next(connection);
            });
            if (tls is not null)
            {
                listen.UseHttps(tls);
            }
        }));
        WebApplication app = builder.Build();
        app.UseWebSockets();
        app.Run(handler);
        await app.StartAsync();
        server = new KestrelServer(app, tls is null ? "ws" : "wss");
        return server;
    }

    /// <summary>Sends each message back until the peer closes.</summary>
    public static async Task EchoAsync(HttpContext context) => await EchoAsync(context, null);

    public static async Task EchoAsync(HttpContext context, string? subprotocol)
    {
        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync(subprotocol);
        byte[] buffer = new byte[4096];
        while (true)
        {
            WebSocketReceiveResult result = await socket.ReceiveAsync(buffer, context.RequestAborted);
            if (result.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseOutputAsync(socket.CloseStatus ?? WebSocketCloseStatus.NormalClosure, socket.CloseStatusDescription, context.RequestAborted);
                return;
            }

            await socket.SendAsync(buffer.AsMemory(0, result.Count), result.MessageType, result.EndOfMessage, context.RequestAborted);
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        await _app.StopAsync(stop.Token);
        await _app.DisposeAsync();
    }
}
