using System.Net;
using System.Net.WebSockets;
using Duologue.Client;
using Duologue.Tests.Client.Peers;
using Microsoft.AspNetCore.Http;

namespace Duologue.Tests.Client;

/// <summary>Handshakes with the platform's own server.</summary>
public class WebSocketConnectorTests
{
    private static readonly ConnectOptions Options = new() { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(60) };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_stream_carries_frames_both_ways()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        OpenedWebSocket opened = await WebSocketConnector.OpenAsync(server.Uri, Options, Cancelled);
        using var socket = WebSocket.CreateFromStream(opened.Stream, new WebSocketCreationOptions());
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, Cancelled);
        byte[] buffer = new byte[100];
        WebSocketReceiveResult result = await socket.ReceiveAsync(buffer, Cancelled);
        Assert.Equal("hello"u8, buffer.AsSpan(0, result.Count));
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", Cancelled);
        Assert.Equal("bye", socket.CloseStatusDescription);
    }

    [Fact]
    public async Task Http_in_the_URI_means_ws()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        (await ConversationConnector.OpenAsync(new UriBuilder(server.Uri) { Scheme = "http" }.Uri, Options, Cancelled)).Abort();
    }

    [Fact]
    public async Task The_server_s_choice_of_subprotocol_is_told()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(context => KestrelServer.EchoAsync(context, context.WebSockets.WebSocketRequestedProtocols[1]));
        OpenedWebSocket opened = await WebSocketConnector.OpenAsync(server.Uri, Options with { Subprotocols = ["a", "b", "c"] }, Cancelled);
        Assert.Equal("b", opened.Subprotocol);
        opened.Abort();
    }

    [Fact]
    public async Task A_refusal_of_the_server_is_told_with_its_words()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            context.Response.StatusCode = 503;
            context.Response.Headers.RetryAfter = "7";
            await context.Response.WriteAsync("The server is draining.");
        });
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() => WebSocketConnector.OpenAsync(server.Uri, Options, Cancelled));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, e.StatusCode);
        Assert.Equal(["7"], e.Headers["retry-after"]);
        Assert.Equal("The server is draining.", e.Body);
    }

    [Fact]
    public async Task One_set_of_options_serves_many_connections_at_once()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        OpenedWebSocket[] opened = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => WebSocketConnector.OpenAsync(server.Uri, Options, Cancelled)));
        Assert.All(opened, one => one.Abort());
    }
}
