using Duologue.Interop.Tests.Peers;

namespace Duologue.Interop.Tests;

/// <summary>Duologue's client, which falls back, with Duologue's server behind a real nginx and a real HAProxy.</summary>
public class ClientProxyTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    /// <summary>The proxy, what it does, whether polling comes first, and what carries the conversation in the end.</summary>
    public static TheoryData<ProxyProgram, ProxyHabit, bool, Transport> Ways => new()
    {
        { ProxyProgram.Nginx, ProxyHabit.StripsUpgradeAndBuffers, false, Transport.LongPolling },
        { ProxyProgram.HAProxy, ProxyHabit.StripsUpgradeAndBuffers, false, Transport.LongPolling },
        { ProxyProgram.Nginx, ProxyHabit.StripsUpgradeAndBuffers, true, Transport.LongPolling },
        { ProxyProgram.HAProxy, ProxyHabit.StripsUpgradeAndBuffers, true, Transport.LongPolling },
        { ProxyProgram.Nginx, ProxyHabit.PassesUpgrade, false, Transport.WebSocket },
        { ProxyProgram.HAProxy, ProxyHabit.PassesUpgrade, false, Transport.WebSocket },
        { ProxyProgram.Nginx, ProxyHabit.PassesUpgrade, true, Transport.WebSocket },
        { ProxyProgram.HAProxy, ProxyHabit.PassesUpgrade, true, Transport.WebSocket },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task What_gets_through_carries_the_conversation_and_nothing_is_missed(ProxyProgram program, ProxyHabit habit, bool pollingFirst, Transport transport)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        await using EchoHost host = await StartAsync();
        await using ReverseProxy proxy = await ReverseProxy.StartAsync(program, habit, host.Url, patience.Token);
        var options = new ConnectOptions
        {
            Transports = Transports.WebSocket | Transports.LongPolling,
            PollingFirst = pollingFirst,
            ConnectTimeout = Patience,
            CloseTimeout = Patience,
        };
        await using Connection connection = await Connection.ConnectAsync(new Uri(proxy.Url, "/talk"), options, patience.Token);
        Connection server = host.TheConnection;

        Task sending = SendAllAsync(connection, transport, patience.Token);
        int received = 0;
        await foreach (Message message in connection.ReadAllAsync(patience.Token))
        {
            if (message.Type == MessageType.Binary)
            {
                Assert.Equal(new byte[200_000], message.Data.ToArray());
                break;
            }

            Assert.Equal(TextOf(received++), message.Text);
        }

        await sending;
        Assert.True(received >= 200, $"{received} texts came back.");
        Assert.Equal((transport, transport), (connection.Transport, server.Transport));
    }

    // From before a change of the transport until after it.
    private static async Task SendAllAsync(Connection connection, Transport transport, CancellationToken cancellationToken)
    {
        int sent = 0;
        while (sent < 100 || connection.Transport != transport)
        {
            await connection.SendAsync(TextOf(sent++), cancellationToken);
        }

        for (int i = 0; i < 100; i++)
        {
            await connection.SendAsync(TextOf(sent++), cancellationToken);
        }

        await connection.SendAsync(new byte[200_000], MessageType.Binary, cancellationToken);
    }

    private static string TextOf(int number) => $"{number} ähnlich 🍵 {new string('x', number % 100)}";

    // A machine that is busy for a minute ends no session.
    private static Task<EchoHost> StartAsync() => EchoHost.StartAsync(options => options.KeepAliveTimeout = Patience);
}
