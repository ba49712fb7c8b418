using System.Text;

namespace Duologue;

/// <summary>
/// What a subscription to a topic gives: a <see cref="TopicItem"/>, a <see cref="TopicReset"/> where items are gone, or, where it was asked for, a <see cref="TopicPresence"/>.
/// </summary>
public abstract class TopicNews
{
    private protected TopicNews(string topic, string cursor) => (Topic, Cursor) = (topic, cursor);

    /// <summary>The topic.</summary>
    public string Topic { get; }

    /// <summary>Where to continue, in another process or another time: a text for <see cref="TopicClient.SubscribeAsync(string, string, CancellationToken)"/>.</summary>
    public string Cursor { get; }
}

/// <summary>A message of a topic.</summary>
public sealed class TopicItem : TopicNews
{
    internal TopicItem(string topic, string cursor)
        : base(topic, cursor)
    {
    }

    /// <summary>When it was published, by the server's clock.</summary>
    public DateTimeOffset Time { get; internal init; }

    /// <summary>Text or binary.</summary>
    public MessageType Type { get; internal init; }

    /// <summary>Whether the text is a JSON value, and was not published as a string.</summary>
    public bool IsJson { get; internal init; }

    /// <summary>The payload; of text its UTF-8. Nobody changes it any more.</summary>
    public ReadOnlyMemory<byte> Data { get; internal init; }

    /// <summary>The payload decoded as UTF-8; a new string at each call.</summary>
    public string Text => Encoding.UTF8.GetString(Data.Span);
}

/// <summary>
/// Messages are gone that the subscription has not had: the server's history is shorter than the client was away, or one of them is larger than the client reads (eight times <see cref="ConnectionOptions.MaxMessageSize"/>, and 8 MiB), which
/// the log names. What is still there follows.
/// </summary>
public sealed class TopicReset : TopicNews
{
    internal TopicReset(string topic, string cursor, long? lost)
        : base(topic, cursor) => Lost = lost;

    /// <summary>How many messages are known lost; null if that cannot be known, as where the topic has begun anew.</summary>
    public long? Lost { get; }
}

/// <summary>The ways by which a <see cref="TopicClient"/> may have topics, the better first. Source: docs/topics.md.</summary>
[Flags]
public enum FeedWays
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>One WebSocket for all topics, with the subprotocol <c>duologue.topics.v1</c>.</summary>
    WebSocket = 1,

    /// <summary>An answer that does not end for each topic: server-sent events.</summary>
    ServerSentEvents = 2,

    /// <summary>A request for each topic that is held until there is news.</summary>
    LongPolling = 4,

    /// <summary>A request for each topic every <see cref="TopicClientOptions.PollInterval"/>.</summary>
    Polling = 8,

    /// <summary>Whichever gets through.</summary>
    All = WebSocket | ServerSentEvents | LongPolling | Polling,
}

/// <summary>A topic cannot be had, or published to.</summary>
public sealed class TopicException : DuologueException
{
    internal TopicException(string code, string message, Exception? inner)
        : base(message, inner) => Code = code;

    /// <summary>
    /// Which: a code of <c>duologue.topics.v1</c> (docs/topics-protocol.md) such as <c>forbidden</c>; <c>status</c> if the server has answered a request with <see cref="StatusCode"/> alone;
    /// <c>unknown</c> if a publish may be in the topic or not, because no answer has come in <see cref="TopicClientOptions.RepeatFor"/>, or because a repeat is refused, for what the inner exception says, or as too large for its server; <c>ended</c> if the client has ended;
    /// <c>needs_websocket</c> if what was asked for cannot be had by the way in use; <c>too_large</c> if what the server says of the topic is larger than the client reads, and does not say where to go on behind it.
    /// </summary>
    public string Code { get; }

    /// <summary>The HTTP status of the answer; null if it came otherwise, or not.</summary>
    public System.Net.HttpStatusCode? StatusCode { get; internal init; }

    /// <summary>
    /// Which limit of the server's is reached, where <see cref="Code"/> is <c>limit</c>: <c>max_topics_per_connection</c> or <c>max_topics</c>; null if the server did not say.
    /// </summary>
    public string? Limit { get; internal init; }

    internal IReadOnlyList<string> RetryAfter { get; init; } = [];
}
