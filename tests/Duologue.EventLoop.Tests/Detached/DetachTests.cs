using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Duologue.AspNetCore;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.EventLoop.Tests.Detached;

/// <summary>How a WebSocket leaves Kestrel, and when it does not.</summary>
public class DetachTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task The_request_ends_and_the_conversation_goes_on(EventLoopBackend backend)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await StartAsync(backend, ended);
        await using Connection client = await ConnectAsync(host, "/class");
        await ended.Task.WaitAsync(LoopHost.Patience, Token);

        for (int i = 0; i < 10; i++)
        {
            client.Send($"after the request {i}");
            Assert.Equal($"after the request {i}", (await client.ReceiveAsync(Token)).Text);
        }

        await AssertDetachedAsync(host, true);
        CloseInfo info = await client.CloseAsync(1000, "enough");
        Assert.True(info.WasClean);
        await Eventually.True(() => host.SocketCount == 0 && host.RentedBlocks == 0, () => $"{host.SocketCount} sockets and {host.RentedBlocks} blocks are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task The_async_delegate_goes_on_as_well(EventLoopBackend backend)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await StartAsync(backend, ended);
        await using Connection client = await ConnectAsync(host, "/delegate");
        await ended.Task.WaitAsync(LoopHost.Patience, Token);
        foreach (string text in new[] { "one", "two", "end" })
        {
            client.Send(text);
            Assert.Equal(text, (await client.ReceiveAsync(Token)).Text);
        }

        CloseInfo info = await client.Closed.WaitAsync(LoopHost.Patience, Token);
        Assert.Equal((1000, true, true), (info.Code, info.ByPeer, info.WasClean));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_session_that_is_a_WebSocket_from_its_opening_on_leaves_Kestrel_too(EventLoopBackend backend)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await StartAsync(backend, ended);
        await using Connection client = await ConnectAsync(host, "/class?EIO=4");
        await using Connection talk = await ConnectAsync(host, "/delegate?EIO=4");
        await ended.Task.WaitAsync(LoopHost.Patience, Token);
        foreach (Connection connection in new[] { client, talk })
        {
            for (int i = 0; i < 10; i++)
            {
                connection.Send($"after the request {i}");
                Assert.Equal($"after the request {i}", (await connection.ReceiveAsync(Token)).Text);
            }
        }

        await AssertDetachedAsync(host, true);
        Assert.True((await client.CloseAsync(1000, "enough")).WasClean);
        talk.Send("end");
        Assert.Equal("end", (await talk.ReceiveAsync(Token)).Text);
        Assert.True((await talk.Closed.WaitAsync(LoopHost.Patience, Token)).WasClean);
        await Eventually.True(() => host.SocketCount == 0 && host.RentedBlocks == 0, () => $"{host.SocketCount} sockets and {host.RentedBlocks} blocks are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_WebSocket_that_takes_over_from_polling_leaves_Kestrel_too(EventLoopBackend backend)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await StartAsync(backend, ended);
        var options = new ConnectOptions { Transports = Transports.WebSocket | Transports.LongPolling, PollingFirst = true, ConnectTimeout = LoopHost.Patience };
        await using (Connection client = await Connection.ConnectAsync(host.WebSocketUrl("/class"), options, Token))
        {
            // Messages all the way through the change, and some behind it.
            int sent = 0;
            for (int behind = 0; behind < 10; behind += client.Transport == Duologue.Transport.WebSocket && ended.Task.IsCompleted ? 1 : 0)
            {
                client.Send($"{++sent}");
                Assert.Equal($"{sent}", (await client.ReceiveAsync(Token).AsTask().WaitAsync(LoopHost.Patience, Token)).Text);
            }

            Assert.True((await client.CloseAsync(1000, "enough")).WasClean);
        }

        await Eventually.True(() => host.SocketCount == 0 && host.RentedBlocks == 0, () => $"{host.SocketCount} sockets and {host.RentedBlocks} blocks are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Frames_sent_right_behind_the_handshake_are_not_lost(EventLoopBackend backend)
    {
        await using LoopHost host = await StartAsync(backend, new());
        using var client = await RawPeer.ConnectAsync(host.Url);
        var request = new MemoryStream();
        request.Write(Encoding.ASCII.GetBytes(RawPeer.Handshake("/class")));
        for (int i = 0; i < 1000; i++)
        {
            request.Write(RawPeer.MaskedFrame(0x81, Encoding.ASCII.GetBytes($"early {i}")));
        }

        // Head and a thousand frames in one write: much of it is in Kestrel's pipe when the socket leaves it.
        await client.SendAsync(request.ToArray());
        await client.ReadHeadAsync();
        for (int i = 0; i < 1000; i++)
        {
            (byte first, byte[] payload) = await client.ReadFrameAsync();
            Assert.Equal(0x81, first);
            Assert.Equal($"early {i}", Encoding.ASCII.GetString(payload));
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_peer_that_vanishes_during_the_handshake_leaves_nothing_behind(EventLoopBackend backend)
    {
        await using LoopHost host = await StartAsync(backend, new());
        for (int i = 0; i < 200; i++)
        {
            using var client = await RawPeer.ConnectAsync(host.Url);
            await client.SendAsync(Encoding.ASCII.GetBytes(RawPeer.Handshake("/class")));
            client.Close(reset: i % 2 == 0);
        }

        Connections connections = host.Services.GetRequiredService<Connections>();
        await Eventually.True(
            () => host.SocketCount == 0 && connections.Count == 0 && host.RentedBlocks == 0,
            () => $"{host.SocketCount} sockets, {connections.Count} connections and {host.RentedBlocks} blocks are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Behind_Tls_it_stays_on_pipes(EventLoopBackend backend)
    {
        using X509Certificate2 certificate = LoopHost.CreateCertificate();
        await using LoopHost host = await StartBehindAsync(backend, listen => listen.UseHttps(certificate));
        using var client = new ClientWebSocket();
        client.Options.RemoteCertificateValidationCallback = (_, given, _, errors) => errors == SslPolicyErrors.None || given is X509Certificate2 remote && remote.Thumbprint == certificate.Thumbprint;
        await client.ConnectAsync(host.WebSocketUrl("/class"), Token);
        Assert.Equal("hello", await EchoAsync(client, "hello"));
        await AssertDetachedAsync(host, false);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Behind_connection_middleware_it_stays_on_pipes(EventLoopBackend backend)
    {
        await using LoopHost host = await StartBehindAsync(backend, listen => listen.UseConnectionLogging());
        await using Connection client = await ConnectAsync(host, "/class");
        client.Send("hello");
        Assert.Equal("hello", (await client.ReceiveAsync(Token)).Text);
        await AssertDetachedAsync(host, false);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Over_HTTP2_it_stays_on_pipes_beside_the_other_streams(EventLoopBackend backend)
    {
        // Without TLS, so that nothing but the protocol tells the connection from one that may leave.
        await using LoopHost host = await StartBehindAsync(backend, listen => listen.Protocols = HttpProtocols.Http2);
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = 1 };
        using var invoker = new HttpMessageInvoker(handler);
        using ClientWebSocket first = await ConnectAsync(host.WebSocketUrl("/class"), invoker, HttpVersion.Version20);
        using ClientWebSocket second = await ConnectAsync(host.WebSocketUrl("/class"), invoker, HttpVersion.Version20);
        foreach (ClientWebSocket client in new[] { first, second, first })
        {
            Assert.Equal("hello", await EchoAsync(client, "hello"));
        }

        Assert.Equal(1, host.SocketCount);
        await AssertDetachedAsync(host, false);
        await first.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Token);
        Assert.Equal("still here", await EchoAsync(second, "still here"));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Behind_a_Unix_socket_it_leaves_Kestrel_on_every_loop(EventLoopBackend backend)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await using LoopHost host = await LoopHost.StartAsync(
            backend,
            app => app.MapDuologue<EchoHandler>("/class"),
            builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(path)));
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var invoker = new HttpMessageInvoker(handler);
        for (int i = 0; i < host.Loops.Loops.Count; i++)
        {
            using ClientWebSocket client = await ConnectAsync(host.WebSocketUrl("/class"), invoker, HttpVersion.Version11);
            string large = new('x', 200_000);
            Assert.Equal(large, await EchoAsync(client, large));
            await client.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Token);
        }

        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Message.Contains("detached False", StringComparison.Ordinal));
        await AssertDetachedAsync(host, true);
        await Eventually.True(() => host.SocketCount == 0, () => $"{host.SocketCount} sockets are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_drain_closes_detached_conversations_with_1001(EventLoopBackend backend)
    {
        await using LoopHost host = await StartAsync(backend, new());
        Connection[] clients = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => ConnectAsync(host, i % 2 == 0 ? "/class" : "/class?EIO=4")));
        foreach (Connection client in clients)
        {
            client.Send("here");
            Assert.Equal("here", (await client.ReceiveAsync(Token)).Text);
        }

        // A client that is not receiving is taken to be at work: it must come back before its Close is answered.
        Task[] waiting = [.. clients.Select(async client => await Assert.ThrowsAnyAsync<ConnectionClosedException>(async () => await client.ReceiveAsync(Token)))];
        Task stopped = host.StopAsync();
        await Task.WhenAll(waiting);
        foreach (Connection client in clients)
        {
            CloseInfo info = await client.Closed.WaitAsync(LoopHost.Patience, Token);
            Assert.Equal((1001, true, true), (info.Code, info.ByPeer, info.WasClean));
        }

        await stopped.WaitAsync(LoopHost.Patience, Token);
    }

    private static Task AssertDetachedAsync(LoopHost host, bool detached) => Eventually.True(
        () => host.Log.GetSnapshot().Any(record => record.Id.Name == "ConnectionAccepted" && record.Message.Contains($"detached {detached}", StringComparison.Ordinal)),
        () => $"The log does not say that the connection was accepted, detached {detached}.");

    private static async Task<Connection> ConnectAsync(LoopHost host, string path) =>
        await Connection.ConnectAsync(host.WebSocketUrl(path), new ConnectOptions(), Token);

    /// <summary>One loop, and whatever lies between it and the conversation.</summary>
    private static Task<LoopHost> StartBehindAsync(EventLoopBackend backend, Action<ListenOptions> listen) => LoopHost.StartAsync(
        options => (options.Backend, options.Loops) = (backend, 1),
        app => app.MapDuologue<EchoHandler>("/class"),
        _ => { },
        listen);

    private static async Task<ClientWebSocket> ConnectAsync(Uri url, HttpMessageInvoker invoker, Version version)
    {
        var client = new ClientWebSocket();
        client.Options.HttpVersion = version;
        client.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        await client.ConnectAsync(url, invoker, Token);
        return client;
    }

    private static async Task<string> EchoAsync(ClientWebSocket client, string text)
    {
        await client.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, Token);
        byte[] buffer = new byte[text.Length + 1];
        int length = 0;
        WebSocketReceiveResult result;
        do
        {
            result = await client.ReceiveAsync(new ArraySegment<byte>(buffer, length, buffer.Length - length), Token).WaitAsync(LoopHost.Patience, Token);
            length += result.Count;
        }
        while (!result.EndOfMessage);
        return Encoding.UTF8.GetString(buffer, 0, length);
    }

    private static Task<LoopHost> StartAsync(EventLoopBackend backend, TaskCompletionSource ended) => LoopHost.StartAsync(backend, app =>
    {
        app.Use(async (context, next) =>
        {
            await next(context);
            if (context.Request.Query["transport"] != "polling")
            {
                ended.TrySetResult();
            }
        });
        app.UseRouting();
        app.MapDuologue<EchoHandler>("/class");
        app.MapDuologue("/delegate", async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync())
            {
                await connection.SendAsync(message.Data, message.Type);
                if (message.Text == "end")
                {
                    break;
                }
            }
        });
    });
}
