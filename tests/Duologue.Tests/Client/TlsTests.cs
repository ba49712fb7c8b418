using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Duologue.Client;
using Duologue.Tests.Client.Peers;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Client;

/// <summary>Handshakes over TLS.</summary>
public class TlsTests
{
    private static readonly ConnectOptions Options = new() { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(60) };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_certificate_that_the_system_does_not_trust_is_refused()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync, https => https.ServerCertificate = Certificates.Server);
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(server.Uri, Options, Cancelled));
        Assert.Contains("TLS failed: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("RemoteCertificateValidationCallback", e.Message, StringComparison.Ordinal);
        Assert.IsType<AuthenticationException>(e.InnerException!.InnerException);
    }

    [Fact]
    public async Task A_port_that_speaks_no_TLS_was_said_to_have_a_certificate_that_nobody_trusts()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        Uri tls = new UriBuilder(server.Uri) { Scheme = "wss" }.Uri;
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(tls, Options, Cancelled));
        Assert.Contains("TLS failed: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("If the port speaks no TLS, connect with ws:", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_validation_callback_decides_and_sees_the_certificate()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync, https => https.ServerCertificate = Certificates.Server);
        SslPolicyErrors? seen = null;
        RemoteCertificateValidationCallback accept = (_, shown, _, errors) =>
        {
            seen = errors;
            return shown!.GetCertHashString() == Certificates.Server.GetCertHashString();
        };
        (await WebSocketConnector.OpenAsync(server.Uri, Options with { RemoteCertificateValidationCallback = accept }, Cancelled)).Abort();
        Assert.Equal(SslPolicyErrors.RemoteCertificateChainErrors, seen);

        ConnectOptions refuse = Options with { RemoteCertificateValidationCallback = (_, _, _, _) => false };
        await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(server.Uri, refuse, Cancelled));
    }

    [Fact]
    public async Task A_client_certificate_is_shown_when_asked_for()
    {
        using X509Certificate2 own = Certificates.Create("client");
        string? seen = null;
        await using KestrelServer server = await KestrelServer.StartAsync(
            async context =>
            {
                seen = context.Connection.ClientCertificate?.Subject;
                await KestrelServer.EchoAsync(context);
            },
            https =>
            {
                https.ServerCertificate = Certificates.Server;
                https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                https.ClientCertificateValidation = (_, _, _) => true;
            });
        ConnectOptions options = Options with
        {
            ClientCertificates = new X509CertificateCollection { own },
            RemoteCertificateValidationCallback = Certificates.TrustServer,
        };
        (await WebSocketConnector.OpenAsync(server.Uri, options, Cancelled)).Abort();
        Assert.Equal("CN=client", seen);

        await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(server.Uri, options with { ClientCertificates = null }, Cancelled));
    }

    [Fact]
    public async Task All_of_TLS_can_be_set_and_the_options_stay_the_caller_s()
    {
        SslProtocols? seen = null;
        await using KestrelServer server = await KestrelServer.StartAsync(
            async context =>
            {
                seen = context.Features.GetRequiredFeature<ITlsHandshakeFeature>().Protocol;
                await KestrelServer.EchoAsync(context);
            },
            https => https.ServerCertificate = Certificates.Server);
        var tls = new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, CustomTrustStore = { Certificates.Server } },
        };
        (await WebSocketConnector.OpenAsync(server.Uri, Options with { TlsOptions = tls }, Cancelled)).Abort();
        (await WebSocketConnector.OpenAsync(server.Uri, Options with { TlsOptions = tls }, Cancelled)).Abort();
        Assert.NotNull(seen);
        Assert.Null(tls.TargetHost);
        Assert.Null(tls.ApplicationProtocols);
    }

    [Fact]
    public async Task A_Host_header_is_the_name_that_TLS_asks_for()
    {
        string? name = null;
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync, https => https.ServerCertificateSelector = (_, asked) =>
        {
            name = asked;
            return Certificates.Server;
        });
        ConnectOptions options = Options with { Headers = [new("Host", "other.example")], RemoteCertificateValidationCallback = Certificates.TrustServer };
        (await WebSocketConnector.OpenAsync(server.Uri, options, Cancelled)).Abort();
        Assert.Equal("other.example", name);
    }

    [Fact]
    public async Task A_server_that_speaks_no_TLS_is_named_so()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(new UriBuilder(server.Uri) { Scheme = "wss" }.Uri, Options, Cancelled));
        Assert.Contains("TLS failed: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_silent_in_TLS_ends_at_the_timeout_which_says_so()
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new AcceptLoop();
        server.Start(async client =>
        {
            using (client)
            {
                byte[] buffer = new byte[4096];
                await client.GetStream().ReadExactlyAsync(buffer.AsMemory(0, 1), server.Stop);
                begun.SetResult();
                while (await client.GetStream().ReadAsync(buffer, server.Stop) > 0)
                {
                }

                ended.SetResult();
            }
        });
        var time = new FakeTimeProvider();
        Task<OpenedWebSocket> opening = WebSocketConnector.OpenAsync(new Uri($"wss://{server.EndPoint}/"), Options with { TimeProvider = time }, Cancelled);
        await begun.Task.WaitAsync(TimeSpan.FromMinutes(1), Cancelled);
        time.Advance(Options.ConnectTimeout);
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => opening);
        Assert.Contains($"Waited 60 s (ConnectTimeout) in vain for TLS with {server.EndPoint}.", e.Message, StringComparison.Ordinal);

        // The HTTP handler by itself would keep it for ten minutes more: see the project file.
        await ended.Task.WaitAsync(TimeSpan.FromMinutes(1), Cancelled);
    }
}
