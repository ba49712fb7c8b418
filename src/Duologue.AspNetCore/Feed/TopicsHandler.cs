using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>
/// The WebSockets of many topics, in the subprotocol <c>duologue.topics.v1</c>: does what each client asks, one request after the other, and answers in that order. Where the broker keeps the order of publishes, the next
/// goes to it before the one before has an answer. One per endpoint. Source: docs/topics-protocol.md.
/// </summary>
internal sealed class TopicsHandler(TopicHub topics, TopicAuthorization authorization) : MessageHandler
{
    // A reference is the client's to find its request by, not to store things in.
    private const int MaxRefLength = 64;

    private const string HalfAPair = " has half of a surrogate pair, which is no character.";

    public override async ValueTask OnMessageAsync(Connection connection, Message message)
    {
        try
        {
            await HandleAsync(connection, message).ConfigureAwait(false);
        }
        catch (ConnectionClosedException)
        {
            // It went while it was being answered; its end is told by its own event.
        }
    }

    private ValueTask HandleAsync(Connection connection, Message message)
    {
        if (message.Type != MessageType.Text)
        {
            return FailAsync(connection, "bad_message", "A message of this subprotocol is JSON, in a text message.", null, null);
        }

        TopicsRequest? request;
        try
        {
            request = JsonSerializer.Deserialize(message.Data.Span, FeedContext.Default.TopicsRequest);
        }
        catch (JsonException error)
        {
            return FailAsync(connection, "bad_message", $"The message is no request in JSON (at {error.Path ?? "$"}, byte {error.BytePositionInLine + 1}).", null, FindRef(message.Data.Span));
        }

        if (request?.Type is null)
        {
            return FailAsync(connection, "bad_message", "The message has no type.", null, null);
        }

        if (request.Ref is { } reference && !IsRef(reference))
        {
            return FailAsync(connection, "bad_message", $"ref is a string or a number of at most {MaxRefLength} bytes.", request.Topic, null);
        }

        if (request.Ref is { } text && !IsText(text))
        {
            return FailAsync(connection, "bad_message", "ref" + HalfAPair, request.Topic, null);
        }

        return request.Type switch
        {
            "subscribe" => SubscribeAsync(connection, request),
            "unsubscribe" => UnsubscribeAsync(connection, request),
            "publish" => PublishAsync(connection, request),
            "ping" => AnswerAsync(connection, new DoneMessage("pong", null, request.Ref), FeedContext.Default.DoneMessage),
            _ => FailAsync(connection, "bad_message", "The type is none of subscribe, unsubscribe, publish, ping.", request),
        };
    }

    private async ValueTask SubscribeAsync(Connection connection, TopicsRequest request)
    {
        await OwedAnswers.WhenSentAsync((WebSocketConnection)connection).ConfigureAwait(false);
        string topic = request.Topic ?? "";
        bool isPattern = TopicName.IsPattern(topic);
        if (TopicName.FindPatternError(topic) is { } error)
        {
            await FailAsync(connection, "bad_topic", error, request).ConfigureAwait(false);
            return;
        }

        // On a socket that stays, what is wanted first is news; who wants the history says so.
        if ((request.After is null ? TopicStart.Now : FeedQuery.TryReadStart(request.After)) is not { } start)
        {
            await FailAsync(connection, "bad_cursor", "after is no cursor: send what the last page had as next or id, unchanged; or now, or oldest.", request).ConfigureAwait(false);
            return;
        }

        if (isPattern && (start.Kind != TopicStartKind.Now || request.Presence))
        {
            await FailAsync(connection, "bad_request", "A pattern stands for many topics: it begins now, and has no presence.", request).ConfigureAwait(false);
            return;
        }

        if (!isPattern && !authorization.MaySubscribe(topic, connection.Request!.User))
        {
            await FailAsync(connection, "forbidden", "You may not read this topic.", request).ConfigureAwait(false);
            return;
        }

        ConnectionState state = ConnectionState.Of(connection, out WebSocketConnection socket);
        bool subscribed;
        try
        {
            subscribed = isPattern
                ? topics.Subscribe(socket, state, topic, MemberForm.Protocol, name => authorization.MaySubscribe(name, socket.Request!.User))
                : (await topics.SubscribeAsync(socket, state, topic, start, new ProtocolSink(socket, topic, request.Ref), CancellationToken.None).ConfigureAwait(false)).IsSubscribed;
        }
        catch (TopicLimitException limit)
        {
            await FailAsync(connection, limit, request).ConfigureAwait(false);
            return;
        }
        catch (BrokerUnavailableException unavailable)
        {
            await FailAsync(connection, "unavailable", unavailable.Message, request).ConfigureAwait(false);
            return;
        }

        if (!subscribed)
        {
            await FailAsync(connection, "already_subscribed", "This socket subscribes to that already.", request).ConfigureAwait(false);
            return;
        }

        if (isPattern)
        {
            await AnswerAsync(connection, new SubscribedMessage(topic, request.Ref), FeedContext.Default.SubscribedMessage).ConfigureAwait(false);
        }
        else if (request.Presence)
        {
            topics.WatchPresence(new Member(socket, MemberForm.Protocol), topic);
        }
    }

    private async ValueTask UnsubscribeAsync(Connection connection, TopicsRequest request)
    {
        await OwedAnswers.WhenSentAsync((WebSocketConnection)connection).ConfigureAwait(false);
        string topic = request.Topic ?? "";
        if (TopicName.FindPatternError(topic) is { } error)
        {
            await FailAsync(connection, "bad_topic", error, request).ConfigureAwait(false);
            return;
        }

        ConnectionState state = ConnectionState.Of(connection, out WebSocketConnection socket);
        if (!topics.Unsubscribe(socket, state, topic, MemberForm.Protocol))
        {
            await FailAsync(connection, "not_subscribed", "This socket does not subscribe to that.", request).ConfigureAwait(false);
            return;
        }

        await AnswerAsync(connection, new DoneMessage("unsubscribed", topic, request.Ref), FeedContext.Default.DoneMessage).ConfigureAwait(false);
    }

    private ValueTask PublishAsync(Connection connection, TopicsRequest request)
    {
        string topic = request.Topic ?? "";
        if (TopicName.FindError(topic) is { } error)
        {
            return RefuseAsync(connection, PublishRefusal.BadTopic, error, request);
        }

        if (!authorization.MayPublish(topic, connection.Request!.User))
        {
            string sentence = authorization.AllowsPublishing ? "You may not publish to this topic." : "Clients may not publish here (AllowPublishing).";
            return RefuseAsync(connection, PublishRefusal.Forbidden, sentence, request);
        }

        if (MessageOf(request, out string? wrong) is not { } message)
        {
            return RefuseAsync(connection, PublishRefusal.BadRequest, wrong!, request);
        }

        // First among those that have no answer yet: when one is answered, it is among those that were not done before it leaves them.
        PublishTurn? before = request.Behind is { } key ? OwedAnswers.Find((WebSocketConnection)connection, key) : null;
        if (before is null && request.Behind is { } undone && UndonePublishes.Has(connection, undone))
        {
            topics.PublishRefused(PublishRefusal.Behind);
            UndonePublishes.Add(connection, request.Key);
            return FailAsync(connection, "unavailable", PublishTurn.Refusal, request);
        }

        bool isAhead = topics.Broker.TakesAhead;
        PublishTurn? turn = isAhead || before is not null ? new PublishTurn(request.Key, before) : null;
        message.Turn = turn;
        Task<byte[]> answer = AppendAsync(connection, topic, message, request);
        return isAhead ? OwedAnswers.AddAsync((WebSocketConnection)connection, answer, turn) : SendAsync(connection, answer);
    }

    // It is never done, but what stood behind it comes behind what it was to come behind.
    private async ValueTask RefuseAsync(Connection connection, string code, string sentence, TopicsRequest request)
    {
        topics.PublishRefused(code);
        await OwedAnswers.WhenSentAsync((WebSocketConnection)connection).ConfigureAwait(false);
        if (request.Behind is { } before && IdempotencyKey.IsValid(request.Key ?? "") && UndonePublishes.Has(connection, before))
        {
            UndonePublishes.Add(connection, request.Key);
        }

        await FailAsync(connection, code, sentence, request).ConfigureAwait(false);
    }

    /// <summary>Publishes, and gives the answer in UTF-8.</summary>
    private async Task<byte[]> AppendAsync(Connection connection, string topic, TopicMessage message, TopicsRequest request)
    {
        try
        {
            TopicPosition position = await topics.PublishAsync(topic, message, CancellationToken.None).ConfigureAwait(false);
            UndonePublishes.Remove(connection, request.Key);
            return JsonSerializer.SerializeToUtf8Bytes(new PublishedMessage(topic, request.Ref, position.ToString()), FeedContext.Default.PublishedMessage);
        }
        catch (TopicLimitException limit)
        {
            topics.PublishRefused(PublishRefusal.Limit);
            GiveUp(connection, message);
            return JsonSerializer.SerializeToUtf8Bytes(ErrorOf(limit, request), FeedContext.Default.ErrorMessage);
        }
        catch (BrokerUnavailableException unavailable)
        {
            topics.PublishRefused(PublishRefusal.Of(unavailable));
            GiveUp(connection, message);
            return JsonSerializer.SerializeToUtf8Bytes(new ErrorMessage("unavailable", unavailable.Message, request.Topic, request.Ref), FeedContext.Default.ErrorMessage);
        }
        catch
        {
            GiveUp(connection, message);
            throw;
        }
    }

    private static void GiveUp(Connection connection, TopicMessage message)
    {
        message.Turn?.NotDone();
        UndonePublishes.Add(connection, message.IdempotencyKey);
    }

    private static TopicMessage? MessageOf(TopicsRequest request, out string? error)
    {
        error = null;
        JsonElement data = request.Data;
        if (data.ValueKind == JsonValueKind.Undefined)
        {
            error = "There is no data to publish.";
            return null;
        }

        string? key = request.Key;
        if (key is not null && !IdempotencyKey.IsValid(key))
        {
            error = "key: " + IdempotencyKey.Rule;
            return null;
        }

        if (!IsText(data))
        {
            error = "data" + HalfAPair;
            return null;
        }

        switch (request.Encoding)
        {
            case null when data.ValueKind == JsonValueKind.String:
                return new TopicMessage(Fanout.Encode(data.GetString()!, MessageFlags.None), MessageType.Text, isJson: false) { IdempotencyKey = key };
            case null:
                return CompactMessage(data, key, out error);
            case "base64" when data.ValueKind == JsonValueKind.String && data.TryGetBytesFromBase64(out byte[]? bytes):
                return new TopicMessage(new BroadcastFrame(Opcode.Binary, bytes, MessageFlags.None), MessageType.Binary, isJson: false) { IdempotencyKey = key };
            case "base64":
                error = "data is not in Base64, though encoding says so.";
                return null;
            default:
                error = "encoding is base64, or is left out.";
                return null;
        }
    }

    private static TopicMessage? CompactMessage(JsonElement data, string? key, out string? error)
    {
        error = null;
        try
        {
            return TopicHub.JsonMessage(FeedJson.Compact(JsonMarshal.GetRawUtf8Value(data).ToArray()), key);
        }
        catch (InvalidOperationException)
        {
            error = "data" + HalfAPair;
            return null;
        }
    }

    // The ref of what is no request, so that whoever sent it learns which of its messages that was.
    private static JsonElement? FindRef(ReadOnlySpan<byte> json)
    {
        // What is nested too deep is passed over, and what is broken is only looked at up to there.
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 1_000 });
        try
        {
            _ = reader.Read();
            while (reader.TokenType != JsonTokenType.StartArray && reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isRef = reader.ValueTextEquals("ref"u8);
                _ = reader.Read();
                if (isRef)
                {
                    JsonElement reference = JsonElement.ParseValue(ref reader);
                    return IsRef(reference) && IsText(reference) ? reference : null;
                }

                reader.Skip();
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // It stands behind what is broken, or behind a name that is no text, or nowhere.
        }

        return null;
    }

    private static bool IsRef(JsonElement reference) =>
        reference.ValueKind is JsonValueKind.String or JsonValueKind.Number && reference.GetRawText().Length <= MaxRefLength;

    // RFC 8259 §8.2: an escape may spell half of a surrogate pair, which no reader turns into text.
    private static bool IsText(JsonElement element)
    {
        try
        {
            _ = element.ValueKind != JsonValueKind.String || element.GetString() is not null;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static ValueTask FailAsync(Connection connection, string code, string message, TopicsRequest request) =>
        FailAsync(connection, code, message, request.Topic, request.Ref);

    private static ValueTask FailAsync(Connection connection, TopicLimitException limit, TopicsRequest request) =>
        AnswerAsync(connection, ErrorOf(limit, request), FeedContext.Default.ErrorMessage);

    private static ErrorMessage ErrorOf(TopicLimitException limit, TopicsRequest request) => new("limit", limit.Message, request.Topic, request.Ref) { Limit = limit.Name };

    private static ValueTask FailAsync(Connection connection, string code, string message, string? topic, JsonElement? reference) =>
        AnswerAsync(connection, new ErrorMessage(code, message, topic, reference), FeedContext.Default.ErrorMessage);

    private static ValueTask AnswerAsync<T>(Connection connection, T answer, JsonTypeInfo<T> type) =>
        SendAsync(connection, Task.FromResult(JsonSerializer.SerializeToUtf8Bytes(answer, type)));

    private static async ValueTask SendAsync(Connection connection, Task<byte[]> answer)
    {
        // Behind what is owed for the requests before.
        await OwedAnswers.WhenSentAsync((WebSocketConnection)connection).ConfigureAwait(false);
        await connection.SendAsync(await answer.ConfigureAwait(false), MessageType.Text, CancellationToken.None).ConfigureAwait(false);
    }
}

/// <summary>Says that a subscription has begun, and sends pages.</summary>
internal sealed class ProtocolSink(WebSocketConnection connection, string topic, JsonElement? reference) : MemberSink(MemberForm.Protocol)
{
    public override async ValueTask SendAsync(TopicPage page, bool isFirst, CancellationToken cancellationToken)
    {
        if (isFirst)
        {
            byte[] subscribed = JsonSerializer.SerializeToUtf8Bytes(new SubscribedMessage(topic, reference), FeedContext.Default.SubscribedMessage);
            await connection.SendAsync(subscribed, MessageType.Text, MessageFlags.None, cancellationToken).ConfigureAwait(false);
        }

        byte[] items = TopicsProtocol.EncodeItems(topic, page).ToArray();
        await connection.SendAsync(items, MessageType.Text, FeedJson.FlagsOf(page), cancellationToken).ConfigureAwait(false);
    }
}
