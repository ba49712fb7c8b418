using System.Buffers;

namespace Duologue.AspNetCore;

/// <summary>A WebSocket of one topic: pages are pushed, and what the client sends is published, where that is allowed. One per connection.</summary>
internal sealed class FeedSocket(TopicHub topics, string topic, TopicStart start, TopicAuthorization authorization) : MessageHandler
{
    private const ushort PolicyViolation = 1008;
    private const ushort TryAgainLater = 1013;

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
        if (!authorization.MayPublish(topic, connection.Request!.User))
        {
            string reason = authorization.AllowsPublishing ? "You may not publish to this topic." : "Clients may not publish here (AllowPublishing).";
            await connection.CloseAsync(PolicyViolation, reason).ConfigureAwait(false);
            return;
        }

        try
        {
            await topics.PublishAsync(topic, message.Data, message.Type, CancellationToken.None).ConfigureAwait(false);
        }
        catch (BrokerUnavailableException unavailable)
        {
            string fate = unavailable.IsUnknown ? "a message may have been published or not" : "a message was not published";
            await connection.CloseAsync(TryAgainLater, $"What stores the topics is away for the moment: {fate}.").ConfigureAwait(false);
        }
        catch (TopicLimitException limit)
        {
            await connection.CloseAsync(TryAgainLater, $"There are {limit.Limit} topics, which is the most ({limit.Option}).").ConfigureAwait(false);
        }
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
