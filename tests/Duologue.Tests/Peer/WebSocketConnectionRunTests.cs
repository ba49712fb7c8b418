using Duologue.Carriers;
using Duologue.Protocol;
using Duologue.Tests.Protocol;

namespace Duologue.Tests.Peer;

/// <summary>What a batch shares: the right to call the handler, and the way of its answers to the carrier.</summary>
public class WebSocketConnectionRunTests
{
    [Fact]
    public void The_handler_is_free_when_the_batch_has_been_received()
    {
        var handler = new Counting();
        WebSocketConnection connection = Open(handler, new TakingCarrier());

        connection.OnReceived(Frames(3));

        Assert.Equal(3, handler.Count);
        Assert.False(connection.IsHandling);
    }

    [Fact]
    public void An_observer_that_throws_within_a_batch_does_not_keep_the_handler_from_the_end()
    {
        var handler = new Counting();
        WebSocketConnection connection = Open(handler, new TakingCarrier(), new Throwing { From = 2 });

        Assert.Throws<InvalidTimeZoneException>(() => connection.OnReceived(Frames(3)));
        connection.Abort();

        Assert.Equal((1, true), (handler.Count, handler.IsClosed));
    }

    [Fact]
    public void A_Close_right_behind_messages_is_answered_at_once()
    {
        var handler = new Counting();
        WebSocketConnection connection = Open(handler, new TakingCarrier());
        byte[] bytes = [.. Frames(1), .. new WireFrame(WireFrame.Close, []).Masked().ToBytes()];

        connection.OnReceived(bytes);
        connection.OnBatchEnd();

        // The peer's Close is answered at once only if no call is under way.
        Assert.True(connection.IsEnding);
    }

    [Fact]
    public void What_the_carrier_takes_at_once_needs_no_flush()
    {
        var wire = new TakingCarrier();
        WebSocketConnection connection = Open(new Counting(), wire);

        Assert.Equal(SendResult.Sent, connection.Send("news"));

        Assert.Equal((1, 0, 0L), (wire.Taken, wire.Flushes, connection.BufferedAmount));
    }

    [Fact]
    public void A_Close_is_flushed_for_its_end_is_waited_for()
    {
        var wire = new TakingCarrier();
        WebSocketConnection connection = Open(new Counting(), wire);

        connection.BeginClose(1000, "", CloseCause.LocalClose);

        Assert.Equal(1, wire.Flushes);
    }

    private static WebSocketConnection Open(IMessageHandler handler, Carrier wire, ConnectionObserver? observer = null)
    {
        var connection = new WebSocketConnection(new ConnectionSetup
        {
            Role = Role.Server,
            Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan },
            Handler = handler,
            Observer = observer ?? ConnectionObserver.None,
        });
        connection.Start(wire);
        return connection;
    }

    private static byte[] Frames(int count) => [.. Enumerable.Repeat(WireFrame.OfText("news"u8), count).SelectMany(frame => frame.Masked().ToBytes())];

    private sealed class Counting : IMessageHandler
    {
        public int Count { get; private set; }

        public bool IsClosed { get; private set; }

        public ValueTask OnOpenAsync(Connection connection) => ValueTask.CompletedTask;

        public ValueTask OnMessageAsync(Connection connection, Message message)
        {
            Count++;
            return ValueTask.CompletedTask;
        }

        public ValueTask OnCloseAsync(Connection connection, CloseInfo info)
        {
            IsClosed = true;
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Throwing : ConnectionObserver
    {
        private int _seen;

        public int From { get; init; }

        public override void MessageReceived(WebSocketConnection connection, int bytes)
        {
            if (++_seen >= From)
            {
                throw new InvalidTimeZoneException("A listener of others failed.");
            }
        }
    }
}
