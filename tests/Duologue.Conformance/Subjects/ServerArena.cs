using System.Net;
using System.Net.Security;
using System.Text;
using Duologue.Conformance.Carriers;
using Duologue.Conformance.Cases;
using Duologue.Conformance.Judge;
using Duologue.EventLoop.Loops;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Conformance.Subjects;

/// <summary>Duologue's server on a real Kestrel, and hostile clients.</summary>
internal sealed class ServerArena(Carrier carrier, bool handlerClass) : Arena
{
    private const string Key = "dGhlIHNhbXBsZSBub25jZQ==";

    private WebApplication? _app;
    private SocketsHttpHandler? _http;
    private HttpMessageInvoker? _invoker;

    public override bool JudgesServer => true;

    public override string Subject => handlerClass ? "server, handler class" : "server, pull delegate";

    public override Carrier Carrier => carrier;

    // In the quick run the two shapes of application share the cases over each backend of the event loop.
    public override bool Plays(int index) => Settings.Strict || carrier.Backend() is null || index % 2 == (handlerClass ? 0 : 1);

    public override string? Obstacle => carrier.Backend() is { } backend && BackendChoice.For(backend) is var choice && choice.Backend != backend ? choice.Reason : null;

    public int Port { get; private set; }

    private SslClientAuthenticationOptions? Tls => carrier.IsTls()
        ? new SslClientAuthenticationOptions { TargetHost = "localhost", RemoteCertificateValidationCallback = TlsIdentity.Trust }
        : null;

    public override async Task StartAsync()
    {
        if (Obstacle is not null)
        {
            return;
        }

        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = carrier.IsHttp2() ? HttpProtocols.Http2 : HttpProtocols.Http1;
            if (carrier.IsTls())
            {
                listen.UseHttps(TlsIdentity.Certificate);
            }
        }));
        if (carrier.Backend() is { } backend)
        {
            builder.WebHost.UseEventLoop(options => options.Backend = backend);
        }

        // Which mode a connection gets must not depend on the others.
        builder.Services.AddDuologue(options => options.MaxDedicatedCompressors = 100_000);
        _app = builder.Build();
        foreach (Profile profile in Enum.GetValues<Profile>())
        {
            DuologueEndpointBuilder endpoint = handlerClass ? _app.MapDuologue<Echo.Handler>(Path(profile)) : _app.MapDuologue(Path(profile), Echo.TalkAsync);
            endpoint.WithOptions(options => Echo.Limit(options, profile));
        }

        _app.MapDuologue("/chat", Echo.TalkAsync).WithOptions(options =>
        {
            options.Subprotocols.Add("v2");
            options.Subprotocols.Add("v1");
        });
        await _app.StartAsync();
        Port = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
        if (carrier.IsHttp2())
        {
            _http = new SocketsHttpHandler { EnableMultipleHttp2Connections = true, UseProxy = false };
            if (Tls is { } tls)
            {
                _http.SslOptions = tls;
            }

            _invoker = new HttpMessageInvoker(_http);
        }
    }

    public static string Path(Profile profile) => $"/{profile}";

    /// <summary>A TCP connection, and TLS where the carrier has it, with no request sent yet.</summary>
    public Task<TcpWire> ConnectAsync(CancellationToken cancellationToken) => TcpWire.ConnectAsync(Port, Tls, null, cancellationToken);

    public override Task<Wire> OpenAsync(Case @case, CancellationToken cancellationToken) =>
        carrier.IsHttp2() ? ConnectStreamAsync(@case, cancellationToken) : UpgradeAsync(@case, cancellationToken);

    /// <summary>Sends a request over HTTP/2, right or wrong.</summary>
    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => _invoker!.SendAsync(request, cancellationToken);

    private async Task<Wire> UpgradeAsync(Case @case, CancellationToken cancellationToken)
    {
        string extensions = @case.Extensions is null ? "" : $"Sec-WebSocket-Extensions: {@case.Extensions}\r\n";
        string request = $"GET {Path(@case.Profile)} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {Key}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n";
        return await TcpWire.ConnectAsync(
            Port,
            Tls,
            async stream =>
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes(request), cancellationToken);
                HttpHead answer = await HttpHead.ReadAsync(stream, cancellationToken) ?? throw new IOException("The server ended before its answer.");
                return answer.Status == 101 && answer["Sec-WebSocket-Accept"] == HttpHead.AcceptFor(Key)
                    ? answer["Sec-WebSocket-Extensions"]
                    : throw new IOException($"The server answered {answer.FirstLine}.");
            },
            cancellationToken);
    }

    private async Task<Wire> ConnectStreamAsync(Case @case, CancellationToken cancellationToken)
    {
        var request = new HttpRequestMessage(HttpMethod.Connect, $"{(carrier.IsTls() ? "https" : "http")}://localhost:{Port}{Path(@case.Profile)}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.Protocol = "websocket";
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Version", "13");
        if (@case.Extensions is not null)
        {
            request.Headers.TryAddWithoutValidation("Sec-WebSocket-Extensions", @case.Extensions);
        }

        HttpResponseMessage response = await _invoker!.SendAsync(request, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new IOException($"The server answered {(int)response.StatusCode}.");
        }

        Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        string? extensions = response.Headers.TryGetValues("Sec-WebSocket-Extensions", out IEnumerable<string>? values) ? string.Join(", ", values) : null;
        return new HttpStreamWire(
            stream,
            null,
            () =>
            {
                response.Dispose();
                request.Dispose();
                return ValueTask.CompletedTask;
            })
        {
            Extensions = extensions,
        };
    }

    public override async ValueTask DisposeAsync()
    {
        _invoker?.Dispose();
        _http?.Dispose();
        if (_app is not null)
        {
            await _app.DisposeAsync();
        }
    }
}
