namespace Duologue.AspNetCore;

/// <summary>
/// Named streams of messages: connections subscribe (<c>connection.Subscribe(topic)</c>), anyone in the process publishes. A
/// singleton service. Thread-safe. A topic exists while it has subscribers; names compare with case.
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

    /// <summary>How many topics have subscribers.</summary>
    public abstract int Count { get; }

    /// <summary>How many connections of this server subscribe to a topic.</summary>
    /// <param name="topic">The topic's name.</param>
    public abstract int CountSubscribers(string topic);

    /// <summary>Sends text to all subscribers; it is encoded once, and compressed once per distinct agreement.</summary>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="text">The text. Lone surrogates are sent as U+FFFD.</param>
    /// <exception cref="ArgumentException">The topic has no valid name.</exception>
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
    public FanoutResult Publish(string topic, ReadOnlySpan<byte> data, MessageType type) => Publish(topic, data, type, MessageFlags.None);

    /// <inheritdoc cref="Publish(string, ReadOnlySpan{byte}, MessageType)"/>
    /// <param name="topic">The topic's name; 1 to 256 characters.</param>
    /// <param name="data">The payload; for text, valid UTF-8. Copied before the call returns.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="flags">What is special about this message.</param>
    public abstract FanoutResult Publish(string topic, ReadOnlySpan<byte> data, MessageType type, MessageFlags flags);

    internal abstract bool Subscribe(WebSocketConnection connection, ConnectionState state, string topic);

    internal abstract bool Unsubscribe(WebSocketConnection connection, ConnectionState state, string topic);

    /// <summary>Ends all subscriptions of a connection that has closed; it can have no new ones.</summary>
    internal abstract void Leave(WebSocketConnection connection, ConnectionState state);
}
