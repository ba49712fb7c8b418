using System.Text.Json.Serialization.Metadata;

namespace Duologue.AspNetCore;

/// <summary>
/// Named streams of messages: connections subscribe (<c>connection.Subscribe(topic)</c>), clients come by <c>MapTopics</c>, anyone in the process publishes. A
/// singleton service. Thread-safe. Each message has a position, and each topic keeps a bounded history for those who come back. Names compare with case.
/// </summary>
/// <remarks>
/// Subscribers of one topic see its messages in one order. A publish never waits: a subscriber whose send queue is full is treated by its own
/// <see cref="DuologueEndpointOptions.SendQueuePolicy"/>, and holds nobody up.
/// </remarks>
public abstract class Topics
{
    private protected Topics()
    {
    }

    /// <summary>
    /// Somebody has begun to subscribe to a topic by name, in this process or, where a broker makes it known, in another. One at a time, in order, with no lock held; must not block.
    /// </summary>
    public abstract event EventHandler<TopicPresenceEventArgs>? Joined;

    /// <summary>Somebody's subscription to a topic has ended, or its process. One at a time, in order, with no lock held; must not block.</summary>
    public abstract event EventHandler<TopicPresenceEventArgs>? Left;

    /// <summary>A topic that nobody had used for <see cref="DuologueOptions.TopicIdleLifetime"/> was forgotten, with its history.</summary>
    public abstract event EventHandler<TopicExpiredEventArgs>? Expired;

    /// <summary>
    /// Messages of a topic are lost to this process's subscribers in mid-stream, or may be: a broker that is shared by processes has lost them, or was away for longer than its history, or just away from who subscribes by a pattern. Feeds and sockets of
    /// <c>duologue.topics.v1</c> are sent a reset; a plain connection can only be told by the application, which this tells. One at a time, in order, with no lock held; must not block.
    /// </summary>
    public abstract event EventHandler<TopicResetEventArgs>? Reset;

    /// <summary>How many topics have subscribers in this process.</summary>
    public abstract int Count { get; }

    /// <summary>
    /// How many connections and streams subscribe to a topic by its name: of this process, and of the others where a broker makes them known, as that on Redis does. Held polls come and go, and are not counted; nor are wildcards.
    /// </summary>
    /// <param name="topic">The topic's name.</param>
    public abstract int CountSubscribers(string topic);

    /// <summary>Those whom <see cref="CountSubscribers"/> counts.</summary>
    /// <param name="topic">The topic's name.</param>
    public abstract IReadOnlyList<TopicSubscriber> ListSubscribers(string topic);

    /// <summary>Sends text to all subscribers; it is encoded once, and compressed once per distinct agreement.</summary>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="text">The text. Lone surrogates are sent as U+FFFD.</param>
    /// <exception cref="ArgumentException">The topic has no valid name.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached; the message names it.</exception>
    public FanoutResult Publish(string topic, string text) => Publish(topic, text, MessageFlags.None);

    /// <inheritdoc cref="Publish(string, string)"/>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="text">The text. Lone surrogates are sent as U+FFFD.</param>
    /// <param name="flags">What is special about this message.</param>
    public abstract FanoutResult Publish(string topic, string text, MessageFlags flags);

    /// <summary>Sends a message to all subscribers; it is encoded once, and compressed once per distinct agreement.</summary>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="data">The payload; for text, valid UTF-8. Copied before the call returns.</param>
    /// <param name="type">Text or binary.</param>
    /// <exception cref="ArgumentException">The topic has no valid name, or <paramref name="type"/> is text and <paramref name="data"/> is not UTF-8.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached; the message names it.</exception>
    public FanoutResult Publish(string topic, ReadOnlySpan<byte> data, MessageType type) => Publish(topic, data, type, MessageFlags.None);

    /// <inheritdoc cref="Publish(string, ReadOnlySpan{byte}, MessageType)"/>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="data">The payload; for text, valid UTF-8. Copied before the call returns.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="flags">What is special about this message.</param>
    public abstract FanoutResult Publish(string topic, ReadOnlySpan<byte> data, MessageType type, MessageFlags flags);

    /// <summary>Publishes text, and gives the position when the broker has it.</summary>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="text">The text. Lone surrogates are sent as U+FFFD.</param>
    /// <param name="cancellationToken">Stops the waiting; the message may have been published.</param>
    /// <exception cref="ArgumentException">The topic has no valid name.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached; the message names it.</exception>
    /// <exception cref="BrokerUnavailableException">A broker that is shared by processes is away, or has too much to do; whether the message was published is <see cref="BrokerUnavailableException.IsUnknown"/>.</exception>
    public abstract ValueTask<TopicPosition> PublishAsync(string topic, string text, CancellationToken cancellationToken);

    /// <summary>Publishes a message, and gives the position when the broker has it.</summary>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="data">The payload; for text, valid UTF-8. Copied before the call returns.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="cancellationToken">Stops the waiting; the message may have been published.</param>
    /// <exception cref="ArgumentException">The topic has no valid name, or <paramref name="type"/> is text and <paramref name="data"/> is not UTF-8.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached; the message names it.</exception>
    /// <exception cref="BrokerUnavailableException">A broker that is shared by processes is away, or has too much to do; whether the message was published is <see cref="BrokerUnavailableException.IsUnknown"/>.</exception>
    public abstract ValueTask<TopicPosition> PublishAsync(string topic, ReadOnlyMemory<byte> data, MessageType type, CancellationToken cancellationToken);

    /// <summary>Publishes a value as JSON: the feed sends it as it is, and not as a string.</summary>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="value">The value.</param>
    /// <param name="typeInfo">How it is written, from a source-generated context.</param>
    /// <param name="cancellationToken">Stops the waiting; the message may have been published.</param>
    /// <exception cref="ArgumentException">The topic has no valid name.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached; the message names it.</exception>
    /// <exception cref="BrokerUnavailableException">A broker that is shared by processes is away, or has too much to do; whether the message was published is <see cref="BrokerUnavailableException.IsUnknown"/>.</exception>
    public abstract ValueTask<TopicPosition> PublishAsync<T>(string topic, T value, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken);

    /// <summary>Publishes text once, however often it is called with the same key: a repeat gives the position of the first, and publishes nothing.</summary>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="text">The text. Lone surrogates are sent as U+FFFD.</param>
    /// <param name="idempotencyKey">
    /// 1 to 64 characters of visible ASCII without quotation marks and backslashes, such as a UUID. The topic remembers it for <see cref="TopicHistory.MaxIdempotencyKeyAge"/>, but no more than
    /// <see cref="TopicHistory.MaxIdempotencyKeys"/>; it is the key that is compared, not the message.
    /// </param>
    /// <param name="cancellationToken">Stops the waiting; the message may have been published.</param>
    /// <exception cref="ArgumentException">The topic has no valid name, or the key breaks a rule.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached; the message names it.</exception>
    /// <exception cref="BrokerUnavailableException">A broker that is shared by processes is away, or has too much to do; whether the message was published is <see cref="BrokerUnavailableException.IsUnknown"/>.</exception>
    public abstract ValueTask<TopicPosition> PublishAsync(string topic, string text, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>Publishes a message once, however often it is called with the same key: a repeat gives the position of the first, and publishes nothing.</summary>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="data">The payload; for text, valid UTF-8. Copied before the call returns.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="idempotencyKey"><inheritdoc cref="PublishAsync(string, string, string, CancellationToken)" path="/param[@name='idempotencyKey']"/></param>
    /// <param name="cancellationToken">Stops the waiting; the message may have been published.</param>
    /// <exception cref="ArgumentException">The topic has no valid name, <paramref name="type"/> is text and <paramref name="data"/> is not UTF-8, or the key breaks a rule.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached; the message names it.</exception>
    /// <exception cref="BrokerUnavailableException">A broker that is shared by processes is away, or has too much to do; whether the message was published is <see cref="BrokerUnavailableException.IsUnknown"/>.</exception>
    public abstract ValueTask<TopicPosition> PublishAsync(string topic, ReadOnlyMemory<byte> data, MessageType type, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>Publishes a value as JSON once, however often it is called with the same key: a repeat gives the position of the first, and publishes nothing.</summary>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="value">The value.</param>
    /// <param name="typeInfo">How it is written, from a source-generated context.</param>
    /// <param name="idempotencyKey"><inheritdoc cref="PublishAsync(string, string, string, CancellationToken)" path="/param[@name='idempotencyKey']"/></param>
    /// <param name="cancellationToken">Stops the waiting; the message may have been published.</param>
    /// <exception cref="ArgumentException">The topic has no valid name, or the key breaks a rule.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached; the message names it.</exception>
    /// <exception cref="BrokerUnavailableException">A broker that is shared by processes is away, or has too much to do; whether the message was published is <see cref="BrokerUnavailableException.IsUnknown"/>.</exception>
    public abstract ValueTask<TopicPosition> PublishAsync<T>(string topic, T value, JsonTypeInfo<T> typeInfo, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>Reads what is there behind a place, without waiting for more.</summary>
    /// <param name="topic">The topic's name.</param>
    /// <param name="start">The place.</param>
    /// <param name="maxCount">The most messages to give; at least 1.</param>
    /// <param name="cancellationToken">Stops the waiting for the broker.</param>
    /// <exception cref="ArgumentException">The topic has no valid name, or <paramref name="maxCount"/> is less than 1.</exception>
    /// <exception cref="BrokerUnavailableException">A broker that is shared by processes is away.</exception>
    public abstract ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, CancellationToken cancellationToken);

    /// <summary>Begins to read a topic at the caller's own pace: what was missed, then what comes.</summary>
    /// <param name="topic">The topic's name.</param>
    /// <param name="start">Where to begin.</param>
    /// <param name="cancellationToken">Stops the waiting for the broker.</param>
    /// <exception cref="InvalidOperationException">A limit is reached; the message names it.</exception>
    /// <exception cref="BrokerUnavailableException">A broker that is shared by processes is away.</exception>
    public abstract ValueTask<TopicSubscription> SubscribeAsync(string topic, TopicStart start, CancellationToken cancellationToken);

    internal abstract bool Subscribe(WebSocketConnection connection, ConnectionState state, string topic);

    internal abstract ValueTask<SubscribeResult> SubscribeAsync(WebSocketConnection connection, ConnectionState state, string topic, TopicStart start, CancellationToken cancellationToken);

    internal abstract bool Unsubscribe(WebSocketConnection connection, ConnectionState state, string topic);

    /// <summary>Ends all subscriptions of a connection that has closed; it can have no new ones.</summary>
    internal abstract void Leave(WebSocketConnection connection, ConnectionState state);
}
