using System.Collections.Concurrent;
using Duologue.Peer;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore;

/// <summary>Topics of one process, without history.</summary>
/// <remarks>Lock order: a <see cref="ConnectionState"/>, then a topic's set. See <see cref="Topic"/>.</remarks>
internal sealed class InProcessTopics(DuologueOptions options, ServerMetrics metrics, TimeProvider timeProvider, ILogger logger) : Topics
{
    internal const int MaxNameLength = 256;

    private readonly ConcurrentDictionary<string, Topic> _topics = new(StringComparer.Ordinal);
    private int _count;

    public override int Count => Volatile.Read(ref _count);

    public override int CountSubscribers(string topic)
    {
        CheckName(topic);
        return _topics.TryGetValue(topic, out Topic? found) ? found.Count : 0;
    }

    public override FanoutResult Publish(string topic, string text, MessageFlags flags)
    {
        CheckName(topic);
        ArgumentNullException.ThrowIfNull(text);
        long start = timeProvider.GetTimestamp();
        return _topics.TryGetValue(topic, out Topic? found) ? Record(found.Publish(Fanout.Encode(text, flags)), start) : Record(default, start);
    }

    public override FanoutResult Publish(string topic, ReadOnlySpan<byte> data, MessageType type, MessageFlags flags)
    {
        CheckName(topic);
        long start = timeProvider.GetTimestamp();
        // Encoded even if nobody listens, so that a message that may not be sent is an error at all times.
        BroadcastFrame frame = Fanout.Encode(data, type, flags);
        return _topics.TryGetValue(topic, out Topic? found) ? Record(found.Publish(frame), start) : Record(default, start);
    }

    internal override bool Subscribe(WebSocketConnection connection, ConnectionState state, string topic)
    {
        CheckName(topic);
        string? limit = null;
        lock (state)
        {
            if (state.HasClosed)
            {
                return false;
            }

            HashSet<Topic> subscriptions = state.Subscriptions ??= [];
            if (_topics.TryGetValue(topic, out Topic? existing) && subscriptions.Contains(existing))
            {
                return false;
            }

            if (options.MaxTopicsPerConnection > 0 && subscriptions.Count >= options.MaxTopicsPerConnection)
            {
                limit = nameof(DuologueOptions.MaxTopicsPerConnection);
            }
            else if (Join(connection, topic) is { } joined)
            {
                subscriptions.Add(joined);
            }
            else
            {
                limit = nameof(DuologueOptions.MaxTopics);
            }
        }

        if (limit is not null)
        {
            throw Refuse(connection, limit);
        }

        metrics.Subscribed(1);
        return true;
    }

    // Outside the lock: a logger is not ours.
    private InvalidOperationException Refuse(WebSocketConnection connection, string option)
    {
        bool ofConnection = option == nameof(DuologueOptions.MaxTopicsPerConnection);
        int limit = ofConnection ? options.MaxTopicsPerConnection : options.MaxTopics;
        metrics.SubscriptionRefused(ofConnection ? "max_topics_per_connection" : "max_topics");
        Log.SubscriptionRefused(logger, connection.Id, option, limit);
        return new InvalidOperationException(ofConnection
            ? $"The connection subscribes to {limit} topics, which is the most: {nameof(DuologueOptions)}.{option}."
            : $"There are {limit} topics with subscribers, which is the most: {nameof(DuologueOptions)}.{option}.");
    }

    internal override bool Unsubscribe(WebSocketConnection connection, ConnectionState state, string topic)
    {
        CheckName(topic);
        Topic? found;
        lock (state)
        {
            if (!_topics.TryGetValue(topic, out found) || state.Subscriptions?.Remove(found) != true)
            {
                return false;
            }
        }

        Part(connection, found);
        metrics.Subscribed(-1);
        return true;
    }

    internal override void Leave(WebSocketConnection connection, ConnectionState state)
    {
        HashSet<Topic>? subscriptions;
        lock (state)
        {
            state.HasClosed = true;
            subscriptions = state.Subscriptions;
            state.Subscriptions = null;
        }

        if (subscriptions is null)
        {
            return;
        }

        foreach (Topic topic in subscriptions)
        {
            Part(connection, topic);
        }

        metrics.Subscribed(-subscriptions.Count);
    }

    /// <summary>Adds a subscriber; null if there are too many topics.</summary>
    private Topic? Join(WebSocketConnection connection, string name)
    {
        while (true)
        {
            if (!_topics.TryGetValue(name, out Topic? topic) && (topic = Open(name)) is null)
            {
                return null;
            }

            if (topic.TryAdd(connection))
            {
                return topic;
            }

            // Its last subscriber is leaving at this moment: take it out for whoever is about to, and begin anew.
            Close(topic);
        }
    }

    // A new topic is counted before it is there, so that the limit holds however many come at once.
    private Topic? Open(string name)
    {
        if (Interlocked.Increment(ref _count) > options.MaxTopics && options.MaxTopics > 0)
        {
            Interlocked.Decrement(ref _count);
            return null;
        }

        var opened = new Topic(name);
        Topic winner = _topics.GetOrAdd(name, opened);
        if (!ReferenceEquals(winner, opened))
        {
            Interlocked.Decrement(ref _count);
        }

        return winner;
    }

    private void Part(WebSocketConnection connection, Topic topic)
    {
        if (topic.Remove(connection))
        {
            Close(topic);
        }
    }

    private void Close(Topic topic)
    {
        if (_topics.TryRemove(new(topic.Name, topic)))
        {
            Interlocked.Decrement(ref _count);
        }
    }

    private FanoutResult Record(FanoutResult result, long start)
    {
        metrics.Published(result, timeProvider.GetElapsedTime(start));
        return result;
    }

    private static void CheckName(string topic)
    {
        ArgumentException.ThrowIfNullOrEmpty(topic);
        if (topic.Length > MaxNameLength)
        {
            throw new ArgumentException($"The topic's name has {topic.Length} characters; at most {MaxNameLength} are allowed.", nameof(topic));
        }
    }
}
