using System.Net.WebSockets;
using Duologue.Interop.Tests.Peers;
using StreamJsonRpc;

namespace Duologue.Interop.Tests;

/// <summary>A library that wants a System.Net.WebSockets.WebSocket, over <see cref="Connection.AsSystemWebSocket"/> on both ends.</summary>
public class StreamJsonRpcTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Calls_go_both_ways_and_the_end_is_told()
    {
        await using Host<Connection> host = Hosts.Duologue("rpc");
        Uri uri = await host.StartAsync(Cancellation);
        await using Connection client = await Connection.ConnectAsync(uri, new ConnectOptions { Subprotocols = ["rpc"] }, Cancellation);
        Connection server = await host.Accepted.WaitAsync(Cancellation);
        using WebSocket socket = client.AsSystemWebSocket();
        using JsonRpc there = Listen(server.AsSystemWebSocket(), new Calculator());
        using JsonRpc here = Listen(socket, new Calculator());

        Assert.Equal(5, await here.InvokeWithCancellationAsync<int>("Add", [2, 3], Cancellation));
        Assert.Equal(9, await there.InvokeWithCancellationAsync<int>("Add", [4, 5], Cancellation));
        int[] sums = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => here.InvokeWithCancellationAsync<int>("Add", [i, i], Cancellation)));
        Assert.Equal(Enumerable.Range(0, 200).Select(i => 2 * i), sums);
        string large = new('x', 500_000);
        Assert.Equal(large, await here.InvokeWithCancellationAsync<string>("Echo", [large], Cancellation));
        await Assert.ThrowsAsync<RemoteInvocationException>(() => here.InvokeWithCancellationAsync("Fail", [], Cancellation));

        // It stops receiving, by a cancellation that would abort the platform's own WebSocket.
        here.Dispose();
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", Cancellation);
        await there.Completion.WaitAsync(TimeSpan.FromSeconds(30), Cancellation);
        Assert.True((await client.Closed).WasClean);
    }

    private static JsonRpc Listen(WebSocket socket, Calculator calculator)
    {
        var rpc = new JsonRpc(new WebSocketMessageHandler(socket), calculator);
        rpc.StartListening();
        return rpc;
    }

    // Called by name, from the other end.
#pragma warning disable CA1822
    private sealed class Calculator
    {
        public int Add(int a, int b) => a + b;

        public string Echo(string text) => text;

        public void Fail() => throw new InvalidOperationException("as asked");
    }
#pragma warning restore CA1822
}
