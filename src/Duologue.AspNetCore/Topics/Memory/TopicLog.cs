namespace Duologue.AspNetCore;

/// <summary>The history of one topic in memory: a ring of messages whose offsets ascend by one. Its lock is a leaf.</summary>
internal sealed class TopicLog(string name, long epoch, TopicHistory limits, TimeProvider time)
{
    // So many of the newest messages keep the item that was made of them.
    private const int KeptItems = 16;
    private const int FirstSize = 4;

    private readonly Lock _lock = new();
    private TopicMessage[] _ring = [];
    private int _start;
    private int _count;
    private long _head;
    private long _bytes;
    private IdempotencyWindow? _keys;
    private int _pins;
    private long _lastUse = time.GetTimestamp();
    private bool _retired;

    public string Name { get; } = name;

    public long Epoch { get; } = epoch;

    /// <summary>How much of a topic is kept.</summary>
    public TopicHistory Limits { get; } = limits;

    private long First => _head - _count + 1;

    private long Held => _bytes + (_keys?.Bytes ?? 0);

    /// <summary>Appends a message and gives it its position; or, if its key is remembered, the position of the message that had the key first.</summary>
    /// <param name="message">The message.</param>
    /// <param name="unlessPinned">Refuses while somebody follows the log.</param>
    /// <param name="keepOnlyNewest">Whether memory is short: nothing but this message is kept.</param>
    /// <param name="growth">By how many bytes the history has grown.</param>
    /// <param name="cut">How many messages were let go of for the want of memory alone.</param>
    public Appending TryAppend(TopicMessage message, bool unlessPinned, bool keepOnlyNewest, out long growth, out int cut)
    {
        lock (_lock)
        {
            (growth, cut) = (0, 0);
            if (_retired || (unlessPinned && _pins > 0))
            {
                return Appending.Refused;
            }

            long before = Held;
            DateTimeOffset now = time.GetUtcNow();
            Touch();
            MakeRoom();
            if (message.IdempotencyKey is { } key && IsRepeat(key, now, keepOnlyNewest, out long first))
            {
                message.Place(new TopicPosition(Epoch, first), now);
                growth = Held - before;
                return Appending.Repeated;
            }

            message.Place(new TopicPosition(Epoch, ++_head), now);
            Add(message);
            while (_count > 0 && (_count > Limits.MaxCount || _bytes > Limits.MaxBytes || IsTooOld(_ring[_start])))
            {
                RemoveOldest();
            }

            while (keepOnlyNewest && _count > 1)
            {
                RemoveOldest();
                cut++;
            }

            growth = Held - before;
            return Appending.Appended;
        }
    }

    /// <summary>Reads from a place on; null if the log has been retired.</summary>
    public TopicPage? Read(TopicStart start, int maxCount, int maxBytes, long absentSince, out long growth)
    {
        lock (_lock)
        {
            growth = 0;
            if (_retired)
            {
                return null;
            }

            Touch();
            growth = RemoveAged();
            var head = new TopicPosition(Epoch, _head);
            return start.Kind switch
            {
                TopicStartKind.Now => new TopicPage([], head, HasMore: false),
                TopicStartKind.Oldest => Take(First - 1, maxCount, maxBytes),
                _ => ReadAfter(start.Position, maxCount, maxBytes, absentSince),
            };
        }
    }

    /// <summary>Keeps the log from being retired; null if it has been.</summary>
    public TopicPosition? TryPin()
    {
        lock (_lock)
        {
            if (_retired)
            {
                return null;
            }

            _pins++;
            return new TopicPosition(Epoch, _head);
        }
    }

    /// <summary>Takes a pin back; true if the log was never written and is retired with it.</summary>
    public bool Unpin()
    {
        lock (_lock)
        {
            Touch();
            return --_pins == 0 && _head == 0 && (_retired = true);
        }
    }

    /// <summary>Retires a log that nobody has used for a while, and lets go of what is too old.</summary>
    /// <returns>Whether the log is retired by this.</returns>
    public bool TryExpire(TimeSpan idle, out long growth)
    {
        lock (_lock)
        {
            long before = Held;
            RemoveAged();
            _keys?.Trim(Limits.MaxIdempotencyKeys, time.GetUtcNow() - Limits.MaxIdempotencyKeyAge);
            growth = Held - before;
            if (_retired || _pins > 0 || time.GetElapsedTime(_lastUse) < idle)
            {
                return false;
            }

            _retired = true;
            growth -= Held;
            (_ring, _count, _bytes, _keys) = ([], 0, 0, null);
            return true;
        }
    }

    // The key of a message that is appended next is remembered by this, too.
    private bool IsRepeat(string key, DateTimeOffset now, bool keepOnlyNewest, out long first)
    {
        _keys ??= new IdempotencyWindow();
        _keys.Trim(Limits.MaxIdempotencyKeys, now - Limits.MaxIdempotencyKeyAge);
        if (_keys.TryFind(key, out first))
        {
            return true;
        }

        _keys.Add(key, _head + 1, now);
        _keys.Trim(keepOnlyNewest ? 1 : Limits.MaxIdempotencyKeys, DateTimeOffset.MinValue);
        return false;
    }

    private TopicPage ReadAfter(TopicPosition after, int maxCount, int maxBytes, long absentSince)
    {
        if (after.Epoch != Epoch)
        {
            // A place before the first message of a topic that was not there. It is this one's beginning, if no life of the topic can lie between.
            bool isBeginning = after.Offset == 0 && after.Epoch < Epoch && after.Epoch >= absentSince;
            return isBeginning ? ReadAfter(new TopicPosition(Epoch, 0), maxCount, maxBytes, absentSince) : Take(First - 1, maxCount, maxBytes) with { IsReset = true };
        }

        if (after.Offset > _head)
        {
            // Nobody was ever given it.
            return Take(First - 1, maxCount, maxBytes) with { IsReset = true };
        }

        long lost = First - 1 - after.Offset;
        return lost > 0
            ? Take(First - 1, maxCount, maxBytes) with { IsReset = true, Lost = lost }
            : Take(after.Offset, maxCount, maxBytes);
    }

    private TopicPage Take(long after, int maxCount, int maxBytes)
    {
        int available = (int)(_head - after);
        if (available == 0)
        {
            return new TopicPage([], new TopicPosition(Epoch, after), HasMore: false);
        }

        int index = (int)(after + 1 - First);
        int count = 0;
        long bytes = 0;
        while (count < available && count < maxCount)
        {
            bytes += At(index + count).Data.Length;
            if (bytes > maxBytes && count > 0)
            {
                break;
            }

            count++;
        }

        var messages = new TopicMessage[count];
        for (int i = 0; i < count; i++)
        {
            // What is made of an older one for a reader would stay as long as the message, and is counted nowhere.
            TopicMessage message = At(index + i);
            messages[i] = index + i < _count - KeptItems ? message.Apart() : message;
        }

        return new TopicPage(messages, new TopicPosition(Epoch, after + count), HasMore: count < available);
    }

    private TopicMessage At(int index)
    {
        int slot = _start + index;
        return _ring[slot < _ring.Length ? slot : slot - _ring.Length];
    }

    // Before anything is changed: a number without a message would be a gap.
    private void MakeRoom()
    {
        if (_count == _ring.Length)
        {
            var larger = new TopicMessage[Math.Max(FirstSize, _count * 2)];
            for (int i = 0; i < _count; i++)
            {
                larger[i] = At(i);
            }

            (_ring, _start) = (larger, 0);
        }
    }

    private void Add(TopicMessage message)
    {
        int tail = _start + _count;
        _ring[tail < _ring.Length ? tail : tail - _ring.Length] = message;
        _count++;
        _bytes += message.Data.Length;
        if (_count > KeptItems)
        {
            At(_count - 1 - KeptItems).ReleaseItem();
        }
    }

    private void RemoveOldest()
    {
        ref TopicMessage oldest = ref _ring[_start];
        _bytes -= oldest.Data.Length;
        oldest = null!;
        _start = _start + 1 < _ring.Length ? _start + 1 : 0;
        _count--;
    }

    private long RemoveAged()
    {
        long before = _bytes;
        while (_count > 0 && IsTooOld(_ring[_start]))
        {
            RemoveOldest();
        }

        return _bytes - before;
    }

    private bool IsTooOld(TopicMessage message) => time.GetUtcNow() - message.Time > Limits.MaxAge;

    private void Touch() => _lastUse = time.GetTimestamp();
}

/// <summary>What became of a message that was to be appended.</summary>
internal enum Appending
{
    /// <summary>Nothing: the log has been retired, and there may be a new one; or somebody follows it, who has to append.</summary>
    Refused,

    /// <summary>It is in the log.</summary>
    Appended,

    /// <summary>A message with its key was in the log already: nothing was appended, and nobody is told.</summary>
    Repeated,
}
