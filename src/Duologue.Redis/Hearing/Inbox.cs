using Duologue.AspNetCore;

namespace Duologue.Redis;

/// <summary>
/// Messages that were heard of, in that order. They are handed out by one thread at a time, as many together as there are, so that a burst leaves for each
/// subscriber in one system call: by who hears of them, while that is quick and nothing more is there to be heard, or else on the pool. Whether what is heard of waits for more to come says <see cref="FanoutPace"/>. Where more come than are handed out, what does not fit is let go of, and its topic is told instead: the log has it. Thread-safe.
/// </summary>
internal sealed class Inbox : IThreadPoolWorkItem, IDisposable
{
    /// <summary>The most at once, in number and in bytes of payload: so many that of a hundred busy topics several messages of each are among them, which then leave together.</summary>
    public const int MaxCount = 1024;
    public const int MaxBytes = 256 * 1024;

    /// <summary>The most that are held, in number and in bytes of payload; one that is larger is taken if it is alone.</summary>
    public const int MaxHeldCount = 10_000;
    public const int MaxHeldBytes = 32 * 1024 * 1024;

    /// <summary>Of so many topics it is remembered by name that messages were let go of.</summary>
    public const int MaxGapTopics = 10_000;

    private readonly Receiver _handOut;
    private readonly Action<InboxGap> _tellGap;
    private readonly TimeProvider _time;
    private readonly FanoutPace _pace;
    private readonly ITimer _timer;
    private readonly AppendedMessage[] _together = new AppendedMessage[MaxCount];
    private readonly Lock _lock = new();

    // Guarded by the lock. What is being handed out is held until it has been.
    private readonly Queue<AppendedMessage> _queue = new();
    private readonly List<(long After, TaskCompletionSource Done)> _waiting = [];
    private long _added;
    private long _handedOut;
    private long _heldBytes;
    private InboxGap? _gap;
    private bool _isScheduled;

    /// <param name="handOut">Takes a batch.</param>
    /// <param name="tellGap">Takes what stands for the messages that were let go of; never throws.</param>
    /// <param name="time">The clock.</param>
    /// <param name="gatherTime">How long what is heard of may wait for more to come, on a node that delivers much; zero for never.</param>
    public Inbox(Receiver handOut, Action<InboxGap> tellGap, TimeProvider time, TimeSpan gatherTime)
    {
        (_handOut, _tellGap, _time, _pace) = (handOut, tellGap, time, new FanoutPace(time, gatherTime));
        _timer = time.CreateTimer(static me => ((Inbox)me!).HandOut(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Takes a batch; never throws. Says whom it reached.</summary>
    public delegate FanoutReach Receiver(ReadOnlySpan<AppendedMessage> together);

    /// <summary>Takes messages. They are handed out elsewhere.</summary>
    public void Add(params ReadOnlySpan<AppendedMessage> messages) => Add(messages, isLast: false);

    /// <param name="messages">The messages.</param>
    /// <param name="isLast">Whether the caller has no more for now, and may hand these out itself: not where a lock of its own is held.</param>
    public void Add(ReadOnlySpan<AppendedMessage> messages, bool isLast)
    {
        lock (_lock)
        {
            foreach (AppendedMessage message in messages)
            {
                Take(message);
            }

            if (_isScheduled)
            {
                return;
            }

            _isScheduled = true;
            TimeSpan left = _pace.Begin();
            if (left > TimeSpan.Zero || !isLast || !_pace.IsQuick)
            {
                Schedule(left);
                return;
            }
        }

        HandOut();
    }

    /// <summary>Completes when all that was added before has been handed out, or its topic told. What waits runs elsewhere.</summary>
    public Task WhenHandedOutAsync()
    {
        lock (_lock)
        {
            if (!_isScheduled)
            {
                return Task.CompletedTask;
            }

            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((_added, done));
            return done.Task;
        }
    }

    /// <summary>Nothing that waits is handed out any more.</summary>
    public void Dispose() => _timer.Dispose();

    void IThreadPoolWorkItem.Execute() => HandOut();

    private void HandOut()
    {
        int count = 0;
        long bytes = 0;
        bool isMore;
        lock (_lock)
        {
            while (count < MaxCount && _queue.TryPeek(out AppendedMessage next) && (count == 0 || bytes + next.Message.Data.Length <= MaxBytes))
            {
                _together[count] = _queue.Dequeue();
                bytes += next.Message.Data.Length;
                count++;
            }

            isMore = _queue.Count > 0;
        }

        long began = _time.GetTimestamp();
        FanoutReach reach = _handOut(_together.AsSpan(0, count));
        Array.Clear(_together, 0, count);

        InboxGap? gap;
        (long After, TaskCompletionSource Done)[] due;
        lock (_lock)
        {
            _pace.End(began, reach);
            _handedOut += count;
            _heldBytes -= bytes;

            // With a batch gone there is room again. Who waits here waits for this gap, too.
            (gap, _gap) = (_gap, null);
            due = _waiting.Count == 0 ? [] : [.. _waiting.Where(waiting => waiting.After <= _handedOut)];
            _waiting.RemoveAll(waiting => waiting.After <= _handedOut);
        }

        if (gap is not null)
        {
            _tellGap(gap);
        }

        foreach ((long _, TaskCompletionSource done) in due)
        {
            done.SetResult();
        }

        lock (_lock)
        {
            _isScheduled = _queue.Count > 0 || _gap is not null || _waiting.Count > 0;
            if (_isScheduled && isMore)
            {
                // What did not fit has nothing to wait for.
                ScheduleNow();
            }
            else if (_isScheduled)
            {
                Schedule(_pace.Begin());
            }
        }
    }

    // With the lock held.
    private void Take(AppendedMessage message)
    {
        int size = message.Message.Data.Length;
        long held = _added - _handedOut;
        if (held < MaxHeldCount && (held == 0 || _heldBytes + size <= MaxHeldBytes))
        {
            _queue.Enqueue(message);
            _added++;
            _heldBytes += size;
        }
        else
        {
            (_gap ??= new InboxGap()).Add(message);
        }
    }

    // With the lock held.
    private void Schedule(TimeSpan left)
    {
        if (left > TimeSpan.Zero)
        {
            _timer.Change(left, Timeout.InfiniteTimeSpan);
        }
        else
        {
            ScheduleNow();
        }
    }

    // Behind what the pool has to do already: more of a burst is then there.
    private void ScheduleNow() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
}

/// <summary>What an inbox has let go of.</summary>
internal sealed class InboxGap
{
    private readonly Dictionary<string, TopicPosition> _topics = new(StringComparer.Ordinal);

    /// <summary>How many messages.</summary>
    public long Count { get; private set; }

    /// <summary>Of which topics, with the first of each in its last epoch.</summary>
    public IReadOnlyDictionary<string, TopicPosition> Topics => _topics;

    /// <summary>How many of them are of topics beyond those that are remembered: any other may be concerned.</summary>
    public long CountOfOthers { get; private set; }

    public void Add(AppendedMessage message)
    {
        Count++;
        TopicPosition position = message.Message.Position;
        bool isKnown = _topics.TryGetValue(message.Topic, out TopicPosition first);
        if (isKnown ? first.Epoch != position.Epoch : _topics.Count < Inbox.MaxGapTopics)
        {
            _topics[message.Topic] = position;
        }
        else if (!isKnown)
        {
            CountOfOthers++;
        }
    }
}
