namespace Duologue.Client;

/// <summary>A message on its way out of a client.</summary>
internal sealed class KeptMessage(long number, MessageType type, byte[] data, bool keeps, long expiresAt)
{
    public long Number { get; } = number;

    public MessageType Type { get; } = type;

    public byte[] Data { get; } = data;

    public bool Keeps { get; } = keeps;

    /// <summary>A timestamp; the greatest for never.</summary>
    public long ExpiresAt { get; } = expiresAt;

    /// <summary>Set where somebody waits for it.</summary>
    public TaskCompletionSource<MessageFate>? Fate { get; init; }

    /// <summary>By what it was given up while it was on its way; null if it was not. Under the lock of those that wait.</summary>
    public CancellationToken? GivenUpBy { get; set; }
}

/// <summary>What waits to be sent, in order, up to a number of bytes. Thread-safe: its lock is a leaf, and what it tells, it tells with no lock held.</summary>
internal sealed class KeptMessages : IDisposable
{
    // No timer can be set for much longer than a month.
    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(1);

    private readonly Lock _lock = new();
    private readonly LinkedList<KeptMessage> _waiting = new();
    private readonly TimeProvider _time;
    private readonly int _maxBytes;
    private readonly Action<MessageFate, IReadOnlyList<KeptMessage>> _lost;
    private readonly ITimer _expiry;
    private TaskCompletionSource? _arrival;
    private long _bytes;
    private long _lastNumber;
    private long _nextExpiry = long.MaxValue;
    private bool _isOpen;
    private bool _ended;

    /// <param name="time">The clock.</param>
    /// <param name="maxBytes">The payload that may wait.</param>
    /// <param name="lost">Told what will not be sent: some that came one after the other.</param>
    public KeptMessages(TimeProvider time, int maxBytes, Action<MessageFate, IReadOnlyList<KeptMessage>> lost)
    {
        (_time, _maxBytes, _lost) = (time, maxBytes, lost);
        _expiry = time.CreateTimer(static kept => ((KeptMessages)kept!).Expire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Takes a message in, or tells at once why not.</summary>
    public KeptMessage Add(byte[] data, MessageType type, WhenAway whenAway, bool isWaitedFor)
    {
        KeptMessage message;
        MessageFate? refused;
        TaskCompletionSource? arrival = null;
        lock (_lock)
        {
            message = new KeptMessage(++_lastNumber, type, data, whenAway.Keeps, ExpiryOf(whenAway))
            {
                Fate = isWaitedFor ? new TaskCompletionSource<MessageFate>(TaskCreationOptions.RunContinuationsAsynchronously) : null,
            };
            refused = _ended || (!_isOpen && !whenAway.Keeps) ? MessageFate.Dropped
                : _bytes + data.Length > _maxBytes ? MessageFate.Overflowed
                : null;
            if (refused is null)
            {
                _waiting.AddLast(message);
                _bytes += data.Length;
                Arm(message.ExpiresAt);
                (arrival, _arrival) = (_arrival, null);
            }
        }

        if (refused is { } fate)
        {
            Tell(fate, [[message]]);
        }

        arrival?.TrySetResult();
        return message;
    }

    /// <summary>A conversation is open: from now on what is not to be kept is taken, too.</summary>
    public void Open()
    {
        lock (_lock)
        {
            _isOpen = true;
        }
    }

    /// <summary>The conversation is over: what is not to be kept is dropped.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isOpen = false;
        }

        Tell(MessageFate.Dropped, RemoveWhere(message => !message.Keeps));
    }

    /// <summary>Nothing will be sent any more.</summary>
    public void End()
    {
        TaskCompletionSource? arrival;
        lock (_lock)
        {
            (_isOpen, _ended) = (false, true);
            (arrival, _arrival) = (_arrival, null);
        }

        arrival?.TrySetResult();
        Tell(MessageFate.Dropped, RemoveWhere(_ => true));
    }

    /// <summary>Takes the next message; null if there is none.</summary>
    public KeptMessage? TryTake()
    {
        lock (_lock)
        {
            if (_waiting.First is not { } first)
            {
                return null;
            }

            _waiting.RemoveFirst();
            _bytes -= first.Value.Data.Length;
            return first.Value;
        }
    }

    /// <summary>Takes back a message of which nothing has left.</summary>
    public void PutBack(KeptMessage message)
    {
        CancellationToken? givenUpBy;
        lock (_lock)
        {
            givenUpBy = message.GivenUpBy;
            if (!_ended && givenUpBy is null)
            {
                _waiting.AddFirst(message);
                _bytes += message.Data.Length;
                Arm(message.ExpiresAt);
                return;
            }
        }

        if (givenUpBy is { } token)
        {
            message.Fate!.TrySetCanceled(token);
        }
        else
        {
            Tell(MessageFate.Dropped, [[message]]);
        }
    }

    /// <summary>Takes out a message that nobody waits for any more; false if it is on its way: then it is not put back.</summary>
    public bool TryRemove(KeptMessage message, CancellationToken givenUpBy)
    {
        lock (_lock)
        {
            bool removed = _waiting.Remove(message);
            if (removed)
            {
                _bytes -= message.Data.Length;
            }
            else
            {
                message.GivenUpBy = givenUpBy;
            }

            return removed;
        }
    }

    /// <summary>Completes when there is a message. For one at a time.</summary>
    public Task WaitAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_waiting.Count > 0 || _ended)
            {
                return Task.CompletedTask;
            }

            _arrival ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _arrival.Task.WaitAsync(cancellationToken);
        }
    }

    public void Dispose() => _expiry.Dispose();

    private void Expire()
    {
        long now = _time.GetTimestamp();
        List<List<KeptMessage>> expired = RemoveWhere(message => message.ExpiresAt <= now);
        lock (_lock)
        {
            _nextExpiry = long.MaxValue;
            foreach (KeptMessage message in _waiting)
            {
                Arm(message.ExpiresAt);
            }
        }

        Tell(MessageFate.Expired, expired);
    }

    // In runs, since they are told by their first and their last number: one that goes on waiting must not be taken for one of them.
    private List<List<KeptMessage>> RemoveWhere(Func<KeptMessage, bool> isTaken)
    {
        List<List<KeptMessage>> removed = [];
        List<KeptMessage>? run = null;
        lock (_lock)
        {
            LinkedListNode<KeptMessage>? node = _waiting.First;
            while (node is not null)
            {
                LinkedListNode<KeptMessage>? next = node.Next;
                if (!isTaken(node.Value))
                {
                    run = null;
                }
                else
                {
                    if (run is null)
                    {
                        removed.Add(run = []);
                    }

                    run.Add(node.Value);
                    _bytes -= node.Value.Data.Length;
                    _waiting.Remove(node);
                }

                node = next;
            }
        }

        return removed;
    }

    private void Tell(MessageFate fate, List<List<KeptMessage>> runs)
    {
        foreach (List<KeptMessage> run in runs)
        {
            run.ForEach(message => message.Fate?.TrySetResult(fate));
            _lost(fate, run);
        }
    }

    private long ExpiryOf(WhenAway whenAway)
    {
        if (whenAway.Limit <= TimeSpan.Zero)
        {
            return long.MaxValue;
        }

        long now = _time.GetTimestamp();
        double ticks = whenAway.Limit.TotalSeconds * _time.TimestampFrequency;

        // What no clock counts up to is never.
        return ticks < long.MaxValue - now ? now + (long)ticks : long.MaxValue;
    }

    // Under the lock.
    private void Arm(long expiresAt)
    {
        if (expiresAt >= _nextExpiry)
        {
            return;
        }

        _nextExpiry = expiresAt;
        TimeSpan due = _time.GetElapsedTime(_time.GetTimestamp(), expiresAt);

        // Not early by less than its resolution, a millisecond. What fires a long time before finds nothing to do, and is set again.
        due = due < LongestTimer ? due : LongestTimer;
        _expiry.Change(due > TimeSpan.Zero ? due + TimeSpan.FromMilliseconds(1) : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }
}
