using System.Buffers;

namespace Duologue.AspNetCore;

/// <summary>
/// A WebSocket of one topic: pages are pushed, and what the client sends is published, where that is allowed. Where the broker keeps the order of publishes, the next goes to it before the one before is done. One per connection.
/// </summary>
internal sealed class FeedSocket(TopicHub topics, string topic, TopicStart start, TopicAuthorization authorization) : MessageHandler
{
    private const ushort PolicyViolation = 1008;
    private const ushort TryAgainLater = 1013;

    // The handler's calls': the last publish, and its place where the broker takes them ahead.
    private Task _last = Task.CompletedTask;
    private PublishTurn? _turn;

    // A publish was not done, or may not have been: the socket closes, and nothing more that comes over it is published. Any thread.
    private volatile bool _hasFailed;

    public override async ValueTask OnOpenAsync(Connection connection)
    {
        ConnectionState state = ConnectionState.Of(connection, out WebSocketConnection socket);
        try
        {
            await topics.SubscribeAsync(socket, state, topic, start, new FeedSink(socket), CancellationToken.None).ConfigureAwait(false);
        }
        catch (TopicLimitException limit)
        {
            await connection.CloseAsync(TryAgainLater, $"There are {limit.Limit} topics, which is the most ({limit.Option}).").ConfigureAwait(false);
        }
        catch (BrokerUnavailableException)
        {
            await connection.CloseAsync(TryAgainLater, "What stores the topics is away for the moment.").ConfigureAwait(false);
        }
        catch (ConnectionClosedException)
        {
            // It went while it was told what it had missed; its end is told by its own event.
        }
    }

    public override async ValueTask OnMessageAsync(Connection connection, Message message)
    {
        var socket = (WebSocketConnection)connection;
        if (!authorization.MayPublish(topic, connection.Request!.User))
        {
            // Behind what it has published before: that is done first.
            await OwedAnswers.WhenSentAsync(socket).ConfigureAwait(false);
            topics.PublishRefused(PublishRefusal.Forbidden);
            string reason = authorization.AllowsPublishing ? "You may not publish to this topic." : "Clients may not publish here (AllowPublishing).";
            await connection.CloseAsync(PolicyViolation, reason).ConfigureAwait(false);
            return;
        }

        if (_hasFailed)
        {
            // It was sent before the peer has read that the socket closes.
            topics.PublishRefused(PublishRefusal.Behind);
            return;
        }

        // Each is to come behind the one before: the client has no answers by which to repeat those that were not done.
        // So does one that is not taken ahead: those before it may have been, and not be done yet.
        bool isAhead = topics.Broker.TakesAhead;
        _turn = isAhead || _turn is not null ? new PublishTurn(null, _turn) : null;
        var copy = new TopicMessage(Fanout.Encode(message.Data.Span, message.Type, MessageFlags.None), message.Type, isJson: false) { Turn = _turn };
        Task<byte[]> done = PublishAsync(socket, copy, _last);
        _last = done;
        if (isAhead)
        {
            await OwedAnswers.AddAsync(socket, done, _turn).ConfigureAwait(false);
        }
        else
        {
            await done.ConfigureAwait(false);
        }
    }

    // Empty: a publish has no answer here.
    private async Task<byte[]> PublishAsync(WebSocketConnection socket, TopicMessage message, Task before)
    {
        try
        {
            await topics.PublishAsync(topic, message, CancellationToken.None).ConfigureAwait(false);
        }
        catch (BrokerUnavailableException unavailable)
        {
            string fate = unavailable.IsUnknown ? "a message may have been published or not" : "a message was not published";
            await FailAsync(socket, message, before, PublishRefusal.Of(unavailable), $"What stores the topics is away for the moment: {fate}.").ConfigureAwait(false);
        }
        catch (TopicLimitException limit)
        {
            await FailAsync(socket, message, before, PublishRefusal.Limit, $"There are {limit.Limit} topics, which is the most ({limit.Option}).").ConfigureAwait(false);
        }
        catch
        {
            GiveUp(message);
            throw;
        }

        return [];
    }

    private async Task FailAsync(WebSocketConnection socket, TopicMessage message, Task before, string why, string reason)
    {
        GiveUp(message);
        topics.PublishRefused(why);

        // The peer is told of the first that was not done.
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        socket.BeginClose(TryAgainLater, reason, CloseCause.LocalClose);
    }

    private void GiveUp(TopicMessage message)
    {
        _hasFailed = true;
        message.Turn?.NotDone();
    }
}

/// <summary>Sends pages.</summary>
internal sealed class FeedSink(WebSocketConnection connection) : MemberSink(MemberForm.Feed)
{
    public override async ValueTask SendAsync(TopicPage page, bool isFirst, CancellationToken cancellationToken)
    {
        var output = new ArrayBufferWriter<byte>((int)FeedJson.LengthOf(page));
        FeedJson.WritePage(output, page);
        await connection.SendAsync(output.WrittenMemory, MessageType.Text, FeedJson.FlagsOf(page), cancellationToken).ConfigureAwait(false);
    }
}
