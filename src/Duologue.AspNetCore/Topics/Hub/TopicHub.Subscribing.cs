using System.Runtime.ExceptionServices;

namespace Duologue.AspNetCore;

/// <summary>How connections and readers come to a topic, and go.</summary>
internal sealed partial class TopicHub
{
    // So much is read of a history at a time: the connection takes it before more is read.
    private const int PageCount = 256;
    private const int PageBytes = 64 * 1024;

    // For a broker to tell this process what a reader has seen already.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    internal override bool Subscribe(WebSocketConnection connection, ConnectionState state, string topic) =>
        Subscribe(connection, state, topic, MemberForm.Raw, null);

    /// <summary>Subscribes a connection to what is published from now on, in one topic or by a pattern.</summary>
    public bool Subscribe(WebSocketConnection connection, ConnectionState state, string topic, MemberForm form, Func<string, bool>? allows)
    {
        TopicName.CheckPattern(topic);
        if (TryHold(connection, state, topic, form) is not { } pending)
        {
            return false;
        }

        var member = new Member(connection, form);
        bool joined = TopicName.IsPattern(topic) ? Add(state, pending, new Wildcard(topic, member, allows is null ? null : name => Ask(connection, allows, name))) : Join(state, pending, member);
        Events.Raise();
        if (joined)
        {
            _metrics.Subscribed(1);
        }

        return joined;
    }

    internal override ValueTask<SubscribeResult> SubscribeAsync(WebSocketConnection connection, ConnectionState state, string topic, TopicStart start, CancellationToken cancellationToken) =>
        SubscribeAsync(connection, state, topic, start, new RawSink(connection), cancellationToken);

    /// <summary>Subscribes a connection from a place on: it is sent what the history has, as fast as it takes it, and then what comes.</summary>
    public async ValueTask<SubscribeResult> SubscribeAsync(WebSocketConnection connection, ConnectionState state, string topic, TopicStart start, MemberSink sink, CancellationToken cancellationToken)
    {
        TopicName.Check(topic);
        if (TryHold(connection, state, topic, sink.Form) is not { } pending)
        {
            return default;
        }

        SubscribeResult result = default;
        try
        {
            using TopicSubscription reader = await OpenAsync(topic, start, null, cancellationToken).ConfigureAwait(false);
            result = await CatchUpAsync(reader, start, new Member(connection, sink.Form), state, pending, sink, cancellationToken).ConfigureAwait(false);
        }
        catch (TopicLimitException limit)
        {
            throw Refused(connection, limit);
        }
        finally
        {
            if (!result.IsSubscribed)
            {
                GiveUp(state, pending);
            }
        }

        Events.Raise();
        if (result.IsSubscribed)
        {
            _metrics.Subscribed(1);
        }

        return result;
    }

    public override async ValueTask<TopicSubscription> SubscribeAsync(string topic, TopicStart start, CancellationToken cancellationToken)
    {
        TopicName.Check(topic);
        return await OpenAsync(topic, start, null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Opens a reader of a topic with a checked name.</summary>
    /// <param name="topic">The name.</param>
    /// <param name="start">Where to begin.</param>
    /// <param name="presentAs">As whom it stands in the list of subscribers; null for nobody.</param>
    /// <param name="cancellationToken">Stops the waiting for the broker.</param>
    /// <exception cref="TopicLimitException">There are too many topics.</exception>
    public async ValueTask<TopicSubscription> OpenAsync(string topic, TopicStart start, TopicSubscriber? presentAs, CancellationToken cancellationToken)
    {
        while (true)
        {
            Topic local = Open(topic);
            var reader = new TopicSubscription(this, local, start, presentAs);
            if (!local.TryAdd(reader))
            {
                Close(local);
                continue;
            }

            Events.Raise();
            try
            {
                if (_memory is null)
                {
                    await WaitForBrokerAsync(local, cancellationToken).ConfigureAwait(false);
                }

                if (start.Kind == TopicStartKind.Now)
                {
                    // "Now" is when the subscription began, not when it is first read.
                    TopicPage here = await Broker.ReadAsync(topic, start, 1, 1, cancellationToken).ConfigureAwait(false);
                    reader.MoveTo(here.Next);
                }

                return reader;
            }
            catch
            {
                reader.Dispose();
                throw;
            }
        }
    }

    // Who waits for an answer has one, also where the broker has none. The topic's members have nothing to wait for: for them the broker is asked until it answers.
    private async Task WaitForBrokerAsync(Topic local, CancellationToken cancellationToken)
    {
        try
        {
            await local.AttachAsync().WaitAsync(BrokerPatience, Time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException error)
        {
            throw new BrokerUnavailableException($"The broker could not follow the topic within {BrokerPatience.TotalSeconds} s; the log has each try (BrokerFailed). Subscribe again.", isUnknown: false, error);
        }
    }

    internal override bool Unsubscribe(WebSocketConnection connection, ConnectionState state, string topic) =>
        Unsubscribe(connection, state, topic, MemberForm.Raw);

    public bool Unsubscribe(WebSocketConnection connection, ConnectionState state, string topic, MemberForm form)
    {
        TopicName.CheckPattern(topic);
        object? removed;
        bool wasLast;
        lock (state)
        {
            // In one step with the sets: a subscription that begins right behind would be taken out by us.
            removed = state.Remove(topic, form);
            wasLast = TakeOut(new Member(connection, form), removed);
        }

        Part(removed, wasLast);
        (removed as Topic)?.AwaitHandOut();
        return removed is not null;
    }

    internal override void Leave(WebSocketConnection connection, ConnectionState state)
    {
        KeyValuePair<(string Name, MemberForm Form), object>[] all;
        lock (state)
        {
            all = state.RemoveAll();
        }

        foreach (((string _, MemberForm form), object removed) in all)
        {
            Part(removed, TakeOut(new Member(connection, form), removed));
        }
    }

    /// <summary>Tells a member who is there, and from then on who joins and leaves its topic. In its place among the events, so that nobody who has left is named behind the news of it.</summary>
    public void WatchPresence(Member member, string topic)
    {
        if (_topics.TryGetValue(topic, out Topic? found))
        {
            Events.Add(new TopicEvent(TopicEventKind.Watched, topic, found, default) { Watcher = member });
            Events.Raise();
        }
    }

    public void Close(TopicSubscription reader)
    {
        if (reader.LocalTopic.Remove(reader))
        {
            Close(reader.LocalTopic);
        }

        Events.Raise();
    }

    private async ValueTask<SubscribeResult> CatchUpAsync(TopicSubscription reader, TopicStart start, Member member, ConnectionState state, PendingSubscription pending, MemberSink sink, CancellationToken cancellationToken)
    {
        Topic topic = reader.LocalTopic;
        bool isWild;
        lock (state)
        {
            // Its own, for to look for those of all with each subscription would cost those that come back together the square of their number.
            isWild = state.HasPattern(topic.Name, member.Form);
        }

        TopicPosition since = topic.BeginCatchUp(member, state, pending, isWild);
        if (isWild && start.Kind == TopicStartKind.Now)
        {
            // What came before it had by the wildcard, what comes from here on it has from the log.
            reader.MoveTo(since);
        }

        SubscribeResult result = default;
        try
        {
            return result = await CatchUpAsync(reader, member, state, pending, sink, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (!result.IsSubscribed && topic.EndCatchUp(member, pending, since))
            {
                TellMissedByWildcards(member, state, topic.Name);
            }
        }
    }

    // It was not handed what came while it read the log, and did not read to its end. Never throws: its caller has something else to tell.
    private void TellMissedByWildcards(Member member, ConnectionState state, string topic)
    {
        string[] patterns;
        lock (state)
        {
            patterns = state.ListPatterns(topic, member.Form);
        }

        if (member.Connection.IsEnding)
        {
            return;
        }

        ExceptionDispatchInfo? failure = null;
        TellMissed([.. patterns.Select(pattern => (pattern, new[] { member }))], ref failure);
        if (failure is not null)
        {
            Log.TopicListenerFailed(_logger, failure.SourceException, nameof(Reset));
        }
    }

    private async ValueTask<SubscribeResult> CatchUpAsync(TopicSubscription reader, Member member, ConnectionState state, PendingSubscription pending, MemberSink sink, CancellationToken cancellationToken)
    {
        bool isReset = false;
        long? lost = 0;
        bool began = false;
        while (true)
        {
            TopicPosition sent = reader.Position;
            TopicPage page = await reader.ReadAvailableAsync(PageCount, PageBytes, cancellationToken).ConfigureAwait(false);
            lock (state)
            {
                if (!state.HasClosed && !state.IsHeld(pending))
                {
                    // It was unsubscribed: what is read from here on may have been published since.
                    return new SubscribeResult(false, sent, isReset, isReset ? lost : null);
                }
            }

            if (page.IsReset)
            {
                (isReset, lost) = (true, lost + page.Lost);
            }

            if (!began || !page.IsEmpty)
            {
                await sink.SendAsync(page, isFirst: !began, cancellationToken).ConfigureAwait(false);
                began = true;
            }

            if (page.HasMore)
            {
                continue;
            }

            if (reader.LocalTopic.TryGoLive(reader.Position, member, state, pending) is { } isLive)
            {
                return new SubscribeResult(isLive, reader.Position, isReset, isReset ? lost : null);
            }

            if (page.IsEmpty && _memory is null)
            {
                reader.LocalTopic.Uncertain();
                await Task.Delay(Pause, Time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private PendingSubscription? TryHold(WebSocketConnection connection, ConnectionState state, string topic, MemberForm form)
    {
        bool isFull;
        var pending = new PendingSubscription(topic, form);
        lock (state)
        {
            if (state.HasClosed || state.IsSubscribed(topic, form))
            {
                return null;
            }

            isFull = _options.MaxTopicsPerConnection > 0 && state.SubscriptionCount >= _options.MaxTopicsPerConnection;
            if (!isFull)
            {
                state.Hold(pending);
            }
        }

        return isFull ? throw Refused(connection, new TopicLimitException(nameof(DuologueOptions.MaxTopicsPerConnection), _options.MaxTopicsPerConnection)) : pending;
    }

    private bool Join(ConnectionState state, PendingSubscription pending, Member member)
    {
        while (true)
        {
            Topic topic;
            try
            {
                topic = Open(pending.Name);
            }
            catch (TopicLimitException limit)
            {
                GiveUp(state, pending);
                throw Refused(member.Connection, limit);
            }

            bool isHeld;
            bool added;
            lock (state)
            {
                isHeld = state.IsHeld(pending);
                added = isHeld && topic.TryAdd(member) && state.Settle(pending, topic);
            }

            if (added)
            {
                return true;
            }

            if (!isHeld)
            {
                // It was unsubscribed, or the connection has closed, before it had quite begun.
                Abandon(topic);
                return false;
            }

            // Its last subscriber is leaving at this moment: take it out for whoever is about to, and begin anew.
            Close(topic);
        }
    }

    private bool Add(ConnectionState state, PendingSubscription pending, Wildcard wildcard)
    {
        lock (state)
        {
            if (!state.Settle(pending, wildcard))
            {
                return false;
            }

            Wildcards.Add(wildcard);
        }

        if (_memory is null)
        {
            _ = FollowPatternAsync(wildcard);
        }

        return true;
    }

    // A filter runs on the thread of a publisher, or of whoever hands out. One that throws has not said yes, and must do them no harm.
    private bool Ask(WebSocketConnection connection, Func<string, bool> allows, string topic)
    {
        try
        {
            return allows(topic);
        }
#pragma warning disable CA1031 // Whatever the application throws is logged with its stack.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Log.TopicHookFailed(_logger, error, nameof(allows), ConnectionOrigin.Of(connection).Endpoint);
            return false;
        }
    }

    private static void GiveUp(ConnectionState state, PendingSubscription pending)
    {
        lock (state)
        {
            state.Settle(pending, null);
        }
    }

    // May be under the lock of the connection's subscriptions. Whether a topic has lost its last member by it.
    private bool TakeOut(Member member, object? removed)
    {
        if (removed is Wildcard wildcard)
        {
            Wildcards.Remove(wildcard);
        }

        return removed is Topic topic && topic.Remove(member);
    }

    private void Part(object? removed, bool wasLast)
    {
        if (wasLast)
        {
            Close((Topic)removed!);
        }

        if (removed is Wildcard wildcard && wildcard.Leave())
        {
            Unfollow(wildcard.Pattern);
        }

        if (removed is not null and not PendingSubscription)
        {
            _metrics.Subscribed(-1);
        }

        Events.Raise();
    }

    /// <summary>A connection's subscription that was refused for a limit: counted and logged, with no lock held.</summary>
    private TopicLimitException Refused(WebSocketConnection connection, TopicLimitException limit)
    {
        _metrics.SubscriptionRefused(limit.Name);
        Log.SubscriptionRefused(_logger, connection.Id, limit.Option, limit.Limit);
        return limit;
    }
}
