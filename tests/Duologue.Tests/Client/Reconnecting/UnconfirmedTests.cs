using System.Runtime.CompilerServices;
using Duologue.Client;
using Duologue.Protocol;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Peer;
using Duologue.Tests.Protocol;

namespace Duologue.Tests.Client.Reconnecting;

public class UnconfirmedTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_pong_has_come_behind_has_arrived()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        await using var connection = (WebSocketConnection)await Connection.ConnectAsync(server.Uri, Token);
        var unconfirmed = new Unconfirmed(connection, TimeProvider.System);

        // The second comes while the ping behind the first is under way, or rests: another one follows.
        for (int i = 1; i <= 2; i++)
        {
            await connection.SendAsync("abc", Token);
            unconfirmed.Add(Message(i));
        }

        await Waiting.Until(() => unconfirmed.Take(isAnswered: false).Count == 0);
    }

    [Fact]
    public async Task What_no_pong_has_come_behind_is_unknown()
    {
        await using var server = new RawServer(async exchange =>
        {
            await exchange.WriteAsync(exchange.Accept());
            await exchange.ReadToEndAsync();
        });
        var connection = (WebSocketConnection)await Connection.ConnectAsync(server.Uri, Token);
        var unconfirmed = new Unconfirmed(connection, TimeProvider.System);
        unconfirmed.Add(Message(4));
        unconfirmed.Add(Message(6));
        connection.Abort();
        await connection.Closed.Soon();
        unconfirmed.Add(Message(7));
        Assert.Equal(new Unconfirmed.Sent(4, 7, 3, 9), unconfirmed.Take(isAnswered: false));
    }

    [Fact]
    public async Task A_pong_to_a_ping_that_had_left_before_a_message_was_a_sign_of_its_arrival()
    {
        // So many pings of the application's that one more shares the latest.
        await using RawPeer peer = RawPeer.Start(role: Role.Client);
        List<Task<TimeSpan>> pings = [.. Enumerable.Range(0, 16).Select(_ => peer.Connection.PingAsync(Token).AsTask())];
        List<byte[]> payloads = [];
        while (payloads.Count < pings.Count)
        {
            payloads.Add(await peer.ReadAsync(WireFrame.Ping));
        }

        var unconfirmed = new Unconfirmed(peer.Connection, TimeProvider.System);
        await peer.Connection.SendAsync("abc", Token);
        unconfirmed.Add(Message(1));
        await peer.Connection.SendAsync("behind", Token);
        Assert.Equal("abc", await peer.ReadTextAsync());
        byte[] behind = await peer.ReadAsync(WireFrame.Ping);

        await peer.SendAsync([.. payloads.Select(payload => new WireFrame(WireFrame.Pong, payload))]);
        await Task.WhenAll(pings).Soon();
        Assert.Equal(new Unconfirmed.Sent(1, 1, 1, 3), unconfirmed.Take(isAnswered: false));
        await peer.SendAsync(new WireFrame(WireFrame.Pong, behind));
        await Waiting.Until(() => unconfirmed.Take(isAnswered: false).Count == 0);
    }

    [Fact]
    public async Task In_a_session_that_no_client_can_ping_all_stays_unknown_and_an_exception_was_seen_by_nobody()
    {
        using var unseen = new UnseenExceptions();
        Assert.Equal(new Unconfirmed.Sent(1, 2, 2, 6), SendInSession());
        Assert.DoesNotContain(await unseen.CollectAsync(), exception => exception is NotSupportedException);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Unconfirmed.Sent SendInSession()
    {
        var session = new WebSocketConnection(new ConnectionSetup { Role = Role.Client, IsSession = true, Options = new ConnectionOptions(), Observer = ConnectionObserver.None });
        var unconfirmed = new Unconfirmed(session, TimeProvider.System);
        unconfirmed.Add(Message(1));
        unconfirmed.Add(Message(2));
        return unconfirmed.Take(isAnswered: false);
    }

    private static KeptMessage Message(long number) => new(number, MessageType.Text, "abc"u8.ToArray(), keeps: true, long.MaxValue);
}
