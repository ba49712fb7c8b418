using System.Net;
using System.Net.Security;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Duologue.AspNetCore.Tests.Integration;

/// <summary>One meaning over every way to this server: clear text, TLS, and HTTP/2 streams.</summary>
public class TransportTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_conversation_goes_over_TLS_and_over_HTTP2(bool tls, bool http2)
    {
        using X509Certificate2 certificate = TestHost.CreateCertificate();
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.MapDuologue("/delegate", Talks.Echo).WithOptions(o => o.Subprotocols.Add("v1"));
                app.MapDuologue<EchoHandler>("/class").WithOptions(o => o.Subprotocols.Add("v1"));
            },
            _ => { },
            builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = http2 ? HttpProtocols.Http2 : HttpProtocols.Http1;
                if (tls)
                {
                    listen.UseHttps(certificate);
                }
            })));
        using var sockets = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, given, _, _) => given!.GetCertHashString() == certificate.GetCertHashString(),
            },
        };
        using var invoker = new HttpMessageInvoker(sockets);

        foreach (string path in new[] { "/delegate", "/class" })
        {
            using var client = new ClientWebSocket();
            client.Options.AddSubProtocol("v1");
            client.Options.HttpVersion = http2 ? HttpVersion.Version20 : HttpVersion.Version11;
            client.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
            await client.ConnectAsync(host.WebSocketUrl(path), invoker, TestContext.Current.CancellationToken);
            Assert.Equal("v1", client.SubProtocol);
            string large = new('x', 60_000);
            foreach (string text in new[] { "hello", large, "" })
            {
                await client.SendTextAsync(text);
                Assert.Equal(text, await client.ReceiveTextAsync());
            }

            await client.CloseAsync();
            Assert.Equal(WebSocketCloseStatus.NormalClosure, client.CloseStatus);
        }

        await Eventually.True(() => host.Connections.Count == 0);
    }
}
