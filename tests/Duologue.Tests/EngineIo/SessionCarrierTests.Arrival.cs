using System.Text;
using Duologue.Protocol;
using Duologue.Tests.Peer;

namespace Duologue.Tests.EngineIo;

/// <summary>What arrives, and what passes for taken when the handler or a limit ends it.</summary>
public partial class SessionCarrierTests
{
    [Theory]
    [InlineData((int)Role.Server)]
    [InlineData((int)Role.Client)]
    public async Task What_arrives_is_received_in_order(int role)
    {
        var session = new TestSession((Role)role);
        session.Carrier.OnMessage(MessageType.Text, "one"u8);
        session.Carrier.OnMessage(MessageType.Binary, [2]);
        await session.Carrier.DispatchAsync().Soon();

        Assert.Equal("one", (await session.Connection.ReceiveAsync(TestContext.Current.CancellationToken).Soon()).Text);
        Assert.Equal([2], (await session.Connection.ReceiveAsync(TestContext.Current.CancellationToken).Soon()).ToArray());
    }

    [Fact]
    public async Task Who_does_not_receive_holds_the_transport_back_and_loses_nothing()
    {
        var session = new TestSession(Role.Server);
        string[] texts = [.. Enumerable.Range(0, 30).Select(i => $"{i}:" + new string('x', 10_000))];
        foreach (string text in texts)
        {
            session.Carrier.OnMessage(MessageType.Text, Encoding.UTF8.GetBytes(text));
        }

        Task dispatched = session.Carrier.DispatchAsync().AsTask();
        Assert.False(dispatched.IsCompleted);

        foreach (string text in texts)
        {
            Assert.Equal(text, (await session.Connection.ReceiveAsync(TestContext.Current.CancellationToken).Soon()).Text);
        }

        await dispatched.Soon();
    }

    [Fact]
    public async Task What_came_in_one_batch_with_the_message_at_which_the_handler_aborted_passed_for_taken()
    {
        int messages = 0;
        var session = new TestSession(Role.Server, options => options, new TestHandler { OnMessage = Abort });
        foreach (string text in (string[])["1", "2", "3"])
        {
            session.Carrier.OnMessage(MessageType.Text, Encoding.UTF8.GetBytes(text));
        }

        await session.Carrier.DispatchAsync().Soon();

        Assert.Equal(1, messages);
        Assert.True(session.Carrier.IsCut);

        ValueTask Abort(Connection connection, Message message)
        {
            messages++;
            connection.Abort();
            return default;
        }
    }

    [Fact]
    public async Task The_only_message_of_a_batch_is_taken_though_the_handler_aborts_at_it()
    {
        var session = new TestSession(Role.Server, options => options, new TestHandler { OnMessage = Abort });
        session.Carrier.OnMessage(MessageType.Text, "1"u8);

        await session.Carrier.DispatchAsync().Soon();

        Assert.False(session.Carrier.IsCut);

        static ValueTask Abort(Connection connection, Message message)
        {
            connection.Abort();
            return default;
        }
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(3, true)]
    public async Task What_came_in_one_batch_with_the_message_at_which_the_handler_threw_passed_for_taken(int count, bool isCut)
    {
        int messages = 0;
        var session = new TestSession(Role.Server, options => options, new TestHandler { OnMessage = Throw });
        for (int i = 0; i < count; i++)
        {
            session.Carrier.OnMessage(MessageType.Text, "x"u8);
        }

        await session.Carrier.DispatchAsync().Soon();

        Assert.Equal(1, messages);
        Assert.Equal(isCut, session.Carrier.IsCut);

        // Not the end yet: the close is still to be fetched.
        Assert.False(session.Connection.Closed.IsCompleted);

        ValueTask Throw(Connection connection, Message message)
        {
            messages++;
            throw new InvalidOperationException("by the test");
        }
    }

    [Fact]
    public async Task What_waited_for_a_handler_that_failed_later_passed_for_taken()
    {
        var failure = new TaskCompletionSource();
        var session = new TestSession(Role.Server, options => options, new TestHandler { OnMessage = (_, _) => new ValueTask(failure.Task) });
        session.Carrier.OnMessage(MessageType.Text, "1"u8);
        session.Carrier.OnMessage(MessageType.Text, "2"u8);
        await session.Carrier.DispatchAsync().Soon();
        Assert.False(session.Carrier.IsCut);

        failure.SetException(new InvalidOperationException("by the test"));

        Assert.True(session.Carrier.IsCut);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_message_that_broke_a_limit_of_the_connections_passed_for_taken(bool isPushed)
    {
        var session = new TestSession(Role.Server, options => options with { MaxMessageSize = 3 }, isPushed ? new TestHandler() : null);
        Task<Message>? received = isPushed ? null : session.Connection.ReceiveAsync(TestContext.Current.CancellationToken).AsTask();
        session.Carrier.OnMessage(MessageType.Text, "four"u8);

        await session.Carrier.DispatchAsync().Soon();

        Assert.True(session.Carrier.IsCut);
        session.Connection.Abort();
        if (received is not null)
        {
            await Assert.ThrowsAnyAsync<ConnectionClosedException>(() => received.Soon());
        }
    }
}
