using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Support;

/// <summary>An application on a real Kestrel, on a port of its own, with its log at hand.</summary>
internal sealed class TestHost : IAsyncDisposable
{
    /// <summary>How long a test waits for what must happen. Generous: machines are slow at times.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly WebApplication _app;
    private bool _stopped;

    private TestHost(WebApplication app)
    {
        _app = app;
        Log = app.Services.GetFakeLogCollector();
        Url = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    public Uri Url { get; }

    public FakeLogCollector Log { get; }

    public IServiceProvider Services => _app.Services;

    public Connections Connections => Services.GetRequiredService<Connections>();

    public Topics Topics => Services.GetRequiredService<Topics>();

    public static Task<TestHost> StartAsync(Action<WebApplication> map) => StartAsync(map, _ => { }, _ => { });

    public static Task<TestHost> StartAsync(Action<WebApplication> map, Action<DuologueOptions> options) => StartAsync(map, options, _ => { });

    public static async Task<TestHost> StartAsync(Action<WebApplication> map, Action<DuologueOptions> options, Action<WebApplicationBuilder> build)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders().AddFakeLogging().SetMinimumLevel(LogLevel.Debug);
        builder.Services.AddDuologue(options);
        build(builder);
        WebApplication app = builder.Build();
        map(app);
        try
        {
            await app.StartAsync(TestContext.Current.CancellationToken);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }

        return new TestHost(app);
    }

    /// <summary>A certificate of its own for localhost, good for a day.</summary>
    public static X509Certificate2 CreateCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
    }

    public Uri WebSocketUrl(string path) => new UriBuilder(new Uri(Url, path)) { Scheme = Url.Scheme == "https" ? "wss" : "ws" }.Uri;

    /// <summary>Opens a WebSocket with the platform's own client.</summary>
    public async Task<ClientWebSocket> ConnectAsync(string path, Action<ClientWebSocketOptions>? configure = null)
    {
        var client = new ClientWebSocket();
        client.Options.CollectHttpResponseDetails = true;
        configure?.Invoke(client.Options);
        using var patience = new CancellationTokenSource(Patience);
        await client.ConnectAsync(WebSocketUrl(path), patience.Token);
        return client;
    }

    /// <summary>Sends a complete and correct opening handshake, with headers replaced or added, and gives the answer to it.</summary>
    public async Task<RawAnswer> HandshakeAsync(string path, params (string Name, string? Value)[] headers)
    {
        await using RawClient client = await RawClient.ConnectAsync(Url);
        return await client.HandshakeAsync(path, headers);
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
            await StopWithTimeAsync();
        }

        await _app.DisposeAsync();
    }

    /// <summary>The drain waits by the application's clock: one that a test lets stand still must go on, or the host's patience is what ends it.</summary>
    private async Task StopWithTimeAsync()
    {
        Task stopping = StopAsync();
        while (Services.GetService<TimeProvider>() is FakeTimeProvider time && !stopping.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(20));
            await Task.WhenAny(stopping, Task.Delay(5, CancellationToken.None));
        }

        await stopping;
    }
}

internal static class WebSocketTestExtensions
{
    public static Task SendTextAsync(this WebSocket socket, string text) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, TestContext.Current.CancellationToken);

    /// <summary>The next message as text; if the peer closes instead, "close CODE REASON".</summary>
    public static async Task<string> ReceiveTextAsync(this WebSocket socket)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TestHost.Patience);
        byte[] buffer = new byte[64 * 1024];
        int length = 0;
        while (true)
        {
            WebSocketReceiveResult result = await socket.ReceiveAsync(new ArraySegment<byte>(buffer, length, buffer.Length - length), patience.Token);
            if (result.MessageType == WebSocketMessageType.Close)
            {
                return $"close {(int?)result.CloseStatus} {result.CloseStatusDescription}".TrimEnd();
            }

            length += result.Count;
            if (result.EndOfMessage)
            {
                return Encoding.UTF8.GetString(buffer, 0, length);
            }
        }
    }

    public static Task CloseAsync(this WebSocket socket) =>
        socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", TestContext.Current.CancellationToken);
}

internal static class Eventually
{
    /// <summary>Waits until a condition holds; for what has no event to wait for.</summary>
    public static Task True(Func<bool> condition) => True(condition, () => "It did not come to hold in time.");

    /// <summary>Waits until a condition holds, and says how things stand if it never does.</summary>
    public static async Task True(Func<bool> condition, Func<string> explain)
    {
        using var patience = new CancellationTokenSource(TestHost.Patience);
        while (!condition())
        {
            Assert.False(patience.IsCancellationRequested, patience.IsCancellationRequested ? explain() : "");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }
}
