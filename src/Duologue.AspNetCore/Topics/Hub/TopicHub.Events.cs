using System.Buffers;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Duologue.Protocol.Handshake;

namespace Duologue.AspNetCore;

/// <summary>What the hub hears from its broker, and what it tells of.</summary>
internal sealed partial class TopicHub
{
    // So many pages have their place before the first of them leaves: whoever has several of these topics is sent them in one step, and nobody waits long for the others' places.
    private const int MaxTaken = 64;

    // Where there is no room for topics each message of another would be told to all who subscribe by a pattern that stands for it: so often they are told instead.
    private static readonly TimeSpan NotOpenedPeriod = TimeSpan.FromSeconds(1);

    // Guarded by its lock, a leaf: for whom, by which pattern, a topic was not opened since others were told of that; null if nobody was told within the period.
    private readonly Lock _notOpenedLock = new();
    private Dictionary<string, HashSet<Member>>? _notOpened;

    // What a pattern misses is told within the hand-out, before what comes behind it.
    bool IBrokerListener.AsksApplication => Wildcards.AskApplication || (Reset is not null && !Wildcards.IsEmpty);

    FanoutReach IBrokerListener.Appended(ReadOnlySpan<AppendedMessage> together)
    {
        // Topic by topic, each with all its messages in their order: what is of one topic leaves as one.
        OrderedDictionary<string, List<TopicMessage>> byTopic = new(StringComparer.Ordinal);
        foreach (AppendedMessage appended in together)
        {
            if (!byTopic.TryGetValue(appended.Topic, out List<TopicMessage>? ofOne))
            {
                byTopic.Add(appended.Topic, ofOne = []);
            }

            ofOne.Add(appended.Message);
        }

        // Rented before anything is taken: what has its place must leave.
        (Topic Topic, Delivery Delivery)[] taken = ArrayPool<(Topic, Delivery)>.Shared.Rent(MaxTaken);
        int count = 0;
        FanoutReach reach = default;
        ExceptionDispatchInfo? failure = null;
        foreach ((string name, List<TopicMessage> messages) in byTopic)
        {
            int next = 0;
            while (next < messages.Count && FindAppended(name, messages[next].Position, ref failure) is { } topic)
            {
                int some = topic.Take(CollectionsMarshal.AsSpan(messages)[next..], out Delivery delivery, ref failure);
                if (some == 0)
                {
                    // It was given up since it was found: who is to have the message by a wildcard has it by the next.
                    Close(topic);
                    continue;
                }

                taken[count++] = (topic, delivery);
                next += some;
                if (count == MaxTaken)
                {
                    reach += Leave(taken.AsSpan(0, count), ref failure);
                    count = 0;
                }
            }
        }

        reach += Leave(taken.AsSpan(0, count), ref failure);
        ArrayPool<(Topic, Delivery)>.Shared.Return(taken, clearArray: true);
        failure?.Throw();
        return reach;
    }

    private static FanoutReach Leave(ReadOnlySpan<(Topic Topic, Delivery Delivery)> taken, ref ExceptionDispatchInfo? failure)
    {
        FanoutReach reach = default;
        for (int i = 0; i < taken.Length; i++)
        {
            (Topic topic, Delivery delivery) = taken[i];
            int reached = topic.Leave(delivery, ref failure);
            int messages = Math.Max(1, delivery.MessageCount);
            bool isBehind = i > 0 && taken[i - 1].Topic == topic;
            reach += new FanoutReach(reached * messages, reached * (isBehind ? messages : messages - 1));
        }

        return reach;
    }

    void IBrokerListener.AppendedUnseen(string topic, TopicPosition first)
    {
        ExceptionDispatchInfo? failure = null;
        while (FindAppended(topic, first, ref failure) is { } found && !found.AppendedUnseen(first))
        {
            Close(found);
        }

        failure?.Throw();
    }

    void IBrokerListener.Seen(string topic, TopicPosition end)
    {
        if (_topics.TryGetValue(topic, out Topic? found))
        {
            found.Seen(end);
        }
    }

    void IBrokerListener.Uncertain(string topic)
    {
        if (_topics.TryGetValue(topic, out Topic? found))
        {
            found.Uncertain();
        }
    }

    void IBrokerListener.Missed()
    {
        ExceptionDispatchInfo? failure = null;
        TellMissed(Wildcards.List(), ref failure);
        failure?.Throw();
    }

    // What throws is kept until all have been told.
    private void TellMissed((string Pattern, Member[] Members)[] subscribed, ref ExceptionDispatchInfo? failure)
    {
        foreach ((string pattern, Member[] members) in subscribed)
        {
            try
            {
                TellMissed(pattern, members);
            }
#pragma warning disable CA1031 // As said.
            catch (Exception error)
#pragma warning restore CA1031
            {
                failure ??= ExceptionDispatchInfo.Capture(error);
            }
        }
    }

    private void TellMissed(string pattern, Member[] subscribed)
    {
        var unknown = new TopicPage([], default, HasMore: false) { IsReset = true };
        var members = new MemberSnapshot(subscribed);
        Recovered(pattern, unknown);
        if (members.Protocol.Length > 0)
        {
            Fanout.Send(members.Protocol, TopicsProtocol.MissedFrame(pattern));
        }

        if (members.Raw.Length > 0)
        {
            LostByMembers(pattern, unknown, members.Raw);
        }
    }

    void IBrokerListener.Expired(string topic)
    {
        Events.Add(new TopicEvent(TopicEventKind.Expired, topic, null, default));
        Events.Raise();
    }

    void IBrokerListener.Joined(string topic, TopicSubscriber subscriber) => HappenedElsewhere(TopicEventKind.Joined, topic, subscriber);

    void IBrokerListener.Left(string topic, TopicSubscriber subscriber) => HappenedElsewhere(TopicEventKind.Left, topic, subscriber);

    private void HappenedElsewhere(TopicEventKind kind, string topic, TopicSubscriber subscriber)
    {
        Events.Add(new TopicEvent(kind, topic, _topics.GetValueOrDefault(topic), subscriber) { IsElsewhere = true });
        Events.Raise();
    }

    /// <summary>The topic, if somebody here wants what is appended to it. What throws is kept for later: it is no concern of the other topics.</summary>
    private Topic? FindAppended(string topic, TopicPosition first, ref ExceptionDispatchInfo? failure)
    {
        try
        {
            return _topics.TryGetValue(topic, out Topic? found) ? found : Wildcards.IsEmpty ? null : OpenForWildcards(topic, first);
        }
        catch (TopicLimitException limit)
        {
            // The broker has only said what happened, and need not know. Who would have had the message by a pattern has no log to read it from.
            _metrics.SubscriptionRefused(limit.Name);
            Log.TopicNotOpened(_logger, PeerText.Quote(topic), limit.Option, limit.Limit);
            TellNotOpened(topic, ref failure);
            return null;
        }
#pragma warning disable CA1031 // As said.
        catch (Exception error)
#pragma warning restore CA1031
        {
            failure ??= ExceptionDispatchInfo.Capture(error);
            return null;
        }
    }

    private void TellNotOpened(string topic, ref ExceptionDispatchInfo? failure)
    {
        (string Pattern, Member[] Members)[] subscribed = Wildcards.FindByPattern(topic);
        if (subscribed.Length == 0)
        {
            return;
        }

        lock (_notOpenedLock)
        {
            if (_notOpened is { } later)
            {
                foreach ((string pattern, Member[] members) in subscribed)
                {
                    ref HashSet<Member>? those = ref CollectionsMarshal.GetValueRefOrAddDefault(later, pattern, out _);
                    (those ??= []).UnionWith(members);
                }

                return;
            }

            _notOpened = [];
        }

        TellMissed(subscribed, ref failure);
        _ = TellNotOpenedAsync();
    }

    // Until a period has passed in which nothing was lost: the last loss is told, too.
    private async Task TellNotOpenedAsync()
    {
        while (true)
        {
            await Task.Delay(NotOpenedPeriod, Time, Ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Dictionary<string, HashSet<Member>> those;
            lock (_notOpenedLock)
            {
                those = _notOpened!;
                if (those.Count == 0 || Ended.IsCancellationRequested)
                {
                    _notOpened = null;
                    return;
                }

                _notOpened = [];
            }

            TellNotOpened(those);
        }
    }

    private void TellNotOpened(Dictionary<string, HashSet<Member>> those)
    {
        // Who has left the pattern since is told nothing.
        List<(string Pattern, Member[] Members)> subscribed = [];
        foreach ((string pattern, Member[] members) in Wildcards.List())
        {
            if (those.TryGetValue(pattern, out HashSet<Member>? some) && Array.FindAll(members, some.Contains) is { Length: > 0 } left)
            {
                subscribed.Add((pattern, left));
            }
        }

        ExceptionDispatchInfo? failure = null;
        TellMissed([.. subscribed], ref failure);
        if (failure is not null)
        {
            Log.TopicListenerFailed(_logger, failure.SourceException, nameof(Reset));
        }
    }

    /// <summary>Ends the notifications of a topic or a pattern.</summary>
    public void Unfollow(string topic)
    {
        _ = WatchAsync(static (broker, topic) => broker.UnsubscribeAsync(topic), "unsubscribe", topic);
    }

    /// <summary>Somebody has continued after a position, or could not.</summary>
    public void Recovered(string topic, TopicPage page)
    {
        _metrics.Recovered(page.IsReset);
        if (page.IsReset)
        {
            Log.TopicReset(_logger, PeerText.Quote(topic), page.Lost);
        }
    }

    /// <summary>Subscribers have lost messages in mid-stream, or may have. Plain connections are sent payloads alone: their application is told.</summary>
    public void LostByMembers(string topic, TopicPage page, IEnumerable<WebSocketConnection> plain)
    {
        if (Reset is not null)
        {
            TopicSubscriber[] subscribers = [.. plain.Select(connection => new Member(connection, MemberForm.Raw).Describe(Node))];
            Events.Add(new TopicEvent(TopicEventKind.Reset, topic, null, default) { Lost = page.Lost, Subscribers = subscribers });
            Events.Raise();
        }
    }

    /// <summary>Something of the broker threw. The topic is tried again, or the caller has been told.</summary>
    public void BrokerFailed(Exception error, string operation, string topic)
    {
        _metrics.BrokerFailed(operation);
        Log.BrokerFailed(_logger, error, operation, PeerText.Quote(topic));
    }

    // For a broker that fails there is another try, as there is for a topic. Whoever has left meanwhile has nobody's call to end but his own.
    private async Task FollowPatternAsync(Wildcard wildcard)
    {
        bool isLate = false;
        while (!await WatchAsync(static async (broker, pattern) => await broker.SubscribeAsync(pattern, CancellationToken.None).ConfigureAwait(false), "subscribe", wildcard.Pattern).ConfigureAwait(false))
        {
            isLate = true;
            await Task.Delay(Topic.RetryDelay, Time, Ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (wildcard.HasLeft || Ended.IsCancellationRequested)
            {
                return;
            }
        }

        if (!wildcard.TryFollow())
        {
            Unfollow(wildcard.Pattern);
        }
        else if (isLate)
        {
            // It was told long ago that it subscribes.
            TellMissed(wildcard.Pattern, [wildcard.Member]);
        }
    }

    // False if it failed, which is told.
    private async Task<bool> WatchAsync(Func<Broker, string, ValueTask> call, string operation, string topic)
    {
        try
        {
            await call(Broker, topic).ConfigureAwait(false);
            return true;
        }
#pragma warning disable CA1031 // Nobody waits for it: whatever the broker throws is logged and counted here or nowhere.
        catch (Exception error)
#pragma warning restore CA1031
        {
            BrokerFailed(error, operation, topic);
            return false;
        }
    }

    // Never throws: the events behind this one must be raised.
    private void Raise(TopicEvent happened)
    {
        try
        {
            switch (happened.Kind)
            {
                case TopicEventKind.Expired:
                    _metrics.TopicExpired();
                    Log.TopicExpired(_logger, PeerText.Quote(happened.Topic));
                    Expired?.Invoke(this, new TopicExpiredEventArgs(happened.Topic));
                    break;
                case TopicEventKind.Reset:
                    Reset?.Invoke(this, new TopicResetEventArgs(happened.Topic, happened.Lost, happened.Subscribers!));
                    break;
                case TopicEventKind.Watched:
                    TellWhoIsThere(happened);
                    break;
                case TopicEventKind.Joined:
                    Announce(happened);
                    TellWatchers(happened);
                    Joined?.Invoke(this, new TopicPresenceEventArgs(happened.Topic, happened.Subscriber));
                    break;
                default:
                    Announce(happened);
                    TellWatchers(happened);
                    Left?.Invoke(this, new TopicPresenceEventArgs(happened.Topic, happened.Subscriber));
                    break;
            }
        }
#pragma warning disable CA1031 // A listener of the application's; the one who happened to raise the event is somebody else.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Log.TopicListenerFailed(_logger, error, happened.Kind.ToString());
        }
    }

    private void Announce(TopicEvent happened)
    {
        if (_memory is null && !happened.IsElsewhere)
        {
            Broker.Announce(happened.Topic, happened.Subscriber, happened.Kind == TopicEventKind.Joined);
        }
    }

    private void TellWhoIsThere(TopicEvent happened)
    {
        Topic topic = happened.LocalTopic!;
        if (topic.TryWatch(happened.Watcher))
        {
            topic.Send(() => topic.ListWatcher(happened.Watcher), TopicsProtocol.PresentFrame(happened.Topic, WithElsewhere(happened.Topic, topic.ListSubscribers())));
        }
    }

    private static void TellWatchers(TopicEvent happened)
    {
        if (happened.LocalTopic is { HasWatchers: true } topic)
        {
            topic.Send(topic.ListWatchers, TopicsProtocol.PresenceFrame(happened.Topic, happened.Kind == TopicEventKind.Joined, happened.Subscriber));
        }
    }
}

/// <summary>What is told of a topic.</summary>
internal enum TopicEventKind
{
    Joined,
    Left,
    Expired,
    Reset,
    Watched,
}

/// <summary>Something that is told of a topic.</summary>
internal readonly record struct TopicEvent(TopicEventKind Kind, string Topic, Topic? LocalTopic, TopicSubscriber Subscriber)
{
    /// <summary>Of somebody who joined or left: whether that was in another process.</summary>
    public bool IsElsewhere { get; init; }

    /// <summary>Of a wish to be told who comes and goes: whose it is.</summary>
    public Member Watcher { get; init; }

    /// <summary>Of a reset: how many messages are known lost.</summary>
    public long? Lost { get; init; }

    /// <summary>Of a reset: the plain connections, which are not told otherwise.</summary>
    public TopicSubscriber[]? Subscribers { get; init; }
}
