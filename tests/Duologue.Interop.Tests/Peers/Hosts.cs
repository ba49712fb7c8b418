using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Interop.Tests.Peers;

/// <summary>A Kestrel on a free port that accepts one conversation.</summary>
internal sealed class Host<TPeer> : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly TaskCompletionSource<TPeer> _accepted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Host(HttpProtocols protocols, Action<WebApplicationBuilder> configure, Action<WebApplication, Func<TPeer, Task>> map)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = protocols));
        configure(builder);
        _application = builder.Build();
        map(_application, peer =>
        {
            _accepted.TrySetResult(peer);
            return _over.Task;
        });
    }

    /// <summary>The server's end of the conversation, once there is one.</summary>
    public Task<TPeer> Accepted => _accepted.Task;

    public async Task<Uri> StartAsync(CancellationToken cancellationToken)
    {
        await _application.StartAsync(cancellationToken);
        string address = _application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return new UriBuilder(address) { Scheme = "ws" }.Uri;
    }

    public async ValueTask DisposeAsync()
    {
        _over.TrySetResult();
        await _application.StopAsync();
        await _application.DisposeAsync();
    }
}

internal static class Hosts
{
    /// <summary>Duologue's server.</summary>
    public static Host<Connection> Duologue(string subprotocol) => Duologue(subprotocol, HttpProtocols.Http1, Compression.Off);

    /// <inheritdoc cref="Duologue(string)"/>
    public static Host<Connection> Duologue(string subprotocol, HttpProtocols protocols) => Duologue(subprotocol, protocols, Compression.Off);

    /// <summary>Duologue's server, with compression.</summary>
    public static Host<Connection> Duologue(string subprotocol, Compression compression) => Duologue(subprotocol, HttpProtocols.Http1, compression);

    /// <summary>System.Net.WebSockets on Kestrel.</summary>
    public static Host<SystemPeer> System(string subprotocol) => System(subprotocol, HttpProtocols.Http1);

    /// <inheritdoc cref="System(string)"/>
    public static Host<SystemPeer> System(string subprotocol, HttpProtocols protocols) => System(subprotocol, protocols, _ => { });

    /// <summary>System.Net.WebSockets on Kestrel, as configured.</summary>
    public static Host<SystemPeer> System(string subprotocol, Action<Microsoft.AspNetCore.Http.WebSocketAcceptContext> configure) =>
        System(subprotocol, HttpProtocols.Http1, configure);

    private static Host<Connection> Duologue(string subprotocol, HttpProtocols protocols, Compression compression) => new(
        protocols,
        builder => builder.Services.AddDuologue(options =>
        {
            options.Subprotocols.Add(subprotocol);
            options.Compression = compression;
        }),
        (application, accept) => application.MapDuologue("/", connection => Task.WhenAny(accept(connection), connection.Closed)));

    private static Host<SystemPeer> System(string subprotocol, HttpProtocols protocols, Action<Microsoft.AspNetCore.Http.WebSocketAcceptContext> configure) => new(
        protocols,
        _ => { },
        (application, accept) =>
        {
            application.UseWebSockets();
            application.Map("/", async context =>
            {
                var accepting = new Microsoft.AspNetCore.Http.WebSocketAcceptContext
                {
                    SubProtocol = context.WebSockets.WebSocketRequestedProtocols.FirstOrDefault(offered => offered == subprotocol),
                    KeepAliveInterval = SystemPeer.KeepAliveInterval,
                    KeepAliveTimeout = SystemPeer.KeepAliveTimeout,
                };
                configure(accepting);
                using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync(accepting);
                await accept(new SystemPeer(socket));
            });
        });
}
