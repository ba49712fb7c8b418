using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Duologue.Peer;
using Duologue.Protocol;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore;

/// <summary>The topics that this process publishes to and has subscribers for, on top of a broker.</summary>
/// <remarks>
/// In the broker of this process's memory a topic is followed while it has a <see cref="Topic"/>, and is appended to by that alone, under one lock with handing out; a topic without is
/// appended to directly. On another broker messages are handed out as it notifies of them.
/// </remarks>
internal sealed partial class TopicHub : Topics, IBrokerListener, IDisposable
{
    private const int MaxPublishesUnderWay = 10_000;

    private readonly ConcurrentDictionary<string, Topic> _topics = new(StringComparer.Ordinal);
    private readonly DuologueOptions _options;
    private readonly ServerMetrics _metrics;
    private readonly ILogger _logger;
    private readonly MemoryBroker? _memory;
    private readonly TopicHistories _histories;
    private readonly ITimer _sweeper;
    private readonly CancellationTokenSource _ended = new();
    private volatile bool _draining;
    private int _count;
    private int _publishesUnderWay;

    // The sweeper's.
    private long _cutTold;

    /// <param name="options">The server's.</param>
    /// <param name="broker">Where topics are stored; null for this process's memory.</param>
    /// <param name="node">This process's name, by which subscribers elsewhere know those here.</param>
    /// <param name="metrics">What is counted.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Of the category of topics.</param>
    public TopicHub(DuologueOptions options, Broker? broker, string node, ServerMetrics metrics, TimeProvider time, ILogger logger)
    {
        (_options, _metrics, _logger, Time) = (options, metrics, logger, time);
        _histories = new TopicHistories(options);
        Broker = broker ?? (_memory = new MemoryBroker(options, time));
        Node = IsRemote ? node : null;
        Broker.Attach(this);
        Wheel = TimeoutWheel.For(time);
        Events = new OrderedEvents<TopicEvent>(Raise);
        TimeSpan period = MemoryBroker.SweepPeriod(options.TopicIdleLifetime);
        _sweeper = time.CreateTimer(static hub => ((TopicHub)hub!).Sweep(), this, period, period);
    }

    public override event EventHandler<TopicPresenceEventArgs>? Joined;

    public override event EventHandler<TopicPresenceEventArgs>? Left;

    public override event EventHandler<TopicExpiredEventArgs>? Expired;

    public override event EventHandler<TopicResetEventArgs>? Reset;

    public Broker Broker { get; }

    public TimeProvider Time { get; }

    public TimeoutWheel Wheel { get; }

    public Wildcards Wildcards { get; } = new();

    public OrderedEvents<TopicEvent> Events { get; }

    /// <summary>Whether logs are elsewhere, where others append to them.</summary>
    public bool IsRemote => _memory is null;

    /// <summary>The name of this process among those that share its topics; null where it has them alone.</summary>
    public string? Node { get; }

    /// <summary>How long who reads a topic waits for a broker elsewhere to follow it.</summary>
    public TimeSpan BrokerPatience { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether anybody is to be told of those who come and go: listeners, or other processes.</summary>
    public bool IsPresenceWanted => Joined is not null || Left is not null || _memory is null;

    /// <summary>Nothing of the broker's is tried again: the server is gone.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>Whether nobody may wait any more, because the server is stopping.</summary>
    public bool IsDraining => _draining;

    public override int Count => Volatile.Read(ref _count);

    /// <summary>How many topics this process's memory has; 0 if they are stored elsewhere.</summary>
    public int StoredTopics => _memory?.Count ?? 0;

    /// <summary>The payload that the histories in this process's memory hold.</summary>
    public long HistoryBytes => _memory?.Bytes ?? 0;

    /// <summary>How many messages this process's memory has let go of because its histories were too large together.</summary>
    public long HistoryCut => _memory?.Cut ?? 0;

    public override int CountSubscribers(string topic)
    {
        TopicName.Check(topic);
        return (_topics.TryGetValue(topic, out Topic? found) ? found.Count : 0) + (_memory is null ? Broker.CountElsewhere(topic) : 0);
    }

    public override IReadOnlyList<TopicSubscriber> ListSubscribers(string topic)
    {
        TopicName.Check(topic);
        return WithElsewhere(topic, _topics.TryGetValue(topic, out Topic? found) ? found.ListSubscribers() : []);
    }

    /// <summary>How many readers wait for more of a topic: held requests, streams, readers of the application's.</summary>
    public int CountWaiting(string topic) => _topics.TryGetValue(topic, out Topic? found) ? found.WaitingCount : 0;

    public override FanoutResult Publish(string topic, string text, MessageFlags flags)
    {
        TopicName.Check(topic);
        return Publish(topic, new TopicMessage(Fanout.Encode(text, flags), MessageType.Text, isJson: false));
    }

    public override FanoutResult Publish(string topic, ReadOnlySpan<byte> data, MessageType type, MessageFlags flags)
    {
        TopicName.Check(topic);
        return Publish(topic, new TopicMessage(Fanout.Encode(data, type, flags), type, isJson: false));
    }

    public override ValueTask<TopicPosition> PublishAsync(string topic, string text, CancellationToken cancellationToken)
    {
        TopicName.Check(topic);
        return PublishAsync(topic, new TopicMessage(Fanout.Encode(text, MessageFlags.None), MessageType.Text, isJson: false), cancellationToken);
    }

    public override ValueTask<TopicPosition> PublishAsync(string topic, ReadOnlyMemory<byte> data, MessageType type, CancellationToken cancellationToken)
    {
        TopicName.Check(topic);
        return PublishAsync(topic, new TopicMessage(Fanout.Encode(data.Span, type, MessageFlags.None), type, isJson: false), cancellationToken);
    }

    public override ValueTask<TopicPosition> PublishAsync<T>(string topic, T value, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken)
    {
        TopicName.Check(topic);
        ArgumentNullException.ThrowIfNull(typeInfo);
        byte[] json = FeedJson.Compact(JsonSerializer.SerializeToUtf8Bytes(value, typeInfo));
        return PublishAsync(topic, JsonMessage(json), cancellationToken);
    }

    public override ValueTask<TopicPosition> PublishAsync(string topic, string text, string idempotencyKey, CancellationToken cancellationToken)
    {
        TopicName.Check(topic);
        IdempotencyKey.Check(idempotencyKey);
        var message = new TopicMessage(Fanout.Encode(text, MessageFlags.None), MessageType.Text, isJson: false) { IdempotencyKey = idempotencyKey };
        return PublishAsync(topic, message, cancellationToken);
    }

    public override ValueTask<TopicPosition> PublishAsync(string topic, ReadOnlyMemory<byte> data, MessageType type, string idempotencyKey, CancellationToken cancellationToken)
    {
        TopicName.Check(topic);
        IdempotencyKey.Check(idempotencyKey);
        var message = new TopicMessage(Fanout.Encode(data.Span, type, MessageFlags.None), type, isJson: false) { IdempotencyKey = idempotencyKey };
        return PublishAsync(topic, message, cancellationToken);
    }

    public override ValueTask<TopicPosition> PublishAsync<T>(string topic, T value, JsonTypeInfo<T> typeInfo, string idempotencyKey, CancellationToken cancellationToken)
    {
        TopicName.Check(topic);
        ArgumentNullException.ThrowIfNull(typeInfo);
        IdempotencyKey.Check(idempotencyKey);
        byte[] json = FeedJson.Compact(JsonSerializer.SerializeToUtf8Bytes(value, typeInfo));
        return PublishAsync(topic, JsonMessage(json, idempotencyKey), cancellationToken);
    }

    /// <summary>A message of JSON that <see cref="FeedJson.Compact"/> has made.</summary>
    public static TopicMessage JsonMessage(byte[] json) => JsonMessage(json, null);

    /// <inheritdoc cref="JsonMessage(byte[])"/>
    public static TopicMessage JsonMessage(byte[] json, string? idempotencyKey) =>
        new(new BroadcastFrame(Opcode.Text, json, MessageFlags.None), MessageType.Text, isJson: true) { IdempotencyKey = idempotencyKey };

    /// <summary>Publishes a message that was made from checked data to a checked name.</summary>
    public ValueTask<TopicPosition> PublishAsync(string topic, TopicMessage message, CancellationToken cancellationToken)
    {
        if (_memory is null)
        {
            return AppendAsync(topic, message, cancellationToken);
        }

        PublishHere(topic, message);
        return new(message.Position);
    }

    /// <summary>A publish over a WebSocket was not done, or may not have been: see <see cref="PublishRefusal"/>.</summary>
    public void PublishRefused(string reason) => _metrics.PublishRefused(reason);

    public override ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, CancellationToken cancellationToken)
    {
        TopicName.Check(topic);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxCount);
        return Broker.ReadAsync(topic, start, maxCount, int.MaxValue, cancellationToken);
    }

    /// <summary>From now on nobody waits: those who do are woken.</summary>
    public void BeginDraining()
    {
        _draining = true;
        foreach ((string _, Topic topic) in _topics)
        {
            topic.WakeAll(WaitEnd.Stopped);
        }
    }

    public void Dispose()
    {
        _sweeper.Dispose();

        // Not disposed of: a topic may begin to wait by it at this moment.
        _ended.Cancel();
        _memory?.Dispose();
    }

    private FanoutResult Publish(string topic, TopicMessage message)
    {
        if (_memory is not null)
        {
            return PublishHere(topic, message);
        }

        // Another broker takes its time, which a publisher that wants to know waits for in PublishAsync.
        if (Interlocked.Increment(ref _publishesUnderWay) > MaxPublishesUnderWay)
        {
            Interlocked.Decrement(ref _publishesUnderWay);
            throw new BrokerUnavailableException($"{MaxPublishesUnderWay} publishes wait for the broker, which is the most; use PublishAsync, which waits for it.", isUnknown: false, null);
        }

        Task<TopicPosition> append = AppendAsync(topic, message, CancellationToken.None).AsTask();
        if (append is { IsFaulted: true, Exception.InnerException: BrokerUnavailableException })
        {
            // Refused at once, by name: who has published can still be told.
            Interlocked.Decrement(ref _publishesUnderWay);
            append.GetAwaiter().GetResult();
        }

        _ = WatchAsync(topic, append);
        return default;
    }

    private FanoutResult PublishHere(string topic, TopicMessage message)
    {
        long start = Time.GetTimestamp();
        FanoutResult result = default;
        Appending appending;
        var spin = default(SpinWait);
        while (true)
        {
            if (_topics.TryGetValue(topic, out Topic? found) || (!Wildcards.IsEmpty && (found = OpenForWildcards(topic, null)) is not null))
            {
                appending = found.TryPublish(_memory!, message, out result);
                if (appending != Appending.Refused)
                {
                    break;
                }

                Close(found);
            }
            else if ((appending = _memory!.TryAppendUnfollowed(topic, message)) != Appending.Refused)
            {
                break;
            }

            // Somebody has begun to follow the topic since we looked, or has ended it and not quite gone.
            spin.SpinOnce();
        }

        if (appending == Appending.Appended)
        {
            _metrics.Published(result, Time.GetElapsedTime(start));
        }
        else
        {
            _metrics.Repeated();
        }

        return result;
    }

    private async ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, CancellationToken cancellationToken)
    {
        long start = Time.GetTimestamp();
        TopicPosition position = await Broker.AppendAsync(topic, message, _histories.For(topic), cancellationToken).ConfigureAwait(false);
        _metrics.Published(default, Time.GetElapsedTime(start));
        return position;
    }

    private TopicSubscriber[] WithElsewhere(string topic, TopicSubscriber[] here) => _memory is null ? [.. here, .. Broker.ListElsewhere(topic)] : here;

    private async Task WatchAsync(string topic, Task<TopicPosition> append)
    {
        try
        {
            await append.ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Nobody waits for it: whatever the broker throws is logged and counted here or nowhere.
        catch (Exception error)
#pragma warning restore CA1031
        {
            BrokerFailed(error, "append", topic);
        }
        finally
        {
            Interlocked.Decrement(ref _publishesUnderWay);
        }
    }

    /// <param name="topic">The name.</param>
    /// <param name="heard">What was heard of, on a broker elsewhere: theirs, too, however soon that follows the topic.</param>
    private Topic? OpenForWildcards(string topic, TopicPosition? heard)
    {
        if (Wildcards.FindMembers(topic, out _).Length == 0)
        {
            return null;
        }

        Topic opened = Open(topic, heard);
        opened.RefreshWildcards();
        return opened;
    }

    private Topic Open(string name) => Open(name, null);

    /// <summary>The topic, made if it is not there, and followed.</summary>
    /// <exception cref="TopicLimitException">There are too many.</exception>
    private Topic Open(string name, TopicPosition? heard)
    {
        if (!_topics.TryGetValue(name, out Topic? topic))
        {
            // Counted before it is there, so that the limit holds however many come at once.
            if (Interlocked.Increment(ref _count) > _options.MaxTopics && _options.MaxTopics > 0)
            {
                Interlocked.Decrement(ref _count);
                throw new TopicLimitException(nameof(DuologueOptions.MaxTopics), _options.MaxTopics);
            }

            var opened = new Topic(name, this);
            if (heard is { } first)
            {
                opened.AppendedUnseen(first);
            }

            topic = _topics.GetOrAdd(name, opened);
            if (!ReferenceEquals(topic, opened))
            {
                Interlocked.Decrement(ref _count);
            }
        }

        if (_memory is null)
        {
            _ = topic.AttachAsync();
            return topic;
        }

        try
        {
            topic.Attach(_memory);
        }
        catch (TopicLimitException)
        {
            Abandon(topic);
            throw;
        }

        return topic;
    }

    /// <summary>Takes out a topic that is retired. It stops to be followed before it is no more found, so that nobody appends behind its successor's back.</summary>
    private void Close(Topic topic)
    {
        if (topic.Detach())
        {
            Unfollow(topic.Name);
        }

        if (_topics.TryRemove(new(topic.Name, topic)))
        {
            Interlocked.Decrement(ref _count);
        }
    }

    /// <summary>Takes out a topic that was opened for somebody who did not join after all, if nobody else has.</summary>
    private void Abandon(Topic topic)
    {
        if (topic.TryRetire(TimeSpan.MaxValue))
        {
            Close(topic);
        }
    }

    private void Sweep()
    {
        foreach ((string _, Topic topic) in _topics)
        {
            if (topic.TryRetire(_options.TopicIdleLifetime))
            {
                Close(topic);
            }
        }

        // Told of here and not where it happens: that is in each publish, while it lasts.
        long cut = HistoryCut;
        if (cut != _cutTold)
        {
            Log.HistoriesCut(_logger, cut - _cutTold, _options.MaxTopicHistoryBytes);
            _cutTold = cut;
        }
    }
}
