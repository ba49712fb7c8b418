using Duologue.AspNetCore;

namespace Duologue.Cli.Talk;

/// <summary>Who hears what of the talk. Guarded by the room's lock.</summary>
internal abstract class TalkAudience
{
    public abstract void Add(Connection connection, string topic);

    public abstract void Remove(Connection connection, string topic);

    /// <summary>The connection has ended.</summary>
    public abstract void Forget(Connection connection);

    public abstract void Tell(string topic, string text);

    public abstract void Tell(string topic, ReadOnlySpan<byte> data, MessageType type);
}

/// <summary>The topics of one process: what is told is framed once for all.</summary>
internal sealed class TopicAudience(Topics topics) : TalkAudience
{
    public override void Add(Connection connection, string topic) => connection.Subscribe(topic);

    public override void Remove(Connection connection, string topic) => connection.Unsubscribe(topic);

    public override void Forget(Connection connection)
    {
        // Its subscriptions end with it.
    }

    // Where nobody listens nothing is published: these topics keep no history, and where there are as many topics as there may be, publishing to a new one throws.
    public override void Tell(string topic, string text)
    {
        if (topics.CountSubscribers(topic) > 0)
        {
            topics.Publish(topic, text);
        }
    }

    public override void Tell(string topic, ReadOnlySpan<byte> data, MessageType type)
    {
        if (topics.CountSubscribers(topic) > 0)
        {
            topics.Publish(topic, data, type);
        }
    }
}

/// <summary>
/// Those on this node, where topics are shared by nodes: what is told here follows from the log that all nodes read, and every node tells its own people.
/// </summary>
internal sealed class NodeAudience : TalkAudience
{
    private readonly Dictionary<string, HashSet<Connection>> _listeners = new(StringComparer.Ordinal);

    public override void Add(Connection connection, string topic)
    {
        if (!_listeners.TryGetValue(topic, out HashSet<Connection>? listeners))
        {
            _listeners.Add(topic, listeners = []);
        }

        listeners.Add(connection);
    }

    public override void Remove(Connection connection, string topic) => _listeners.GetValueOrDefault(topic)?.Remove(connection);

    public override void Forget(Connection connection)
    {
        foreach (HashSet<Connection> listeners in _listeners.Values)
        {
            listeners.Remove(connection);
        }
    }

    public override void Tell(string topic, string text)
    {
        foreach (Connection connection in Of(topic))
        {
            connection.Send(text);
        }
    }

    public override void Tell(string topic, ReadOnlySpan<byte> data, MessageType type)
    {
        foreach (Connection connection in Of(topic))
        {
            connection.Send(data, type);
        }
    }

    // A copy: who takes nothing any more may be closed by what is sent, and leaves at once.
    private Connection[] Of(string topic) => _listeners.TryGetValue(topic, out HashSet<Connection>? listeners) ? [.. listeners] : [];
}
