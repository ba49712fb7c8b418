using Duologue.AspNetCore;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>
/// Publishes and their publishers, who wait for the log to have them: bounded in count, bytes and time. The time is kept by a timer, whatever the loop that sends and the client library wait for.
/// </summary>
internal sealed partial class PublishQueue : IAsyncDisposable
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly LinkedList<PendingAppend> _waiting = new();
    private readonly LinkedList<PendingAppend> _queue = new();
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

    /// <summary>Told, with the server's words, that it takes no publish for the moment: once until it takes one. With no lock held; must not throw.</summary>
    public Action<string>? RefusalBegan { get; init; }

    /// <summary>How many are held: those whose publisher waits, and those that the client library has not let go of yet.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Whether little waits: then one publisher may have several here. Where more does, each waits for his own, so that none is refused for others' haste.</summary>
    public bool HasMuchRoom => Count < _options.MaxPendingPublishes / 8 && Volatile.Read(ref _bytes) < _options.MaxPendingBytes / 8;

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

        Signal();
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

    // Called by the timer: a publisher is answered in time also while the loop, or the client library, waits for a server that is silent.
    private void RefuseOverdue()
    {
        List<(PendingAppend Append, bool IsUnknown)> overdue = [];
        string? said;
        lock (_lock)
        {
            if (_stopped)
            {
                return;
            }

            // A server that is a replica, or is loading, does answer; what it says is what the operator has to know.
            said = (_lastFailure as RedisServerException)?.Message;

            while (_waiting.First is { } first && TimeLeft(first.Value) <= TimeSpan.Zero)
            {
                overdue.Add(Dismiss(first.Value));
            }

            SetTimer();
        }

        foreach ((PendingAppend append, bool isUnknown) in overdue)
        {
            append.Completion.TrySetException(Refuse(
                $"Redis did not {(said is null ? "answer" : "take it")} within {_options.PublishTimeout.TotalSeconds} s ({nameof(RedisBrokerOptions)}.{nameof(RedisBrokerOptions.PublishTimeout)}), or {StopPatience.TotalSeconds} s of a node that stops{(isUnknown ? "; the message may have been published" : "")}{(said is null ? "." : $". It said: {said}")}", isUnknown));
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
        append.Message.Turn?.NotDone();
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

    // With the lock held.
    private void Uncount(PendingAppend append)
    {
        _count--;
        _bytes -= append.Message.Data.Length;
    }
}
