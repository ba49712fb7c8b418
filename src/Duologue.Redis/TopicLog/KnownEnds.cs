using System.Collections.Concurrent;
using Duologue.AspNetCore;

namespace Duologue.Redis;

/// <summary>
/// How far topics have come, as this node knows: a publish of its own was confirmed there, or it heard of a message. A log that ends before has lost something, which the server cannot know by itself. So each read tells
/// what is known, and a publish does where the server may be another than before. Thread-safe.
/// </summary>
internal sealed class KnownEnds(EpochSource epochs, TimeProvider time)
{
    /// <summary>While so many topics are remembered, none more is for a publish alone. Those that are followed have a limit of their own.</summary>
    public const int MaxCount = 100_000;

    private readonly ConcurrentDictionary<string, End> _ends = new(StringComparer.Ordinal);
    private long _doubts;

    // The dictionary's own would take all its locks with each publish to a new topic.
    private int _count;

    /// <summary>From here on the server may be another, or the same with less.</summary>
    public void Doubt() => Interlocked.Increment(ref _doubts);

    /// <summary>What a call about a topic tells the server.</summary>
    /// <param name="topic">The topic.</param>
    /// <param name="isSure">Whether to tell it also where nothing has made the server doubtful since it was last told, or answered.</param>
    public KnownEnd Tell(string topic, bool isSure)
    {
        long doubts = Volatile.Read(ref _doubts);
        if (!_ends.TryGetValue(topic, out End? end))
        {
            return new KnownEnd(null, doubts);
        }

        lock (end)
        {
            return new KnownEnd(isSure || end.Doubts != doubts ? end.Position : null, doubts);
        }
    }

    /// <summary>Takes the server's answer to a call that told <paramref name="told"/>.</summary>
    /// <param name="topic">The topic.</param>
    /// <param name="told">What the call told.</param>
    /// <param name="position">A place that the topic has reached.</param>
    /// <param name="isNew">Whether to begin to remember the topic, too.</param>
    public void Learn(string topic, KnownEnd told, TopicPosition position, bool isNew) =>
        Learn(topic, told, position, isNew, mayAdd: isNew && Volatile.Read(ref _count) < MaxCount);

    /// <summary>Takes the end of a topic that is followed from here on: it is remembered, however many others are.</summary>
    public void Follow(string topic, TopicPosition position) => Learn(topic, default, position, isNew: true, mayAdd: true);

    /// <summary>Takes that a topic is followed no more: it has no claim to more room than those that are only published to.</summary>
    public void Unfollow(string topic)
    {
        if (Volatile.Read(ref _count) > MaxCount && _ends.TryRemove(topic, out _))
        {
            Interlocked.Decrement(ref _count);
        }
    }

    private void Learn(string topic, KnownEnd told, TopicPosition position, bool isNew, bool mayAdd)
    {
        epochs.Observe(position.Epoch);
        if (!_ends.TryGetValue(topic, out End? end))
        {
            if (!mayAdd)
            {
                return;
            }

            var added = new End { Position = position, At = time.GetTimestamp() };
            end = _ends.GetOrAdd(topic, added);
            if (ReferenceEquals(end, added))
            {
                Interlocked.Increment(ref _count);
            }
        }

        lock (end)
        {
            // What was not told under another epoch is to be told yet: the answer says nothing of it.
            if (end.Position.Epoch == position.Epoch || told.Position == end.Position)
            {
                end.Position = Later(end.Position, position);
                end.Doubts = Math.Max(end.Doubts, told.Doubts);
            }
            else
            {
                end.Doubts = -1;
            }

            end.At = isNew ? time.GetTimestamp() : end.At;
        }
    }

    /// <summary>Takes what was heard of, in its order; of topics that are not remembered nothing.</summary>
    public void Hear(ReadOnlySpan<AppendedMessage> messages)
    {
        foreach (ref readonly AppendedMessage message in messages)
        {
            TopicPosition position = message.Message.Position;
            epochs.Observe(position.Epoch);
            if (_ends.TryGetValue(message.Topic, out End? end))
            {
                lock (end)
                {
                    if (end.Position.Epoch == position.Epoch)
                    {
                        end.Position = Later(end.Position, position);
                    }
                    else
                    {
                        end.Doubts = -1;
                    }
                }
            }
        }
    }

    /// <summary>The topics of which something is to be told yet.</summary>
    public IEnumerable<string> ListDoubtful()
    {
        long doubts = Volatile.Read(ref _doubts);
        foreach ((string topic, End end) in _ends)
        {
            bool isDoubtful;
            lock (end)
            {
                isDoubtful = end.Doubts != doubts;
            }

            if (isDoubtful)
            {
                yield return topic;
            }
        }
    }

    /// <summary>Forgets what nobody here follows, and was last published to before this time.</summary>
    public void Forget(TimeSpan age, Predicate<string> isFollowed)
    {
        foreach ((string topic, End end) in _ends)
        {
            if (!isFollowed(topic) && time.GetElapsedTime(end.At) > age && _ends.TryRemove(new(topic, end)))
            {
                Interlocked.Decrement(ref _count);
            }
        }
    }

    private static TopicPosition Later(TopicPosition one, TopicPosition other) => one.Epoch == other.Epoch && one.Offset > other.Offset ? one : other;

    private sealed class End
    {
        public TopicPosition Position { get; set; }

        public long Doubts { get; set; } = -1;

        public long At { get; set; }
    }
}

/// <summary>What a call tells of a topic's end.</summary>
/// <param name="Position">A place that the topic is known to have reached; null if nothing is told.</param>
/// <param name="Doubts">How often the server had been doubted when the call was made.</param>
internal readonly record struct KnownEnd(TopicPosition? Position, long Doubts);
