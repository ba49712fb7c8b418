using Duologue.AspNetCore;

namespace Duologue;

/// <summary>How a connection of a server subscribes to the server's topics.</summary>
public static class TopicConnectionExtensions
{
    /// <summary>
    /// Subscribes the connection to a topic: from now on it is sent what is published there. Ends with the connection. Thread-safe.
    /// </summary>
    /// <remarks>
    /// It does not wait for a broker that processes share. If that is away meanwhile, <see cref="Topics.Reset"/> tells that messages may be lost. Where the place matters, use the overload that has a
    /// <see cref="TopicStart"/>, which waits.
    /// </remarks>
    /// <param name="connection">A connection that a server opened.</param>
    /// <param name="topic">
    /// The topic's name; 1 to 256 characters, compared with case. Or a pattern for many topics: <c>*</c> stands for one segment between slashes, <c>**</c> as the last for
    /// one or more.
    /// </param>
    /// <returns>False if it was subscribed already, or has closed.</returns>
    /// <exception cref="ArgumentException">The topic has no valid name.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached (the message names it), or the connection is a client's.</exception>
    public static bool Subscribe(this Connection connection, string topic)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ConnectionState state = ConnectionState.Of(connection, out WebSocketConnection webSocket);
        return ConnectionOrigin.Of(webSocket).Server.Topics.Subscribe(webSocket, state, topic);
    }

    /// <summary>Subscribes the connection to all topics that a pattern stands for and a filter allows; see the other overload.</summary>
    /// <param name="connection">A connection that a server opened.</param>
    /// <param name="pattern">The pattern.</param>
    /// <param name="allows">Asked for each topic that the pattern is found to stand for, by whoever publishes first. Must neither block nor throw.</param>
    /// <returns>False if it was subscribed already, or has closed.</returns>
    /// <exception cref="ArgumentException">It is no pattern.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached (the message names it), or the connection is a client's.</exception>
    public static bool Subscribe(this Connection connection, string pattern, Func<string, bool> allows)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(allows);
        ConnectionState state = ConnectionState.Of(connection, out WebSocketConnection webSocket);
        return ConnectionOrigin.Of(webSocket).Server.Topics.Subscribe(webSocket, state, pattern, MemberForm.Raw, allows);
    }

    /// <summary>
    /// Subscribes the connection to a topic from a place on: it is sent what the history has behind it, as fast as it takes it, and then what is published, without a gap
    /// and without a double. Ends with the connection. Thread-safe.
    /// </summary>
    /// <param name="connection">A connection that a server opened.</param>
    /// <param name="topic">The topic's name; no pattern, as a position belongs to one topic.</param>
    /// <param name="start">Where to begin.</param>
    /// <param name="cancellationToken">Gives the subscription up, if it has not completed.</param>
    /// <returns>Completes when the connection has what was missed; says what is lost.</returns>
    /// <exception cref="ArgumentException">The topic has no valid name.</exception>
    /// <exception cref="BrokerUnavailableException">What stores the topics is away. The connection may have been sent a part of what was missed, and is not subscribed.</exception>
    /// <exception cref="ConnectionClosedException">The connection closed before it had what was missed.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached (the message names it), or the connection is a client's.</exception>
    public static ValueTask<SubscribeResult> SubscribeAsync(this Connection connection, string topic, TopicStart start, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ConnectionState state = ConnectionState.Of(connection, out WebSocketConnection webSocket);
        return ConnectionOrigin.Of(webSocket).Server.Topics.SubscribeAsync(webSocket, state, topic, start, cancellationToken);
    }

    /// <summary>Ends a subscription. What was published before may still arrive. Thread-safe.</summary>
    /// <param name="connection">A connection that a server opened.</param>
    /// <param name="topic">What was given to subscribe.</param>
    /// <returns>False if it was not subscribed.</returns>
    /// <exception cref="ArgumentException">The topic has no valid name.</exception>
    /// <exception cref="InvalidOperationException">The connection is a client's.</exception>
    public static bool Unsubscribe(this Connection connection, string topic)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ConnectionState state = ConnectionState.Of(connection, out WebSocketConnection webSocket);
        return ConnectionOrigin.Of(webSocket).Server.Topics.Unsubscribe(webSocket, state, topic);
    }
}
