using System.Buffers;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;

namespace Duologue.AspNetCore.Tests.Pubsub;

public class DeliveryTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_that_could_not_be_made_a_frame_left_those_asleep_who_waited_for_it()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        using ClientWebSocket plain = await host.ConnectAsync("/");
        ConnectionState.Of(Assert.Single(host.Connections), out WebSocketConnection raw);
        using ClientWebSocket other = await host.ConnectAsync("/");
        ConnectionState.Of(host.Connections.Single(connection => connection != raw), out WebSocketConnection protocol);
        using TopicSubscription reader = await host.Topics.SubscribeAsync("t", TopicStart.Now, Token);
        Task<WaitEnd> waiting = reader.WaitAsync(Timeout.InfiniteTimeSpan, Token).AsTask();
        TopicSubscription[] waiters = ArrayPool<TopicSubscription>.Shared.Rent(1);
        waiters[0] = reader;
        var message = new TopicMessage(new TopicPosition(1, 1), MessageType.Text, "x"u8.ToArray());

        // Half of a surrogate pair, which no frame of the subprotocol can have in its topic.
        var delivery = new Delivery("\ud800", [message], new MemberSnapshot([new(raw, MemberForm.Raw), new(protocol, MemberForm.Protocol)]), waiters, 1);

        Assert.ThrowsAny<ArgumentException>(() => delivery.Settle());
        Assert.Equal(WaitEnd.Arrived, await waiting.WaitAsync(TestHost.Patience, Token));
        Assert.Equal("x", await plain.ReceiveTextAsync());

        // Who cannot have it is ended, and comes back behind what it has had.
        Assert.Equal(CloseCause.Aborted, (await protocol.Closed.WaitAsync(TestHost.Patience, Token)).Cause);
    }
}
