using System.Collections.Concurrent;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Peer;

namespace Duologue.Tests.Client.Reconnecting;

// From the beginning of a conversation to its end, and to the client's.
public partial class DuologueClientTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_BeforeConnect_threw_was_taken_for_an_option_that_cannot_be_used(bool isDisposed)
    {
        Exception error = isDisposed ? new ObjectDisposedException("tokens") : new ArgumentException("No token.");
        int attempt = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        var failures = new ConcurrentQueue<Exception>();
        await using var client = new DuologueClient(server.Uri, Quick with { BeforeConnect = (options, _) => ++attempt < 3 ? throw error : new(options) });
        client.StateChanged += (_, e) =>
        {
            if (e is { State: ClientState.Waiting, Failure: { } failure })
            {
                failures.Enqueue(failure);
            }
        };

        await client.OpenAsync(Token).Soon();

        Assert.Equal([error, error], failures.Select(failure => Assert.IsType<HandshakeException>(failure).InnerException!));
    }
}
