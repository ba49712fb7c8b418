using Duologue.Interop.Tests.Peers;

namespace Duologue.Interop.Tests;

/// <summary>Duologue's client, over each of its transports, with the official server of Engine.IO.</summary>
public class ClientSessionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    /// <summary>What may be used, whether polling comes first, and what it comes to.</summary>
    public static TheoryData<Transports, bool, Transport> Ways => new()
    {
        { Transports.WebSocket, false, Transport.WebSocket },
        { Transports.LongPolling, false, Transport.LongPolling },
        { Transports.Polling, false, Transport.Polling },
        { Transports.WebSocket | Transports.LongPolling, true, Transport.WebSocket },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Messages_go_both_ways_in_order_while_the_heartbeat_beats(Transports transports, bool pollingFirst, Transport transport)
    {
        using var patience = Patiently();
        await using EngineServer server = await EngineServer.StartAsync(patience.Token);
        await using Connection connection = await Connection.ConnectAsync(server.Url, Options(transports, pollingFirst), patience.Token);

        Task sending = SendAllAsync(connection, server, pollingFirst, patience.Token);
        int received = 0;
        await foreach (Message message in connection.ReadAllAsync(patience.Token))
        {
            if (message.Type == MessageType.Binary)
            {
                Assert.Equal([0, 1, 128, 255], message.Data.ToArray());
                break;
            }

            Assert.Equal(TextOf(received++), message.Text);
        }

        await sending;
        Assert.True(received >= 200, $"{received} texts came back.");
        Assert.Equal(transport, connection.Transport);
        await server.SeePongAsync(patience.Token);
        await server.SeePongAsync(patience.Token);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task The_server_closes(Transports transports, bool pollingFirst, Transport transport)
    {
        using var patience = Patiently();
        await using EngineServer server = await EngineServer.StartAsync(patience.Token);
        await using Connection connection = await Connection.ConnectAsync(server.Url, Options(transports, pollingFirst), patience.Token);
        await SettleAsync(connection, server, pollingFirst, patience.Token);

        // Who asks for the next message has dealt with the last: the close waits for nothing.
        Task<Message> next = connection.ReceiveAsync(patience.Token).AsTask();

        await server.CloseAsync();

        await Assert.ThrowsAsync<ConnectionClosedException>(() => next);
        CloseInfo info = await connection.Closed.WaitAsync(patience.Token);
        Assert.Equal(CloseCause.PeerClosed, info.Cause);
        Assert.Equal(transport, connection.Transport);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task The_client_closes(Transports transports, bool pollingFirst, Transport transport)
    {
        using var patience = Patiently();
        await using EngineServer server = await EngineServer.StartAsync(patience.Token);
        await using Connection connection = await Connection.ConnectAsync(server.Url, Options(transports, pollingFirst), patience.Token);
        await SettleAsync(connection, server, pollingFirst, patience.Token);
        Assert.Equal(transport, connection.Transport);

        CloseInfo info = await connection.CloseAsync().AsTask().WaitAsync(patience.Token);

        Assert.Equal(CloseCause.LocalClose, info.Cause);
        await server.Closed.WaitAsync(patience.Token);
    }

    // From before a change of the transport until after it.
    private static async Task SendAllAsync(Connection connection, EngineServer server, bool changes, CancellationToken cancellationToken)
    {
        int sent = 0;
        while (sent < 100 || (changes && !server.Upgraded.IsCompleted))
        {
            await connection.SendAsync(TextOf(sent++), cancellationToken);
        }

        for (int i = 0; i < 100; i++)
        {
            await connection.SendAsync(TextOf(sent++), cancellationToken);
        }

        await connection.SendAsync(new byte[] { 0, 1, 128, 255 }, MessageType.Binary, cancellationToken);
    }

    private static async Task SettleAsync(Connection connection, EngineServer server, bool changes, CancellationToken cancellationToken)
    {
        if (changes)
        {
            await server.Upgraded.WaitAsync(cancellationToken);
        }

        await connection.SendAsync("settled", cancellationToken);
        Assert.Equal("settled", (await connection.ReceiveAsync(cancellationToken)).Text);
    }

    private static string TextOf(int number) => $"{number} ähnlich 🍵 {new string('x', number % 100)}";

    private static ConnectOptions Options(Transports transports, bool pollingFirst) => new()
    {
        Transports = transports,
        PollingFirst = pollingFirst,
        PollingInterval = TimeSpan.FromMilliseconds(20),
        ConnectTimeout = Patience,
        CloseTimeout = Patience,
    };

    private static CancellationTokenSource Patiently()
    {
        var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        return patience;
    }
}
