using System.Net;
using System.Net.Sockets;
using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Serve;

/// <summary>What the server does when it has no file descriptor left. In a process of its own: the runtime needs some as well.</summary>
public sealed class ExhaustionTests
{
    private const int Descriptors = 400;
    private const int Clients = 600;
    private const int Early = 40;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("epoll")]
    [InlineData("io_uring")]
    public async Task Accepting_rests_without_spinning_and_goes_on(string eventLoop)
    {
        // The runtime ends a process in which it finds no descriptor to load an assembly with. Some are held back for it, but one may be wanted between the last
        // accept and that: on a slow machine it happens now and then, to a server that has just started.
        for (int attempt = 1; !await TryAsync(eventLoop); attempt++)
        {
            Assert.True(attempt < 15, "The server ended each time.");
        }
    }

    /// <summary>False if the process ended.</summary>
    private static async Task<bool> TryAsync(string eventLoop)
    {
        await using ServeTool server = await ServeTool.StartLimitedAsync(Descriptors, "--event-loop", eventLoop, "--loops", "1", "--log-level", "information");
        Socket[] clients = [.. Enumerable.Range(0, Clients).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))];
        try
        {
            int port = new Uri(server.Url).Port;

            // What answers a request is loaded by the first ones, and that takes descriptors too.
            await Task.WhenAll(clients[..Early].Select(async client =>
            {
                await client.ConnectAsync(IPAddress.Loopback, port, Token);
                await AskAsync(client);
            }));
            await Task.WhenAll(clients[Early..].Select(client => client.ConnectAsync(IPAddress.Loopback, port, Token).AsTask()));
            await server.Tool.WaitForErrorAsync(line => line.Contains("rests", StringComparison.Ordinal));

            // A server that has just started still compiles, and on a busy machine a second is longer: one quiet look is enough. A loop that spins has none.
            TimeSpan used = TimeSpan.MaxValue;
            for (int look = 0; look < 30 && used >= TimeSpan.FromMilliseconds(500); look++)
            {
                TimeSpan before = server.Tool.Used;
                await Task.Delay(1000, Token);
                used = server.Tool.Used - before;
            }

            Assert.True(used < TimeSpan.FromMilliseconds(500), $"A second of rest took {used} of processor time.");

            // Whoever was accepted is served; as they go, the others come.
            await Task.WhenAll(clients[Early..].Select(AskAsync));
            await server.Tool.WaitForErrorAsync(line => line.Contains("goes on", StringComparison.Ordinal));
            return true;
        }
        catch (Exception) when (server.Tool.EndsSoon())
        {
            return false;
        }
        finally
        {
            Array.ForEach(clients, client => client.Dispose());
        }
    }

    private static async Task AskAsync(Socket client)
    {
        await client.SendAsync("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray(), Token);
        byte[] buffer = new byte[4096];
        int total = 0;
        int read;
        while ((read = await client.ReceiveAsync(buffer, Token).AsTask().WaitAsync(Tool.Patience, Token)) > 0)
        {
            total += read;
        }

        Assert.NotEqual(0, total);
        client.Dispose();
    }
}
