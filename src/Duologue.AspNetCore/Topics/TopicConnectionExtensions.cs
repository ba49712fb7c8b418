using Duologue.AspNetCore;

namespace Duologue;

/// <summary>How a connection of a server subscribes to the server's topics.</summary>
public static class TopicConnectionExtensions
{
    /// <summary>
    /// Subscribes the connection to a topic: from now on it is sent what is published there. Ends with the connection. Thread-safe.
    /// </summary>
    /// <param name="connection">A connection that a server opened.</param>
    /// <param name="topic">The topic's name; 1 to 256 characters, compared with case.</param>
    /// <returns>False if it was subscribed already, or has closed.</returns>
    /// <exception cref="ArgumentException">The topic has no valid name.</exception>
    /// <exception cref="InvalidOperationException">A limit is reached (the message names it), or the connection is a client's.</exception>
    public static bool Subscribe(this Connection connection, string topic)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ConnectionState state = ConnectionState.Of(connection, out WebSocketConnection webSocket);
        return state.Server.Topics.Subscribe(webSocket, state, topic);
    }

    /// <summary>Ends a subscription. What was published before may still arrive. Thread-safe.</summary>
    /// <param name="connection">A connection that a server opened.</param>
    /// <param name="topic">The topic's name.</param>
    /// <returns>False if it was not subscribed.</returns>
    /// <exception cref="ArgumentException">The topic has no valid name.</exception>
    /// <exception cref="InvalidOperationException">The connection is a client's.</exception>
    public static bool Unsubscribe(this Connection connection, string topic)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ConnectionState state = ConnectionState.Of(connection, out WebSocketConnection webSocket);
        return state.Server.Topics.Unsubscribe(webSocket, state, topic);
    }
}
