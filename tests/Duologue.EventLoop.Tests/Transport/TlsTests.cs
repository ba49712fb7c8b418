using System.Diagnostics.Metrics;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using Duologue.AspNetCore;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.EventLoop.Tests.Transport;

/// <summary>Conversations within TLS, which stay on Kestrel's pipes.</summary>
public class TlsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_handler_sent_on_to_a_peer_that_was_reset_behind_what_waited_for_the_handler(EventLoopBackend backend)
    {
        using X509Certificate2 certificate = LoopHost.CreateCertificate();
        var lost = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await LoopHost.StartAsync(
            options => (options.Backend, options.Loops) = (backend, 2),
            app => app.MapDuologue("/", connection => StreamAsync(connection, lost)),
            _ => { },
            listen => listen.UseHttps(certificate));
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
                RemoteCertificateValidationCallback = (_, given, _, _) => given is X509Certificate2 remote && remote.Thumbprint == certificate.Thumbprint,
            },
        };
        using var invoker = new HttpMessageInvoker(handler);
        using var client = new ClientWebSocket();
        await client.ConnectAsync(host.WebSocketUrl("/"), invoker, Token);

        // More than is read ahead, to one that takes all it gets.
        Task talking = Task.WhenAll(SendAsync(client), ReceiveAsync(client));
        await Eventually.True(() => pauses.GetMeasurementSnapshot().Count > 0, () => "It was all read.");
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();

        Assert.Equal(CloseCause.ConnectionLost, (await lost.Task.WaitAsync(LoopHost.Patience, Token)).Cause);
        await talking.ContinueWith(static _ => { }, TaskScheduler.Default);
    }

    private static async Task StreamAsync(Connection connection, TaskCompletionSource<CloseInfo> lost)
    {
        byte[] piece = new byte[10_000];
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
