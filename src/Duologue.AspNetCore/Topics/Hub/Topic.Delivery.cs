using System.Buffers;
using Duologue.Peer;

namespace Duologue.AspNetCore;

/// <summary>Publishing to a topic, and waiting for what is published.</summary>
internal sealed partial class Topic
{
    /// <summary>
    /// Begins to follow the broker's log, where that is in this process's memory: from when it returns, what is appended is delivered. Before a subscriber is
    /// told that it is one.
    /// </summary>
    /// <exception cref="TopicLimitException">The broker takes no more topics.</exception>
    public void Attach(MemoryBroker memory)
    {
        if (_following == Following.Yes)
        {
            return;
        }

        lock (_publishLock)
        {
            AttachLocked(memory);
        }
    }

    /// <summary>Appends and hands out in one step; refuses if the topic is no more: take a new one then.</summary>
    public Appending TryPublish(MemoryBroker memory, TopicMessage message, out FanoutResult result)
    {
        RefreshWildcards();
        Delivery delivery;
        lock (_publishLock)
        {
            if (!AttachLocked(memory))
            {
                result = default;
                return Appending.Refused;
            }

            // What there must be memory for comes first: what is in the log and not handed out would be a gap that nobody is told of.
            MemberSnapshot members = TakeSnapshot();
            TopicSubscription[]? waiters = RentForWaiters();

            // While the log is followed nobody else appends to it: this message comes right behind the one delivered last.
            if (!memory.Append(Name, message))
            {
                GiveBack(waiters);
                result = default;
                return Appending.Repeated;
            }

            delivery = Deliver([message], members, waiters);
        }

        result = delivery.Settle();
        return Appending.Appended;
    }

    /// <summary>
    /// A connection begins to read the log, to become a member: from now on it is not handed what comes by a wildcard as well, which would come before what it has missed, and twice. Until it is a member, or
    /// <see cref="EndCatchUp"/>.
    /// </summary>
    /// <param name="member">Who it is.</param>
    /// <param name="state">The connection's, whose lock is taken inside the publish lock.</param>
    /// <param name="pending">The place that the subscription holds. If it has lost it, another may be reading by now, and nothing is changed.</param>
    /// <param name="isWild">Whether it may have been handed what came, by a wildcard.</param>
    /// <returns>Up to where the topic was handed out.</returns>
    public TopicPosition BeginCatchUp(Member member, ConnectionState state, PendingSubscription pending, bool isWild)
    {
        lock (_publishLock)
        {
            lock (state)
            {
                if (state.IsHeld(pending))
                {
                    KeepFromWildcards(member, pending, isWild);
                }
            }

            return _delivered;
        }
    }

    private void KeepFromWildcards(Member member, PendingSubscription pending, bool isWild)
    {
        lock (_setLock)
        {
            (_catchingUp ??= [])[member] = pending;

            // Also of whoever subscribes by a wildcard no more: between two looks at the wildcards it stands in there all the same.
            _snapshot = isWild || _wild.Length > 0 ? null : _snapshot;
        }
    }

    /// <summary>
    /// The connection reads no more: if it did not become a member, it is handed again what comes by a wildcard. True if something came meanwhile that it may not have been handed: where another subscription of
    /// its own has taken the place, that does not say what was kept back before. So it is told once too often rather than not at all.
    /// </summary>
    public bool EndCatchUp(Member member, PendingSubscription pending, TopicPosition since)
    {
        lock (_publishLock)
        {
            lock (_setLock)
            {
                if (_catchingUp is not null && _catchingUp.TryGetValue(member, out PendingSubscription? place) && place == pending)
                {
                    _catchingUp.Remove(member);
                    _snapshot = null;
                }

                return _wild.Contains(member) && _delivered != since;
            }
        }
    }

    /// <summary>
    /// Makes a connection a member that gets all that follows a position, and nothing twice; null if it has to read on first, from the log.
    /// </summary>
    /// <param name="position">Up to where it has the topic.</param>
    /// <param name="member">Who it is.</param>
    /// <param name="state">The connection's, whose lock is taken inside the publish lock.</param>
    /// <param name="pending">The place that the subscription holds; false is given if it has lost it.</param>
    public bool? TryGoLive(TopicPosition position, Member member, ConnectionState state, PendingSubscription pending)
    {
        lock (_publishLock)
        {
            lock (state)
            {
                if (_delivered != position)
                {
                    return state.IsHeld(pending) ? null : false;
                }

                // The reader that is still open keeps the topic from being retired.
                return state.Settle(pending, this) && TryAdd(member);
            }
        }
    }

    /// <summary>
    /// Returns when what is being handed out, or told, at this moment has its place with all who were members when that began. Who has left before is given nothing of the topic behind this: neither after the
    /// answer that tells so, nor once more where it comes back behind what it had. Hold no lock.
    /// </summary>
    public void AwaitHandOut()
    {
        _publishLock.Enter();
        _publishLock.Exit();
        _noticeLock.Enter();
        _noticeLock.Exit();
    }

    /// <summary>Sends a frame that is none of a message. Who is to have it is asked in one step with its place, for those who <see cref="AwaitHandOut"/>. With no lock held.</summary>
    public void Send(Func<WebSocketConnection[]> receivers, BroadcastFrame frame)
    {
        Fanout.Accepted accepted;
        lock (_noticeLock)
        {
            accepted = Fanout.Accept(receivers(), frame);
        }

        Fanout.Settle(accepted);
    }

    /// <summary>Puts a reader among those who wait; false if it need not.</summary>
    public bool TryWait(TopicSubscription reader, out WaitEnd end)
    {
        bool isElsewhere;
        lock (_publishLock)
        {
            // Where others append, a reader may have seen a new life of the topic before this process was told of it.
            isElsewhere = _delivered.Epoch != reader.Position.Epoch;
            end = hub.IsDraining ? WaitEnd.Stopped : WaitEnd.Arrived;
            if (hub.IsDraining || (!isElsewhere && _delivered.Offset > reader.Position.Offset))
            {
                return false;
            }

            reader.Next = _waiters;
            if (_waiters is not null)
            {
                _waiters.Previous = reader;
            }

            (_waiters, reader.IsLinked) = (reader, true);
            _waiterCount++;
        }

        if (isElsewhere)
        {
            Uncertain();
        }

        return true;
    }

    public void StopWaiting(TopicSubscription reader)
    {
        lock (_publishLock)
        {
            if (!reader.IsLinked)
            {
                return;
            }

            if (reader.Previous is { } previous)
            {
                previous.Next = reader.Next;
            }
            else
            {
                _waiters = reader.Next;
            }

            if (reader.Next is { } next)
            {
                next.Previous = reader.Previous;
            }

            (reader.Previous, reader.Next, reader.IsLinked) = (null, null, false);
            _waiterCount--;
        }
    }

    /// <summary>How many readers wait.</summary>
    public int WaitingCount
    {
        get
        {
            lock (_publishLock)
            {
                return _waiterCount;
            }
        }
    }

    /// <summary>Wakes all who wait.</summary>
    public void WakeAll(WaitEnd end)
    {
        TopicSubscription[]? waiters;
        int count;
        lock (_publishLock)
        {
            waiters = RentForWaiters();
            count = TakeWaiters(waiters);
        }

        for (int i = 0; i < count; i++)
        {
            waiters![i].Wake(end);
        }

        GiveBack(waiters);
    }

    /// <summary>Ends the following of the broker's log, for good. True if it had begun.</summary>
    public bool Detach()
    {
        lock (_publishLock)
        {
            bool was = _following == Following.Yes;
            _following = Following.NoMore;
            return was;
        }
    }

    private bool AttachLocked(MemoryBroker memory)
    {
        if (_following == Following.NotYet)
        {
            _delivered = memory.Pin(Name);
            _lastPublish = hub.Time.GetTimestamp();
            _following = Following.Yes;
        }

        return _following == Following.Yes;
    }

    /// <summary>Gives messages their place; if there is no memory for that, nothing has changed, and they are to be read from the log.</summary>
    private Delivery Deliver(ReadOnlySpan<TopicMessage> messages, MemberSnapshot members)
    {
        TopicSubscription[]? waiters = RentForWaiters();
        Keep(messages);
        return Deliver(messages, members, waiters);
    }

    // Never throws.
    private Delivery Deliver(ReadOnlySpan<TopicMessage> messages, MemberSnapshot members, TopicSubscription[]? waiters)
    {
        (_delivered, _lastPublish) = (messages[^1].Position, hub.Time.GetTimestamp());
        return new Delivery(Name, messages, members, waiters, TakeWaiters(waiters));
    }

    private static void GiveBack(TopicSubscription[]? waiters)
    {
        if (waiters is not null)
        {
            ArrayPool<TopicSubscription>.Shared.Return(waiters, clearArray: true);
        }
    }
}
