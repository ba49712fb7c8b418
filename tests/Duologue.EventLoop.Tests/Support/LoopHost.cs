using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Transport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.EventLoop.Tests.Support;

/// <summary>An application on Kestrel on the event loop, on a port of its own, with its log at hand.</summary>
internal sealed class LoopHost : IAsyncDisposable
{
    /// <summary>How long a test waits for what must happen. Generous: machines are slow at times.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly WebApplication _app;
    private bool _stopped;

    private LoopHost(WebApplication app)
    {
        _app = app;
        Log = app.Services.GetFakeLogCollector();
        Url = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    /// <summary>The backends that run on this machine; the tests run over each.</summary>
    public static TheoryData<EventLoopBackend> Backends
    {
        get
        {
            var backends = new TheoryData<EventLoopBackend>();
            foreach (EventLoopBackend backend in new[] { EventLoopBackend.Epoll, EventLoopBackend.IoUring })
            {
                if (BackendChoice.For(backend).Backend == backend)
                {
                    backends.Add(backend);
                }
            }

            return backends;
        }
    }

    public Uri Url { get; }

    public FakeLogCollector Log { get; }

    public IServiceProvider Services => _app.Services;

    public LoopGroup Loops => Services.GetRequiredService<EventLoopTransport>().Loops!;

    public static Task<LoopHost> StartAsync(EventLoopBackend backend, Action<WebApplication> map) => StartAsync(backend, map, _ => { });

    public static Task<LoopHost> StartAsync(EventLoopBackend backend, Action<WebApplication> map, Action<WebApplicationBuilder> build) =>
        StartAsync(options => (options.Backend, options.Loops) = (backend, 2), map, build, listen => { });

    public static async Task<LoopHost> StartAsync(Action<EventLoopOptions> options, Action<WebApplication> map, Action<WebApplicationBuilder> build, Action<ListenOptions> listen)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen));
        builder.WebHost.UseEventLoop(options);
        builder.Logging.ClearProviders().AddFakeLogging().SetMinimumLevel(LogLevel.Debug);
        builder.Services.AddDuologue();
        build(builder);
        WebApplication app = builder.Build();
        map(app);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new LoopHost(app);
    }

    /// <summary>A certificate for localhost and 127.0.0.1, signed by itself.</summary>
    public static X509Certificate2 CreateCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        using X509Certificate2 signed = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(signed.Export(X509ContentType.Pkcs12), null);
    }

    public Uri WebSocketUrl(string path) => new UriBuilder(new Uri(Url, path)) { Scheme = Url.Scheme == "https" ? "wss" : "ws" }.Uri;

    /// <summary>How many sockets all loops have.</summary>
    public int SocketCount => Loops.Loops.Sum(loop => loop.SocketCount);

    /// <summary>How many blocks of outgoing bytes are in use.</summary>
    public int RentedBlocks => Loops.Loops.Sum(loop => loop.Blocks.Rented);

    /// <summary>Disposes the application as it is: nobody stops it before.</summary>
    public async Task AbandonAsync()
    {
        _stopped = true;
        await _app.DisposeAsync();
    }

    public Task StopAsync()
    {
        _stopped = true;
        return _app.StopAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopped)
        {
            await StopAsync();
        }

        await _app.DisposeAsync();
    }
}

internal static class Eventually
{
    /// <summary>Waits until a condition holds; for what has no event to wait for.</summary>
    public static async Task True(Func<bool> condition, Func<string> explain)
    {
        using var patience = new CancellationTokenSource(LoopHost.Patience);
        while (!condition())
        {
            Assert.False(patience.IsCancellationRequested, patience.IsCancellationRequested ? explain() : "");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }
}
