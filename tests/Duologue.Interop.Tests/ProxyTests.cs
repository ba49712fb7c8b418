using System.Net;
using System.Text;
using Duologue.Interop.Tests.Peers;

namespace Duologue.Interop.Tests;

/// <summary>Conversations through a real nginx and a real HAProxy, which take away the Upgrade, or pass it on.</summary>
public class ProxyTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    public static TheoryData<ProxyProgram> Programs => [ProxyProgram.Nginx, ProxyProgram.HAProxy];

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Where_the_upgrade_is_stripped_and_bodies_are_buffered_a_session_stays_on_polling_and_misses_nothing(ProxyProgram program)
    {
        using var patience = Patiently();
        await using EchoHost host = await StartAsync();
        await using ReverseProxy proxy = await ReverseProxy.StartAsync(program, ProxyHabit.StripsUpgradeAndBuffers, host.Url, patience.Token);
        await using EnginePeer peer = EnginePeer.Start(proxy.Url, "polling", "websocket");
        Assert.Equal("polling", await peer.Open.WaitAsync(patience.Token));
        byte[][] messages = Messages();

        await SendAsync(peer, messages.AsMemory(0, 100));
        await peer.UpgradeFailed.WaitAsync(patience.Token);
        await SendAsync(peer, messages.AsMemory(100));

        await AssertEchoedAsync(peer, messages, patience.Token);
        Assert.Equal(Transport.LongPolling, host.TheConnection.Transport);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Where_the_upgrade_is_passed_on_a_session_changes_to_a_WebSocket_and_misses_nothing(ProxyProgram program)
    {
        using var patience = Patiently();
        await using EchoHost host = await StartAsync();
        await using ReverseProxy proxy = await ReverseProxy.StartAsync(program, ProxyHabit.PassesUpgrade, host.Url, patience.Token);
        await using EnginePeer peer = EnginePeer.Start(proxy.Url, "polling", "websocket");
        await peer.Open.WaitAsync(patience.Token);
        byte[][] messages = Messages();

        await SendAsync(peer, messages.AsMemory(0, 100));
        Assert.Equal("websocket", await peer.Upgraded.WaitAsync(patience.Token));
        await SendAsync(peer, messages.AsMemory(100));

        await AssertEchoedAsync(peer, messages, patience.Token);
        Assert.Equal(Transport.WebSocket, host.TheConnection.Transport);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task A_WebSocket_gets_through_a_proxy_that_is_set_up_as_the_docs_say(ProxyProgram program)
    {
        using var patience = Patiently();
        await using EchoHost host = await StartAsync();
        await using ReverseProxy proxy = await ReverseProxy.StartAsync(program, ProxyHabit.PassesUpgrade, host.Url, patience.Token);
        await using Connection connection = await Connection.ConnectAsync(new Uri(proxy.Url, "/talk"), new ConnectOptions { ConnectTimeout = Patience }, patience.Token);

        await connection.SendAsync("through", patience.Token);

        Assert.Equal("through", (await connection.ReceiveAsync(patience.Token)).Text);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task A_WebSocket_whose_upgrade_is_stripped_fails_with_the_servers_426(ProxyProgram program)
    {
        using var patience = Patiently();
        await using EchoHost host = await StartAsync();
        await using ReverseProxy proxy = await ReverseProxy.StartAsync(program, ProxyHabit.StripsUpgradeAndBuffers, host.Url, patience.Token);

        var error = await Assert.ThrowsAsync<HandshakeException>(async () =>
            await Connection.ConnectAsync(new Uri(proxy.Url, "/talk"), new ConnectOptions { ConnectTimeout = Patience }, patience.Token));

        Assert.Equal(HttpStatusCode.UpgradeRequired, error.StatusCode);
    }

    // Text and binary in turn, from nothing to more than a proxy keeps in memory.
    private static byte[][] Messages() =>
        [.. Enumerable.Range(0, 200).Select(i => Encoding.UTF8.GetBytes($"{i} ähnlich 🍵 {new string('x', i * 20)}")), [], new byte[200_000]];

    private static MessageType TypeOf(int index) => index % 2 == 0 ? MessageType.Text : MessageType.Binary;

    private static async Task SendAsync(EnginePeer peer, ReadOnlyMemory<byte[]> messages)
    {
        for (int i = 0; i < messages.Length; i++)
        {
            await peer.SendAsync(TypeOf(i), messages.Span[i]);
        }
    }

    private static async Task AssertEchoedAsync(EnginePeer peer, byte[][] messages, CancellationToken cancellationToken)
    {
        for (int i = 0; i < messages.Length; i++)
        {
            ReceivedMessage received = await peer.ReceiveAsync(cancellationToken);
            Assert.Equal(TypeOf(i), received.Type);
            Assert.Equal(messages[i], received.Data);
        }
    }

    private static CancellationTokenSource Patiently()
    {
        var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        return patience;
    }

    // A machine that is busy for a minute ends no session.
    private static Task<EchoHost> StartAsync() => EchoHost.StartAsync(options => options.KeepAliveTimeout = Patience);
}
