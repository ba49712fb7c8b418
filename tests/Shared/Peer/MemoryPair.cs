using System.IO.Pipelines;
using Duologue.Carriers;
using Duologue.Protocol;

namespace Duologue.Tests.Shared;

/// <summary>Two peers of one conversation joined in memory: the whole protocol, no socket.</summary>
internal sealed class MemoryPair : IAsyncDisposable
{
    private readonly Task _running;

    private MemoryPair(WebSocketConnection server, WebSocketConnection client, Task running)
    {
        Server = server;
        Client = client;
        _running = running;
    }

    public WebSocketConnection Server { get; }

    public WebSocketConnection Client { get; }

    public static MemoryPair Create(ConnectionOptions options) => Create(
        new ConnectionSetup { Role = Role.Server, Options = options },
        new ConnectionSetup { Role = Role.Client, Options = options });

    public static MemoryPair Create(ConnectionSetup server, ConnectionSetup client)
    {
        var toServer = new Pipe();
        var toClient = new Pipe();
        var serverPeer = new WebSocketConnection(server);
        var clientPeer = new WebSocketConnection(client);
        Task running = Task.WhenAll(
            RunAsync(toServer.Reader, toClient.Writer, serverPeer),
            RunAsync(toClient.Reader, toServer.Writer, clientPeer));
        return new MemoryPair(serverPeer, clientPeer, running);
    }

    /// <summary>Aborts what is still open and waits until both peers are done.</summary>
    public async ValueTask DisposeAsync()
    {
        Server.Abort();
        Client.Abort();
        await _running;
    }

    private static async Task RunAsync(PipeReader input, PipeWriter output, WebSocketConnection connection)
    {
        await new PipeCarrier(input, output, connection, null).RunAsync();
        await input.CompleteAsync();
    }
}
