using System.Net;
using System.Net.WebSockets;
using Duologue.Interop.Tests.Peers;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Duologue.Interop.Tests;

/// <summary>Against System.Net.WebSockets, either role.</summary>
public abstract class SystemNetWebSocketsTests : InteropTests
{
    // .NET 10 writes WebSocketCloseStatus.Empty as the code 1005, which RFC 6455 §7.4.1 forbids on the wire.
    [Fact]
    public async Task Their_close_with_the_code_1005_is_a_violation_by_name()
    {
        await using Pair pair = await OpenAsync();
        await pair.Theirs.CloseAsync(null, "");

        CloseInfo info = await pair.Ours.Closed.WaitAsync(Cancellation);
        Assert.Equal(CloseCause.ProtocolViolation, info.Cause);
        Assert.Equal(ProtocolViolation.InvalidCloseCode, info.Violation);
    }
}

/// <summary>Against npm's ws, either role.</summary>
public abstract class NodeTests : InteropTests
{
    [Fact]
    public async Task Their_close_without_a_code_is_1005_here()
    {
        await using Pair pair = await OpenAsync();
        await pair.Theirs.CloseAsync(null, "");

        CloseInfo info = await pair.Ours.Closed.WaitAsync(Cancellation);
        Assert.Equal(1005, info.Code);
        Assert.Equal("", info.Reason);
        Assert.True(info.WasClean);
        Assert.Equal(1005, (await pair.Theirs.Closed.WaitAsync(Cancellation)).Code);
    }
}

public sealed class OurClientWithSystemNetWebSocketsTests : SystemNetWebSocketsTests
{
    internal override async Task<Pair> OpenAsync(params string[] offered)
    {
        Host<SystemPeer> host = Hosts.System(Spoken);
        Uri uri = await host.StartAsync(Cancellation);
        Connection ours = await Connection.ConnectAsync(uri, new ConnectOptions { Subprotocols = offered }, Cancellation);
        return new Pair(ours, await host.Accepted.WaitAsync(Cancellation), host);
    }
}

public sealed class OurServerWithSystemNetWebSocketsTests : SystemNetWebSocketsTests
{
    internal override async Task<Pair> OpenAsync(params string[] offered)
    {
        Host<Connection> host = Hosts.Duologue(Spoken);
        Uri uri = await host.StartAsync(Cancellation);
        ClientWebSocket socket = new();
        socket.Options.KeepAliveInterval = SystemPeer.KeepAliveInterval;
        socket.Options.KeepAliveTimeout = SystemPeer.KeepAliveTimeout;
        foreach (string subprotocol in offered)
        {
            socket.Options.AddSubProtocol(subprotocol);
        }

        await socket.ConnectAsync(uri, Cancellation);
        return new Pair(await host.Accepted.WaitAsync(Cancellation), new SystemPeer(socket), host);
    }
}

/// <summary>As <see cref="OurClientWithSystemNetWebSocketsTests"/>, over HTTP/2 in clear text.</summary>
public sealed class OurClientWithSystemNetWebSocketsOverHttp2Tests : SystemNetWebSocketsTests
{
    internal override async Task<Pair> OpenAsync(params string[] offered)
    {
        Host<SystemPeer> host = Hosts.System(Spoken, HttpProtocols.Http2);
        Uri uri = await host.StartAsync(Cancellation);
        ConnectOptions options = new() { Subprotocols = offered, HttpVersion = HttpVersion.Version20, HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        Connection ours = await Connection.ConnectAsync(uri, options, Cancellation);
        return new Pair(ours, await host.Accepted.WaitAsync(Cancellation), host);
    }
}

/// <summary>As <see cref="OurServerWithSystemNetWebSocketsTests"/>, over HTTP/2 in clear text.</summary>
public sealed class OurServerWithSystemNetWebSocketsOverHttp2Tests : SystemNetWebSocketsTests
{
    internal override async Task<Pair> OpenAsync(params string[] offered)
    {
        Host<Connection> host = Hosts.Duologue(Spoken, HttpProtocols.Http2);
        Uri uri = await host.StartAsync(Cancellation);
        ClientWebSocket socket = new();
        socket.Options.HttpVersion = HttpVersion.Version20;
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        socket.Options.KeepAliveInterval = SystemPeer.KeepAliveInterval;
        socket.Options.KeepAliveTimeout = SystemPeer.KeepAliveTimeout;
        foreach (string subprotocol in offered)
        {
            socket.Options.AddSubProtocol(subprotocol);
        }

        // The first request of an invoker waits for the server's settings; it lives as long as the process.
        await socket.ConnectAsync(uri, Invoker, Cancellation);
        return new Pair(await host.Accepted.WaitAsync(Cancellation), new SystemPeer(socket), host);
    }

    private static readonly HttpMessageInvoker Invoker = new(new SocketsHttpHandler { UseProxy = false });
}

public sealed class OurClientWithNodeTests : NodeTests
{
    internal override async Task<Pair> OpenAsync(params string[] offered)
    {
        (NodePeer theirs, int port) = await NodePeer.ListenAsync(Spoken, Cancellation);
        Uri uri = new($"ws://127.0.0.1:{port}/");
        Connection ours = await Connection.ConnectAsync(uri, new ConnectOptions { Subprotocols = offered }, Cancellation);
        await theirs.OpenAsync(Cancellation);
        return new Pair(ours, theirs, NoHost.Instance);
    }

    internal sealed class NoHost : IAsyncDisposable
    {
        public static readonly NoHost Instance = new();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

public sealed class OurServerWithNodeTests : NodeTests
{
    internal override async Task<Pair> OpenAsync(params string[] offered)
    {
        Host<Connection> host = Hosts.Duologue(Spoken);
        Uri uri = await host.StartAsync(Cancellation);
        NodePeer theirs = await NodePeer.ConnectAsync(uri, offered, Cancellation);
        return new Pair(await host.Accepted.WaitAsync(Cancellation), theirs, host);
    }
}

/// <summary>As <see cref="OurClientWithNodeTests"/>, over HTTP/2 in clear text: an HTTP/2 that is not .NET's.</summary>
public sealed class OurClientWithNodeOverHttp2Tests : NodeTests
{
    internal override async Task<Pair> OpenAsync(params string[] offered)
    {
        (NodePeer theirs, int port) = await NodePeer.ListenOverHttp2Async(Spoken, Cancellation);
        Uri uri = new($"ws://127.0.0.1:{port}/");
        ConnectOptions options = new() { Subprotocols = offered, HttpVersion = HttpVersion.Version20, HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        Connection ours = await Connection.ConnectAsync(uri, options, Cancellation);
        await theirs.OpenAsync(Cancellation);
        return new Pair(ours, theirs, OurClientWithNodeTests.NoHost.Instance);
    }
}

/// <summary>As <see cref="OurServerWithNodeTests"/>, over HTTP/2 in clear text: an HTTP/2 that is not .NET's.</summary>
public sealed class OurServerWithNodeOverHttp2Tests : NodeTests
{
    internal override async Task<Pair> OpenAsync(params string[] offered)
    {
        Host<Connection> host = Hosts.Duologue(Spoken, HttpProtocols.Http2);
        Uri uri = await host.StartAsync(Cancellation);
        NodePeer theirs = await NodePeer.ConnectOverHttp2Async(uri, offered, Cancellation);
        return new Pair(await host.Accepted.WaitAsync(Cancellation), theirs, host);
    }
}
