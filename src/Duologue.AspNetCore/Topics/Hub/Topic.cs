using System.Buffers;

namespace Duologue.AspNetCore;

/// <summary>What this process has of one topic: who subscribes, and up to where they have it.</summary>
/// <remarks>
/// Two locks, always in this order: the publish lock, under which connections take the frame, so that all subscribers see one order
/// of messages; then, inside it or inside a <see cref="ConnectionState"/>'s lock, which is also its connection's, the lock on the sets. Neither is held while a frame is handed to a carrier, an event is raised,
/// a waiter woken, or anything counted or logged: handlers, listeners and sinks may run there. What is in a broker's memory has a leaf lock of its own.
/// Under a third, the notice lock, connections take what tells of presence: many who watch many who come hold up no publish. It stands where the publish lock does, and the two are never held together.
/// </remarks>
internal sealed partial class Topic(string name, TopicHub hub)
{
    private readonly Lock _publishLock = new();
    private readonly Lock _noticeLock = new();
    private readonly Lock _setLock = new();

    // Guarded by the lock on the sets.
    private readonly HashSet<Member> _members = [];
    private HashSet<TopicSubscription>? _readers;
    private HashSet<Member>? _watchers;
    private Dictionary<Member, PendingSubscription>? _catchingUp;
    private Member[] _wild = [];
    private int _wildVersion = -1;
    private bool _retired;

    // What a publish walks through; made at the first publish after a change, so that a change costs no copy.
    private MemberSnapshot? _snapshot;

    // Guarded by the publish lock: up to where the members have the topic, whether its log is followed, and who waits for more.
    private TopicPosition _delivered;
    private volatile Following _following;
    private TopicSubscription? _waiters;
    private int _waiterCount;
    private long _lastPublish = hub.Time.GetTimestamp();

    /// <summary>Whether what is appended to the log is handed out here.</summary>
    private enum Following : byte
    {
        NotYet,
        Yes,

        /// <summary>For good: another <see cref="Topic"/> may follow it by now.</summary>
        NoMore,
    }

    public string Name { get; } = name;

    /// <summary>Connections and streams; held polls and wildcards are not counted.</summary>
    public int Count
    {
        get
        {
            lock (_setLock)
            {
                return _members.Count + (_readers?.Count(reader => reader.PresentAs is not null) ?? 0);
            }
        }
    }

    /// <summary>Whether it takes nobody any more: it is to be removed.</summary>
    private bool IsRetired
    {
        get
        {
            lock (_setLock)
            {
                return _retired;
            }
        }
    }

    private bool HasMembers
    {
        get
        {
            lock (_setLock)
            {
                return _members.Count + _wild.Length > 0;
            }
        }
    }

    public TopicSubscriber[] ListSubscribers()
    {
        lock (_setLock)
        {
            return [.. _members.Select(member => member.Describe(hub.Node)), .. _readers?.Where(reader => reader.PresentAs is not null).Select(reader => reader.PresentAs!.Value) ?? []];
        }
    }

    /// <summary>Adds a subscriber; false if the topic has lost its last one and is about to be removed: take a new topic then.</summary>
    public bool TryAdd(Member member)
    {
        lock (_setLock)
        {
            if (_retired)
            {
                return false;
            }

            _catchingUp?.Remove(member);
            if (_members.Add(member))
            {
                _snapshot = null;
                Tell(joined: true, member.Describe(hub.Node));
            }

            return true;
        }
    }

    /// <inheritdoc cref="TryAdd(Member)"/>
    public bool TryAdd(TopicSubscription reader)
    {
        lock (_setLock)
        {
            if (!_retired && (_readers ??= []).Add(reader) && reader.PresentAs is { } subscriber)
            {
                Tell(joined: true, subscriber);
            }

            return !_retired;
        }
    }

    /// <summary>Removes a subscriber; true if it was the last: the topic takes no more and is to be removed.</summary>
    public bool Remove(Member member)
    {
        lock (_setLock)
        {
            _watchers?.Remove(member);
            if (!_members.Remove(member))
            {
                return false;
            }

            _snapshot = null;
            Tell(joined: false, member.Describe(hub.Node));
            return RetireIfUnused();
        }
    }

    /// <inheritdoc cref="Remove(Member)"/>
    public bool Remove(TopicSubscription reader)
    {
        lock (_setLock)
        {
            if (_readers?.Remove(reader) != true)
            {
                return false;
            }

            if (reader.PresentAs is { } subscriber)
            {
                Tell(joined: false, subscriber);
            }

            return RetireIfUnused();
        }
    }

    /// <summary>Tells a member from now on, while it is one, who joins and leaves. False if it has gone since it subscribed: then nobody would take it out again.</summary>
    public bool TryWatch(Member member)
    {
        lock (_setLock)
        {
            if (!_members.Contains(member))
            {
                return false;
            }

            (_watchers ??= []).Add(member);
            return true;
        }
    }

    /// <summary>The member's connection, if presence is told it; else nobody.</summary>
    public WebSocketConnection[] ListWatcher(Member member)
    {
        lock (_setLock)
        {
            return _watchers?.Contains(member) == true ? [member.Connection] : [];
        }
    }

    /// <summary>Whether presence is told anybody.</summary>
    public bool HasWatchers
    {
        get
        {
            lock (_setLock)
            {
                return _watchers is { Count: > 0 };
            }
        }
    }

    /// <summary>Those whom presence is told.</summary>
    public WebSocketConnection[] ListWatchers()
    {
        lock (_setLock)
        {
            return _watchers is null ? [] : [.. _watchers.Select(watcher => watcher.Connection)];
        }
    }

    /// <summary>Retires a topic that has nobody: one that was made and never joined, or that wildcards alone have kept and do no more.</summary>
    public bool TryRetire(TimeSpan idle)
    {
        RefreshWildcards();

        // In one step, lest something is heard of in between, which those who subscribe by a wildcard are to have.
        lock (_publishLock)
        {
            // Who is behind is to have something yet, however long the broker takes to give it.
            bool isIdle = !_isBehind && !_pumping && hub.Time.GetElapsedTime(_lastPublish) >= idle;
            lock (_setLock)
            {
                return !_retired && _members.Count == 0 && _readers is null or { Count: 0 } && (isIdle || _wild.Length == 0) && (_retired = true);
            }
        }
    }

    /// <summary>Looks anew who subscribes by a wildcard, if that may have changed. Asks what is the application's: hold no lock.</summary>
    public void RefreshWildcards()
    {
        if (Volatile.Read(ref _wildVersion) == hub.Wildcards.Version)
        {
            return;
        }

        Member[] members = hub.Wildcards.FindMembers(Name, out int version);
        lock (_setLock)
        {
            // Of two who look at once the newer view stays; the difference is right also where the number has wrapped.
            if (_wildVersion == -1 || version - _wildVersion > 0)
            {
                (_wild, _wildVersion, _snapshot) = (members, version, null);
            }
        }
    }

    private bool RetireIfUnused() =>
        _members.Count == 0 && _readers is null or { Count: 0 } && _wild.Length == 0 && (_retired = true);

    private void Tell(bool joined, TopicSubscriber subscriber)
    {
        if (hub.IsPresenceWanted || _watchers is { Count: > 0 })
        {
            hub.Events.Add(new TopicEvent(joined ? TopicEventKind.Joined : TopicEventKind.Left, Name, this, subscriber));
        }
    }

    private MemberSnapshot TakeSnapshot()
    {
        lock (_setLock)
        {
            return _snapshot ??= _members.Count + _wild.Length == 0 ? MemberSnapshot.Empty
                : _wild.Length == 0 ? new MemberSnapshot(_members)
                : new MemberSnapshot([.. _members.Union(_catchingUp is { Count: > 0 } catchingUp ? _wild.Where(member => !catchingUp.ContainsKey(member)) : _wild)]);
        }
    }

    // Before anything is changed: no memory for it must leave nothing behind.
    private TopicSubscription[]? RentForWaiters() => _waiterCount == 0 ? null : ArrayPool<TopicSubscription>.Shared.Rent(_waiterCount);

    private int TakeWaiters(TopicSubscription[]? taken)
    {
        int count = _waiterCount;
        TopicSubscription? waiter = _waiters;
        for (int i = 0; i < count; i++)
        {
            taken![i] = waiter!;
            TopicSubscription? next = waiter!.Next;
            (waiter.Previous, waiter.Next, waiter.IsLinked) = (null, null, false);
            waiter = next;
        }

        (_waiters, _waiterCount) = (null, 0);
        return count;
    }
}
