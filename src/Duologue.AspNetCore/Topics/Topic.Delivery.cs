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
        if (Volatile.Read(ref _attached))
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

            // While the log is followed nobody else appends to it: this message comes right behind the one delivered last.
            if (!memory.Append(Name, message))
            {
                result = default;
                return Appending.Repeated;
            }

            delivery = Deliver(message);
        }

        result = delivery.Settle();
        return Appending.Appended;
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
            if (_delivered != position)
            {
                return null;
            }

            lock (state)
            {
                // The reader that is still open keeps the topic from being retired.
                return state.Settle(pending, this) && TryAdd(member);
            }
        }
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
            waiters = TakeWaiters(out count);
        }

        for (int i = 0; i < count; i++)
        {
            waiters![i].Wake(end);
        }

        if (waiters is not null)
        {
            System.Buffers.ArrayPool<TopicSubscription>.Shared.Return(waiters, clearArray: true);
        }
    }

    /// <summary>Ends the following of the broker's log, for good. True if it had begun.</summary>
    public bool Detach()
    {
        lock (_publishLock)
        {
            bool was = _attached;
            (_detached, _attached) = (true, false);
            return was;
        }
    }

    private bool AttachLocked(MemoryBroker memory)
    {
        if (_detached)
        {
            return false;
        }

        if (!_attached)
        {
            _delivered = memory.Pin(Name);
            _lastPublish = hub.Time.GetTimestamp();
            Volatile.Write(ref _attached, true);
        }

        return true;
    }

    private Delivery Deliver(TopicMessage message) => Deliver([message], TakeSnapshot());

    private Delivery Deliver(ReadOnlySpan<TopicMessage> messages, MemberSnapshot members)
    {
        _delivered = messages[^1].Position;
        _lastPublish = hub.Time.GetTimestamp();
        Keep(messages);
        TopicSubscription[]? waiters = TakeWaiters(out int count);
        return new Delivery(Name, messages, members, waiters, count);
    }
}
