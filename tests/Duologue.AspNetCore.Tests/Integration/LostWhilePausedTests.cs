using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.AspNetCore.Tests.Integration;

/// <summary>A peer that vanishes while what it has sent waits for the application: the end of the input is not seen then, and only sending can tell.</summary>
public class LostWhilePausedTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_handler_sent_on_to_a_peer_that_had_gone(bool tls, bool http2)
    {
        using X509Certificate2 certificate = TestHost.CreateCertificate();
        var lost = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
        byte[] piece = new byte[10_000];
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", async connection =>
            {
                await connection.ReceiveAsync();
                try
                {
                    while (true)
                    {
                        await connection.SendAsync(piece, MessageType.Binary);
                    }
                }
                catch (ConnectionClosedException e)
                {
                    lost.TrySetResult(e.CloseInfo);
                }
                catch (Exception e)
                {
                    lost.TrySetException(e);
                    throw;
                }
            }),
            _ => { },
            builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = http2 ? HttpProtocols.Http2 : HttpProtocols.Http1;
                if (tls)
                {
                    listen.UseHttps(certificate);
                }
            })));
        using var pauses = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.server.receive.pauses");
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (context, cancellationToken) =>
            {
                await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
                return new NetworkStream(socket);
            },
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, given, _, _) => given!.GetCertHashString() == certificate.GetCertHashString(),
            },
        };
        using var invoker = new HttpMessageInvoker(handler);
        using var client = new ClientWebSocket();
        client.Options.HttpVersion = http2 ? HttpVersion.Version20 : HttpVersion.Version11;
        client.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        await client.ConnectAsync(host.WebSocketUrl("/"), invoker, Token);

        // More than is read ahead, to one that takes all it gets.
        Task talking = Task.WhenAll(SendAsync(client), ReceiveAsync(client));
        await Eventually.True(() => pauses.GetMeasurementSnapshot().Count > 0);
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();

        Assert.Equal(CloseCause.ConnectionLost, (await lost.Task.WaitAsync(TestHost.Patience, Token)).Cause);
        await talking.ContinueWith(static _ => { }, TaskScheduler.Default);
    }

    private static async Task SendAsync(ClientWebSocket client)
    {
        for (int i = 0; i < 16; i++)
        {
            await client.SendAsync(new byte[16_000], WebSocketMessageType.Binary, true, Token);
        }
    }

    private static async Task ReceiveAsync(ClientWebSocket client)
    {
        byte[] buffer = new byte[64 * 1024];
        while (client.State == WebSocketState.Open)
        {
            await client.ReceiveAsync(buffer, Token);
        }
    }
}
