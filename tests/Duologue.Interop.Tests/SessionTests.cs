using System.Text;
using Duologue.Interop.Tests.Peers;

namespace Duologue.Interop.Tests;

/// <summary>Sessions over Engine.IO against the protocol's official client.</summary>
public class SessionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    public static TheoryData<string> Ways => ["polling", "websocket", "polling websocket"];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Messages_go_both_ways_in_order_while_the_heartbeat_beats(string ways)
    {
        string[] transports = ways.Split(' ');
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        await using EchoHost host = await EchoHost.StartAsync(options => (options.KeepAliveInterval, options.KeepAliveTimeout) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60)));
        await using EnginePeer peer = EnginePeer.Start(host.Url, transports);
        Assert.Equal(transports[0], await peer.Open.WaitAsync(patience.Token));

        byte[][] messages = [.. Enumerable.Range(0, 300).Select(i => Encoding.UTF8.GetBytes($"{i} ähnlich 🍵 {new string('x', i)}")), [], [0, 1, 2, 255], new byte[100_000]];
        for (int i = 0; i < messages.Length; i++)
        {
            await peer.SendAsync(i < 300 ? MessageType.Text : MessageType.Binary, messages[i]);
        }

        for (int i = 0; i < messages.Length; i++)
        {
            ReceivedMessage received = await peer.ReceiveAsync(patience.Token);
            Assert.Equal(i < 300 ? MessageType.Text : MessageType.Binary, received.Type);
            Assert.Equal(messages[i], received.Data);
        }

        if (transports.Length > 1)
        {
            Assert.Equal("websocket", await peer.Upgraded.WaitAsync(patience.Token));
        }

        await peer.SeePingAsync(patience.Token);
        await peer.SeePingAsync(patience.Token);
        Connection connection = host.TheConnection;
        Assert.Equal(transports[^1] == "polling" ? Transport.LongPolling : Transport.WebSocket, connection.Transport);
    }

    [Fact]
    public async Task A_change_of_the_transport_keeps_the_order_loses_nothing_and_doubles_nothing()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        await using EchoHost host = await EchoHost.StartAsync(_ => { });
        await using EnginePeer peer = EnginePeer.Start(host.Url, "polling", "websocket");
        await peer.Open.WaitAsync(patience.Token);
        Connection connection = host.TheConnection;

        // From before the change until after it.
        int sent = 0;
        while (sent < 200 || !peer.Upgraded.IsCompleted)
        {
            await connection.SendAsync($"{sent++}", patience.Token);
        }

        for (int i = 0; i < 200; i++)
        {
            await connection.SendAsync($"{sent++}", patience.Token);
        }

        for (int i = 0; i < sent; i++)
        {
            Assert.Equal($"{i}", Encoding.UTF8.GetString((await peer.ReceiveAsync(patience.Token)).Data));
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task The_client_closes(string ways)
    {
        string[] transports = ways.Split(' ');
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        await using EchoHost host = await EchoHost.StartAsync(_ => { });
        await using EnginePeer peer = EnginePeer.Start(host.Url, transports);
        await (transports.Length > 1 ? peer.Upgraded : peer.Open).WaitAsync(patience.Token);
        Connection connection = host.TheConnection;

        await peer.CloseAsync();

        Assert.Equal("forced close", await peer.Closed.WaitAsync(patience.Token));
        Assert.Equal(CloseCause.PeerClosed, (await connection.Closed.WaitAsync(patience.Token)).Cause);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task The_server_closes(string ways)
    {
        string[] transports = ways.Split(' ');
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        await using EchoHost host = await EchoHost.StartAsync(options => options.CloseTimeout = Patience);
        await using EnginePeer peer = EnginePeer.Start(host.Url, transports);
        await (transports.Length > 1 ? peer.Upgraded : peer.Open).WaitAsync(patience.Token);
        Connection connection = host.TheConnection;

        CloseInfo info = await connection.CloseAsync(4000, "enough").AsTask().WaitAsync(patience.Token);

        Assert.Equal((CloseCause.LocalClose, 4000), (info.Cause, info.Code));
        await peer.Closed.WaitAsync(patience.Token);
    }
}
