using Duologue.AspNetCore;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>One publish on its way to the log. What changes is guarded by the lock of its queue.</summary>
internal sealed record PendingAppend(string Topic, TopicMessage Message, TopicHistory History, long Number, byte[] Head, long Since)
{
    public TaskCompletionSource<(TopicMessage Message, bool IsNew)> Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Among those whose publisher waits; null once he has been told.</summary>
    public LinkedListNode<PendingAppend>? Waiting { get; set; }

    /// <summary>Among those that are to be sent, or null.</summary>
    public LinkedListNode<PendingAppend>? Queued { get; set; }

    public bool IsUnderWay { get; set; }

    /// <summary>Whether an earlier attempt ended without an answer, so that it may have been appended.</summary>
    public bool IsDoubtful { get; set; }
}

/// <summary>
/// Sends publishes in their order, many at a time, and off their callers' path. When the link breaks, what was under way is sent again, in the same order and with the same numbers, by which the script
/// knows what it has. One loop sends; bounded in count, bytes and time. The time is kept by a timer, whatever the loop and the client library wait for.
/// </summary>
internal sealed class PublishQueue : IAsyncDisposable
{
    private const int Window = 1_000;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);
    private static readonly string[] Passing = ["NOSCRIPT", "LOADING", "READONLY", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN"];

    // It takes nothing more, and says so before the script has written anything.
    private static readonly string[] Full = ["OOM", "MISCONF", "NOREPLICAS"];

    private readonly Lock _lock = new();
    private readonly LinkedList<PendingAppend> _waiting = new();
    private readonly LinkedList<PendingAppend> _queue = new();
    private readonly List<PendingAppend> _failed = [];
    private readonly Dictionary<string, (long Last, int Count)> _underWay = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _signal = new(0);
    private readonly SemaphoreSlim _window = new(Window);
    private readonly CancellationTokenSource _stop = new();
    private readonly RedisBrokerOptions _options;
    private readonly TopicScripts _scripts;
    private readonly RedisMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly TimeSpan _idle;
    private readonly Func<IDatabase?> _database;
    private readonly long _node = Random.Shared.NextInt64();
    private readonly ITimer _deadline;
    private readonly Task _loop;
    private Exception? _lastFailure;
    private long? _stopsSince;
    private long _lastNumber;
    private long _bytes;
    private int _count;
    private bool _stopped;

    public PublishQueue(RedisBrokerOptions options, TopicScripts scripts, RedisMetrics metrics, TimeProvider time, TimeSpan idle, Func<IDatabase?> database)
    {
        (_options, _scripts, _metrics, _time, _idle, _database) = (options, scripts, metrics, time, idle, database);
        _deadline = time.CreateTimer(_ => RefuseOverdue(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>How many are held: those whose publisher waits, and those that the client library has not let go of yet.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>How many came back and wait to be sent again.</summary>
    public int RetriesPending
    {
        get
        {
            lock (_lock)
            {
                return _failed.Count + _queue.Count;
            }
        }
    }

    /// <summary>Takes a publish; completes when the log has it.</summary>
    /// <exception cref="BrokerUnavailableException">There are too many, or the server stayed away too long.</exception>
    public Task<(TopicMessage Message, bool IsNew)> AddAsync(string topic, TopicMessage message, TopicHistory history)
    {
        PendingAppend append;
        lock (_lock)
        {
            if (_stopped)
            {
                throw Refuse("The broker is stopping.", isUnknown: false);
            }

            if (_count >= _options.MaxPendingPublishes || (_count > 0 && _bytes + message.Data.Length > _options.MaxPendingBytes))
            {
                throw Refuse($"{_count} publishes of {_bytes} bytes wait for Redis, which is the most ({nameof(RedisBrokerOptions)}.{nameof(RedisBrokerOptions.MaxPendingPublishes)}, {nameof(RedisBrokerOptions.MaxPendingBytes)}).", isUnknown: false);
            }

            long number = ++_lastNumber;
            append = new PendingAppend(topic, message, history, number, Entry.HeadOf(message, _node, number), _time.GetTimestamp());
            append.Waiting = _waiting.AddLast(append);
            append.Queued = _queue.AddLast(append);
            _count++;
            _bytes += message.Data.Length;
            if (_waiting.Count == 1)
            {
                SetTimer();
            }
        }

        _signal.Release();
        return append.Completion.Task;
    }

    /// <summary>The application begins to stop: from here on no publish may keep it for longer than a few seconds.</summary>
    public void Hasten()
    {
        lock (_lock)
        {
            _stopsSince = _time.GetTimestamp();
            SetTimer();
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_stopped)
            {
                return;
            }

            _stopped = true;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        await _deadline.DisposeAsync().ConfigureAwait(false);
        List<(PendingAppend Append, bool IsUnknown)> left = [];
        lock (_lock)
        {
            while (_waiting.First is { } first)
            {
                left.Add(Dismiss(first.Value));
            }
        }

        foreach ((PendingAppend append, bool isUnknown) in left)
        {
            append.Completion.TrySetException(Refuse("The node stops before Redis had the message.", isUnknown));
        }
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await _signal.WaitAsync(_stop.Token).ConfigureAwait(false);
                bool hasFailed;
                lock (_lock)
                {
                    hasFailed = _failed.Count > 0;
                }

                if (hasFailed)
                {
                    await RecoverAsync().ConfigureAwait(false);
                }

                await SendAsync().ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // What is left is refused by who stops the queue.
        }
    }

    private async Task SendAsync()
    {
        while (true)
        {
            if (_database() is not { } database || _scripts.Loaded is not { } hashes)
            {
                lock (_lock)
                {
                    if (_queue.Count == 0)
                    {
                        return;
                    }
                }

                await RecoverAsync().ConfigureAwait(false);
                continue;
            }

            await _window.WaitAsync(_stop.Token).ConfigureAwait(false);
            PendingAppend? append = null;
            long before = 0;
            lock (_lock)
            {
                // Behind one that has failed nothing is sent: it would overtake.
                if (_failed.Count == 0 && _queue.First is { } first)
                {
                    append = first.Value;
                    _queue.Remove(first);
                    append.Queued = null;
                    append.IsUnderWay = true;
                    (before, int count) = _underWay.GetValueOrDefault(append.Topic);
                    _underWay[append.Topic] = (append.Number, count + 1);
                }
            }

            if (append is null)
            {
                _window.Release();
                return;
            }

            _ = ObserveAsync(append, before, database, hashes);
        }
    }

#pragma warning disable CA1031 // Whatever the client library throws is the publisher's to know, or a reason to send again.
    private async Task ObserveAsync(PendingAppend append, long before, IDatabase database, TopicScripts.Hashes hashes)
    {
        try
        {
            AppendAnswer answer = Entry.AnswerOf(await _scripts.AppendAsync(database, hashes, append, before, _idle).ConfigureAwait(false));
            if (answer.Outcome == AppendOutcome.Early)
            {
                // The one before was refused, and comes again: so does this, behind it.
                Retry(append, null, isDoubtful: false);
                return;
            }

            Land(append);
            if (answer.Outcome == AppendOutcome.Trimmed)
            {
                append.Completion.TrySetException(new BrokerUnavailableException("The message was published, but the answer was lost with the link, and the history holds it no more: its position is not known.", isUnknown: true, _lastFailure));
                return;
            }

            TopicMessage placed = new(answer.Position, append.Message.Type, append.Message.Data)
            {
                IsJson = append.Message.IsJson,
                Flags = append.Message.Flags,
                Time = answer.Time,
            };
            append.Completion.TrySetResult((placed, answer.Outcome == AppendOutcome.Appended));
        }
        catch (RedisServerException refused) when (Passing.Any(word => refused.Message.Contains(word, StringComparison.Ordinal)))
        {
            Retry(append, refused, isDoubtful: false);
        }
        catch (RedisServerException refused) when (Full.Any(word => refused.Message.Contains(word, StringComparison.Ordinal)))
        {
            Land(append);
            _metrics.Refused();
            append.Completion.TrySetException(new BrokerUnavailableException("Redis takes no messages for the moment.", append.IsDoubtful, refused));
        }
        catch (Exception error) when (error is RedisConnectionException or RedisTimeoutException or TimeoutException or ObjectDisposedException)
        {
            // What never was written to a connection cannot have come.
            Retry(append, error, isDoubtful: error is not RedisConnectionException { CommandStatus: CommandStatus.WaitingToBeSent or CommandStatus.WaitingInBacklog });
        }
        catch (Exception error)
        {
            Land(append);
            append.Completion.TrySetException(error);
        }
        finally
        {
            _window.Release();
        }
    }

    /// <summary>Waits until nothing is under way and the server answers.</summary>
    private async Task RecoverAsync()
    {
        for (int i = 0; i < Window; i++)
        {
            await _window.WaitAsync(_stop.Token).ConfigureAwait(false);
        }

        _window.Release(Window);
        lock (_lock)
        {
            foreach (PendingAppend append in _failed.OrderByDescending(append => append.Number))
            {
                if (append.Waiting is not null)
                {
                    _metrics.Retried();
                    append.Queued = _queue.AddFirst(append);
                }
            }

            _failed.Clear();
        }

        while (true)
        {
            try
            {
                if (_database() is { } database)
                {
                    // The scripts are asked for anew: this may be another server.
                    await _scripts.LoadAsync(database).WaitAsync(TimeSpan.FromSeconds(1), _time, _stop.Token).ConfigureAwait(false);
                    return;
                }
            }
            catch (Exception error) when (!_stop.IsCancellationRequested)
            {
                lock (_lock)
                {
                    _lastFailure = error;
                }
            }

            await Task.Delay(Pause, _time, _stop.Token).ConfigureAwait(false);
        }
    }
#pragma warning restore CA1031

    // Called by the timer: a publisher is answered in time also while the loop, or the client library, waits for a server that is silent.
    private void RefuseOverdue()
    {
        List<(PendingAppend Append, bool IsUnknown)> overdue = [];
        lock (_lock)
        {
            if (_stopped)
            {
                return;
            }

            while (_waiting.First is { } first && TimeLeft(first.Value) <= TimeSpan.Zero)
            {
                overdue.Add(Dismiss(first.Value));
            }

            SetTimer();
        }

        foreach ((PendingAppend append, bool isUnknown) in overdue)
        {
            append.Completion.TrySetException(Refuse(
                $"Redis did not answer within {_options.PublishTimeout.TotalSeconds} s ({nameof(RedisBrokerOptions)}.{nameof(RedisBrokerOptions.PublishTimeout)}), or {StopPatience.TotalSeconds} s of a node that stops{(isUnknown ? "; the message may have been published" : "")}.", isUnknown));
        }
    }

    private TimeSpan TimeLeft(PendingAppend append)
    {
        TimeSpan left = _options.PublishTimeout - _time.GetElapsedTime(append.Since);
        if (_stopsSince is not { } stopsSince)
        {
            return left;
        }

        TimeSpan leftOfStop = StopPatience - _time.GetElapsedTime(Math.Max(append.Since, stopsSince));
        return leftOfStop < left ? leftOfStop : left;
    }

    // With the lock held. Those who wait stand in the order of their deadlines.
    private void SetTimer()
    {
        TimeSpan due = Timeout.InfiniteTimeSpan;
        if (_waiting.First is { } first)
        {
            // A millisecond late rather than early: an early one would find nobody overdue, and come again at once.
            TimeSpan left = TimeLeft(first.Value);
            due = left > TimeSpan.Zero ? left + TimeSpan.FromMilliseconds(1) : TimeSpan.Zero;
        }

        _deadline.Change(due, Timeout.InfiniteTimeSpan);
    }

    // With the lock held: its publisher is told now. What is under way stays counted until it comes back, for the client library holds it.
    private (PendingAppend Append, bool IsUnknown) Dismiss(PendingAppend append)
    {
        _waiting.Remove(append.Waiting!);
        append.Waiting = null;
        if (append.Queued is { } queued)
        {
            _queue.Remove(queued);
            append.Queued = null;
        }

        if (!append.IsUnderWay)
        {
            Uncount(append);
        }

        return (append, append.IsUnderWay || append.IsDoubtful);
    }

    private BrokerUnavailableException Refuse(string message, bool isUnknown)
    {
        _metrics.Refused();
        return new BrokerUnavailableException(message, isUnknown, _lastFailure);
    }

    // In one step with the landing: who is sent next is either behind one that is under way, and says so, or waits.
    private void Retry(PendingAppend append, Exception? error, bool isDoubtful)
    {
        lock (_lock)
        {
            _lastFailure = error ?? _lastFailure;
            append.IsDoubtful |= isDoubtful;
            Return(append);
            if (append.Waiting is not null)
            {
                _failed.Add(append);
            }
            else
            {
                Uncount(append);
            }
        }

        _signal.Release();
    }

    private void Land(PendingAppend append)
    {
        lock (_lock)
        {
            Return(append);
            Uncount(append);
            if (append.Waiting is { } waiting)
            {
                _waiting.Remove(waiting);
                append.Waiting = null;
            }
        }
    }

    // With the lock held.
    private void Return(PendingAppend append)
    {
        append.IsUnderWay = false;
        (long last, int count) = _underWay[append.Topic];
        if (count > 1)
        {
            _underWay[append.Topic] = (last, count - 1);
        }
        else
        {
            _underWay.Remove(append.Topic);
        }
    }

    // With the lock held.
    private void Uncount(PendingAppend append)
    {
        _count--;
        _bytes -= append.Message.Data.Length;
    }
}
