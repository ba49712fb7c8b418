using System.Diagnostics.Metrics;
using Duologue.EventLoop;
using Duologue.EventLoop.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>Puts Kestrel on the event loop.</summary>
public static class EventLoopWebHostBuilderExtensions
{
    /// <summary>
    /// Lets Kestrel's connections run on event loops: Linux's io_uring or epoll. WebSockets mapped by <c>MapDuologue</c> leave Kestrel after
    /// their handshake. Where the loops cannot run, Kestrel's own sockets carry the connections as before, and one line of the log says why.
    /// </summary>
    /// <param name="builder">The web host.</param>
    public static IWebHostBuilder UseEventLoop(this IWebHostBuilder builder) => builder.UseEventLoop(static _ => { });

    /// <inheritdoc cref="UseEventLoop(IWebHostBuilder)"/>
    /// <param name="builder">The web host.</param>
    /// <param name="configure">Sets the options.</param>
    public static IWebHostBuilder UseEventLoop(this IWebHostBuilder builder, Action<EventLoopOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        return builder.ConfigureServices(services =>
        {
            services.Configure(configure);

            // Kestrel asks the transport that was registered last first. Its own stays registered, for the endpoints that ours does not take.
            services.TryAddSingleton<IConnectionListenerFactory, SocketTransportFactory>();
            services.TryAddSingleton(static provider => new EventLoopTransport(
                provider.GetRequiredService<IOptions<EventLoopOptions>>(),
                provider.GetRequiredService<ILoggerFactory>(),
                provider.GetService<IMemoryPoolFactory<byte>>(),
                provider.GetService<IMeterFactory>()));
            services.AddSingleton<IConnectionListenerFactory>(static provider => provider.GetRequiredService<EventLoopTransport>());
        });
    }
}
