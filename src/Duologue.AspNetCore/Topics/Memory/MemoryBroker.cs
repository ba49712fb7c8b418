using System.Collections.Concurrent;

namespace Duologue.AspNetCore;

/// <summary>
/// The broker that keeps topics in this process. A topic comes to be with its first message or subscription, and is forgotten when nobody
/// has published, read or been subscribed for <see cref="DuologueOptions.TopicIdleLifetime"/>.
/// </summary>
/// <remarks>
/// An epoch is the time at which the topic began, in milliseconds of Unix time, by a clock that is set once and then goes on as time passes. A topic that is not there has a place, too: now, offset 0.
/// Whoever comes back with it, after the topic has begun, was there before its first message, provided that no other life of the topic can have come and gone meanwhile: that takes the idle lifetime. So long no place
/// may run ahead of the clock, nor the clock be put back. Two lives of a topic have the same epoch only if they began at once: then the first had no message.
/// </remarks>
internal sealed class MemoryBroker : Broker, IDisposable
{
    private readonly ConcurrentDictionary<string, TopicLog> _logs = new(StringComparer.Ordinal);
    private readonly DuologueOptions _options;
    private readonly TopicHistories _histories;
    private readonly TimeProvider _time;
    private readonly long _startedAt;
    private readonly long _startedTimestamp;
    private readonly ITimer _sweeper;
    private int _count;
    private long _bytes;
    private long _cut;

    public MemoryBroker(DuologueOptions options, TimeProvider time)
    {
        _options = options;
        _histories = new TopicHistories(options);
        _time = time;
        (_startedAt, _startedTimestamp) = (time.GetUtcNow().ToUnixTimeMilliseconds(), time.GetTimestamp());
        TimeSpan period = SweepPeriod(options.TopicIdleLifetime);
        _sweeper = time.CreateTimer(static broker => ((MemoryBroker)broker!).Sweep(), this, period, period);
    }

    /// <summary>How many topics there are.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The payload that all histories hold, and what their idempotency keys take.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>How many messages <see cref="DuologueOptions.MaxTopicHistoryBytes"/> has let go of before their topics' own limits would have.</summary>
    public long Cut => Interlocked.Read(ref _cut);

    /// <summary>How often idle topics are looked for: often enough that none lives a tenth longer than it may.</summary>
    public static TimeSpan SweepPeriod(TimeSpan idle) => idle / 10 < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : idle / 10;

    private bool IsFull => Bytes > _options.MaxTopicHistoryBytes;

    private long Now => _startedAt + (long)_time.GetElapsedTime(_startedTimestamp).TotalMilliseconds;

    /// <summary>Appends, without a notification: for who follows the topic, and delivers by itself. False if it is a repeat, which is not to be delivered.</summary>
    /// <exception cref="TopicLimitException">It is a new topic, and there are too many.</exception>
    public bool Append(string topic, TopicMessage message)
    {
        Appending result;
        while ((result = TryAppend(topic, message, unlessPinned: false)) == Appending.Refused)
        {
        }

        return result == Appending.Appended;
    }

    /// <summary>Appends to a topic that nobody follows; refuses if somebody does, who then has to do it.</summary>
    /// <exception cref="TopicLimitException">It is a new topic, and there are too many.</exception>
    public Appending TryAppendUnfollowed(string topic, TopicMessage message) => TryAppend(topic, message, unlessPinned: true);

    public override ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken)
    {
        if (Append(topic, message))
        {
            OnAppended(topic, message);
        }

        return new(message.Position);
    }

    public override ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken) =>
        new(Read(topic, start, maxCount, maxBytes));

    public TopicPage Read(string topic, TopicStart start, int maxCount, int maxBytes)
    {
        long absentSince = Math.Max(_startedAt, Now - (long)_options.TopicIdleLifetime.TotalMilliseconds);
        if (_logs.TryGetValue(topic, out TopicLog? log) && log.Read(start, maxCount, maxBytes, absentSince, out long growth) is { } page)
        {
            Interlocked.Add(ref _bytes, growth);
            return page;
        }

        return ReadAbsent(start, absentSince);
    }

    public override ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken) =>
        new(TopicName.IsPattern(topic) ? default : Pin(topic));

    public TopicPosition Pin(string topic)
    {
        TopicPosition? head;
        do
        {
            head = Find(topic).TryPin();
        }
        while (head is null);
        return head.Value;
    }

    public override ValueTask UnsubscribeAsync(string topic)
    {
        if (_logs.TryGetValue(topic, out TopicLog? log) && log.Unpin())
        {
            Remove(log);
        }

        return ValueTask.CompletedTask;
    }

    public void Dispose() => _sweeper.Dispose();

    private Appending TryAppend(string topic, TopicMessage message, bool unlessPinned)
    {
        Appending result = Find(topic).TryAppend(message, unlessPinned, IsFull, out long growth, out int cut);
        Interlocked.Add(ref _bytes, growth);
        if (cut > 0)
        {
            Interlocked.Add(ref _cut, cut);
        }

        return result;
    }

    private TopicPage ReadAbsent(TopicStart start, long absentSince)
    {
        var here = new TopicPosition(Now, 0);
        if (start.Kind != TopicStartKind.After)
        {
            return new TopicPage([], here, HasMore: false);
        }

        TopicPosition after = start.Position;
        if (after.Offset != 0 || after.Epoch < absentSince || after.Epoch > here.Epoch)
        {
            return new TopicPage([], here, HasMore: false) { IsReset = true };
        }

        // The same cursor again, but for one that would soon be too old to tell.
        bool renew = here.Epoch - after.Epoch > _options.TopicIdleLifetime.TotalMilliseconds / 2;
        return new TopicPage([], renew ? here : after, HasMore: false);
    }

    private TopicLog Find(string topic)
    {
        while (true)
        {
            if (_logs.TryGetValue(topic, out TopicLog? found))
            {
                return found;
            }

            // Counted before it is there, so that the limit holds however many come at once.
            if (Interlocked.Increment(ref _count) > _options.MaxTopics && _options.MaxTopics > 0)
            {
                Interlocked.Decrement(ref _count);
                throw new TopicLimitException(nameof(DuologueOptions.MaxTopics), _options.MaxTopics);
            }

            if (_logs.TryAdd(topic, new TopicLog(topic, Now, _histories.For(topic), _time)))
            {
                continue;
            }

            Interlocked.Decrement(ref _count);
        }
    }

    private void Sweep()
    {
        foreach ((string _, TopicLog log) in _logs)
        {
            bool expired = log.TryExpire(_options.TopicIdleLifetime, out long growth);
            Interlocked.Add(ref _bytes, growth);
            if (expired)
            {
                Remove(log);
                OnExpired(log.Name);
            }
        }
    }

    private void Remove(TopicLog log)
    {
        if (_logs.TryRemove(new(log.Name, log)))
        {
            Interlocked.Decrement(ref _count);
        }
    }
}
