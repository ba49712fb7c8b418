namespace Duologue.Client;

/// <summary>What a publish has: text, a JSON value, or bytes.</summary>
internal enum PublishKind
{
    Text,
    Json,
    Binary,
}

/// <summary>A message that is to be in its topic once.</summary>
internal sealed class PendingPublish(long number, string topic, PublishKind kind, byte[] data)
{
    public long Number { get; } = number;

    public string Topic { get; } = topic;

    public PublishKind Kind { get; } = kind;

    public byte[] Data { get; } = data;

    /// <summary>By this the server knows a repeat.</summary>
    public string Key { get; } = Guid.NewGuid().ToString("N");

    public TaskCompletionSource<string> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What it has come to on the WebSocket of the moment, in bytes; 0 before it was sent there. The way's that sends it.</summary>
    public int SentSize { get; set; }

    /// <summary>When it was first sent; null if it has not been. Under the lock of <see cref="PendingPublishes"/>.</summary>
    public long? SentAt { get; set; }

    /// <summary>
    /// Whether it had been sent before, and had no answer, or one that leaves it open: it may be in its topic, whatever is said of it now. Under the lock of <see cref="PendingPublishes"/>.
    /// </summary>
    public bool MayBeInTopic { get; set; }

    /// <summary>What the server said last, if that was that it cannot do it for the moment. Under the lock of <see cref="PendingPublishes"/>.</summary>
    public Exception? LastFailure { get; set; }
}

/// <summary>
/// Publishes without an answer, in order. A way sends what it has not sent yet; the next one begins with the first again. In each topic so the order holds, also where an old one is still being served: each
/// sends in order, each names the one that it is to come behind, without which a server does not take it, and whichever is first with a key appends it. Thread-safe: its lock is a leaf.
/// </summary>
internal sealed class PendingPublishes
{
    // It may have been published or not: what stores the topics is away.
    private const string Unavailable = "unavailable";

    private readonly Lock _lock = new();
    private readonly TopicClientOptions _options;
    private readonly ITimer _expiry;
    private readonly LinkedList<PendingPublish> _unanswered = new();
    private readonly Dictionary<long, LinkedListNode<PendingPublish>> _byNumber = [];
    private LinkedListNode<PendingPublish>? _next;
    private long _lastNumber;
    private int _underWay;
    private bool _expiryIsSet;
    private Exception? _end;

    public PendingPublishes(TopicClientOptions options)
    {
        _options = options;
        _expiry = Time.CreateTimer(static pending => ((PendingPublishes)pending!).Expire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private TimeProvider Time => _options.Connect.TimeProvider;

    /// <summary>Takes in a message; throws what has ended the client.</summary>
    public PendingPublish Add(string topic, PublishKind kind, byte[] data)
    {
        lock (_lock)
        {
            if (_end is not null)
            {
                throw _end;
            }

            var publish = new PendingPublish(++_lastNumber, topic, kind, data);
            LinkedListNode<PendingPublish> node = _unanswered.AddLast(publish);
            _byNumber.Add(publish.Number, node);
            _next ??= node;
            return publish;
        }
    }

    /// <summary>A way begins: what has no answer is to be sent again. Fails what was first sent too long ago, and gives how many are repeated.</summary>
    public int Rewind()
    {
        List<PendingPublish> tooOld;
        int repeated;
        lock (_lock)
        {
            tooOld = RemoveTooOld();
            (_next, _underWay) = (_unanswered.First, 0);
            repeated = _unanswered.Count(publish => publish.SentAt is not null);
            foreach (PendingPublish publish in _unanswered)
            {
                (publish.SentSize, publish.MayBeInTopic) = (0, publish.SentAt is not null);
            }
        }

        tooOld.ForEach(FailAsTooOld);
        return repeated;
    }

    /// <summary>
    /// The server could not do it for the moment: it is to be sent again, and what was sent behind it, too, for in each topic it belongs behind it. What of that is in its topic by then is known by its key.
    /// </summary>
    public void Repeat(long number, TopicException failure)
    {
        lock (_lock)
        {
            if (!_byNumber.TryGetValue(number, out LinkedListNode<PendingPublish>? node))
            {
                return;
            }

            node.Value.LastFailure = failure;
            node.Value.MayBeInTopic |= failure.Code == Unavailable;
            if (_next is not null && number >= _next.Value.Number)
            {
                // It is to be sent again already.
                return;
            }

            for (LinkedListNode<PendingPublish>? sent = node; sent != _next; sent = sent!.Next)
            {
                _underWay--;
            }

            _next = node;
        }
    }

    /// <summary>The next to send, if no more than so many are under way; null if there is none, or no room.</summary>
    public PendingPublish? TryNext(int maxUnderWay)
    {
        while (true)
        {
            PendingPublish publish;
            lock (_lock)
            {
                if (_next is null || _underWay >= maxUnderWay)
                {
                    return null;
                }

                publish = _next.Value;
                if (!IsTooOld(publish))
                {
                    publish.SentAt ??= Time.GetTimestamp();
                    SetExpiry(publish);
                    (_next, _underWay) = (_next.Next, _underWay + 1);
                    return publish;
                }

                Remove(publish.Number);
            }

            FailAsTooOld(publish);
        }
    }

    /// <summary>The key of the publish that comes before this one in its topic and has no answer yet; null if there is none.</summary>
    public string? KeyBefore(PendingPublish publish)
    {
        lock (_lock)
        {
            // Those that stand before one that is being sent are under way, too: few.
            LinkedListNode<PendingPublish>? before = _byNumber.GetValueOrDefault(publish.Number)?.Previous;
            while (before is not null && before.Value.Topic != publish.Topic)
            {
                before = before.Previous;
            }

            return before?.Value.Key;
        }
    }

    /// <summary>The server has answered.</summary>
    public void Confirm(long number, string cursor) => TakeOut(number)?.Answer.TrySetResult(cursor);

    /// <summary>The server refuses this one. Of one that had been sent before that does not say whether it is in its topic: nobody knows.</summary>
    public void Fail(long number, TopicException failure)
    {
        if (TakeOut(number) is { } publish)
        {
            publish.Answer.TrySetException(publish.MayBeInTopic && failure.Code != Unavailable ? RefusedRepeat(failure) : failure);
        }
    }

    /// <summary>
    /// The server takes no message as large as one of those that this way has sent: then it takes not the largest of them, whichever it was that it came upon, and whether it is to be sent again or not.
    /// Repeated, it would end one socket after the other, and let nothing else through.
    /// </summary>
    public void FailLargest(Func<PendingPublish, Exception> failureOf)
    {
        PendingPublish? largest = null;
        lock (_lock)
        {
            largest = _unanswered.MaxBy(publish => publish.SentSize);
            if (largest is not { SentSize: > 0 })
            {
                return;
            }

            Remove(largest.Number);
        }

        largest.Answer.TrySetException(failureOf(largest));
    }

    /// <summary>Takes back what has not been sent yet; false if it may be in its topic.</summary>
    public bool TryTakeBack(PendingPublish publish)
    {
        lock (_lock)
        {
            return publish.SentAt is null && Remove(publish.Number) is not null;
        }
    }

    /// <summary>Nothing is sent any more.</summary>
    public void End(Exception failure)
    {
        PendingPublish[] all;
        lock (_lock)
        {
            _end = failure;
            all = [.. _unanswered];
            _unanswered.Clear();
            _byNumber.Clear();
            _next = null;
        }

        _expiry.Dispose();
        foreach (PendingPublish publish in all)
        {
            publish.Answer.TrySetException(failure);
        }
    }

    // Whether there is a way or not, and whatever it is told: who waits for an answer is told in time that nobody knows.
    private void Expire()
    {
        List<PendingPublish> tooOld;
        lock (_lock)
        {
            _expiryIsSet = false;
            tooOld = RemoveTooOld();
            if (_unanswered.FirstOrDefault(publish => publish.SentAt is not null) is { } oldest)
            {
                SetExpiry(oldest);
            }
        }

        tooOld.ForEach(FailAsTooOld);
    }

    // Under the lock. They were first sent in order, so that the first is the oldest. A timer that is early finds nothing to do.
    private void SetExpiry(PendingPublish oldest)
    {
        if (!_expiryIsSet && _end is null)
        {
            _expiryIsSet = true;
            TimeSpan left = _options.RepeatFor - Time.GetElapsedTime(oldest.SentAt!.Value);
            _expiry.Change((left > TimeSpan.Zero ? left : TimeSpan.Zero) + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        }
    }

    // Under the lock.
    private List<PendingPublish> RemoveTooOld()
    {
        List<PendingPublish> tooOld = [.. _unanswered.Where(IsTooOld)];
        tooOld.ForEach(publish => Remove(publish.Number));
        return tooOld;
    }

    private void FailAsTooOld(PendingPublish publish) => publish.Answer.TrySetException(TooOld(publish));

    private PendingPublish? TakeOut(long number)
    {
        lock (_lock)
        {
            return Remove(number);
        }
    }

    // Under the lock.
    private PendingPublish? Remove(long number)
    {
        if (!_byNumber.Remove(number, out LinkedListNode<PendingPublish>? node))
        {
            return null;
        }

        if (node == _next)
        {
            _next = node.Next;
        }
        else if (_next is null || node.Value.Number < _next.Value.Number)
        {
            _underWay--;
        }

        _unanswered.Remove(node);
        return node.Value;
    }

    private bool IsTooOld(PendingPublish publish) => publish.SentAt is { } sentAt && Time.GetElapsedTime(sentAt) > _options.RepeatFor;

    private static TopicException RefusedRepeat(TopicException failure) =>
        new("unknown", $"It had been sent before, without an answer that it is done, and may be in the topic since. A repeat was refused: {failure.Message}", failure);

    private TopicException TooOld(PendingPublish publish) => new(
        "unknown",
        $"No answer that it is done has come within {_options.RepeatFor} (RepeatFor): the message may be in the topic or not. A repeat could double it.",
        publish.LastFailure);
}
