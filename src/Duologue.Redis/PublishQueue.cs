using System.Globalization;
using Duologue.AspNetCore;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>One publish on its way to the log.</summary>
internal sealed record PendingAppend(string Topic, TopicMessage Message, TopicHistory History, long Number, byte[] Head, long Since)
{
    public TaskCompletionSource<(TopicMessage Message, bool IsNew)> Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether it has been sent, so that it may have been appended.</summary>
    public bool WasSent { get; set; }
}

/// <summary>
/// Sends publishes in their order, many at a time, and off their callers' path. When the link breaks, what was under way is sent again, in the same order and with the same numbers, by which the script
/// knows what it has. One loop sends; bounded in count, bytes and time.
/// </summary>
internal sealed class PublishQueue : IAsyncDisposable
{
    private const int Window = 1_000;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);
    private static readonly string[] Passing = ["NOSCRIPT", "LOADING", "READONLY", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN"];

    private readonly Lock _lock = new();
    private readonly LinkedList<PendingAppend> _queue = new();
    private readonly List<PendingAppend> _failed = [];
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
    private readonly Task _loop;
    private Exception? _lastFailure;
    private long _lastNumber;
    private long _bytes;
    private int _count;
    private bool _stopped;

    public PublishQueue(RedisBrokerOptions options, TopicScripts scripts, RedisMetrics metrics, TimeProvider time, TimeSpan idle, Func<IDatabase?> database)
    {
        (_options, _scripts, _metrics, _time, _idle, _database) = (options, scripts, metrics, time, idle, database);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>How many wait, sent or not.</summary>
    public int Count => Volatile.Read(ref _count);

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
            _queue.AddLast(append);
            _count++;
            _bytes += message.Data.Length;
        }

        _signal.Release();
        return append.Completion.Task;
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
        PendingAppend[] left;
        lock (_lock)
        {
            left = [.. _failed, .. _queue];
            _failed.Clear();
            _queue.Clear();
        }

        foreach (PendingAppend append in left)
        {
            Fail(append, Refuse("The node stops before Redis had the message.", append.WasSent));
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
            // What is left is failed by who stops the queue.
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
            lock (_lock)
            {
                // Behind one that has failed nothing is sent: it would overtake.
                if (_failed.Count == 0 && _queue.First is { } first)
                {
                    append = first.Value;
                    _queue.RemoveFirst();
                }
            }

            if (append is null)
            {
                _window.Release();
                return;
            }

            append.WasSent = true;
            _ = ObserveAsync(append, database, hashes);
        }
    }

#pragma warning disable CA1031 // Whatever the client library throws is the publisher's to know, or a reason to send again.
    private async Task ObserveAsync(PendingAppend append, IDatabase database, TopicScripts.Hashes hashes)
    {
        try
        {
            var parts = (RedisResult[])(await _scripts.AppendAsync(database, hashes, append, _node.ToString("x", CultureInfo.InvariantCulture), _idle).ConfigureAwait(false))!;
            var position = new TopicPosition(Number(parts[0]), Number(parts[1]));
            TopicMessage placed = new(position, append.Message.Type, append.Message.Data)
            {
                IsJson = append.Message.IsJson,
                Flags = append.Message.Flags,
                Time = DateTimeOffset.FromUnixTimeMilliseconds(Number(parts[2])),
            };
            Leave(append);
            append.Completion.TrySetResult((placed, (long)parts[3] == 1));
        }
        catch (Exception error) when (error is RedisConnectionException or RedisTimeoutException or TimeoutException or ObjectDisposedException
            || (error is RedisServerException refused && Passing.Any(word => refused.Message.Contains(word, StringComparison.Ordinal))))
        {
            lock (_lock)
            {
                _lastFailure = error;
                _failed.Add(append);
            }

            _signal.Release();
        }
        catch (Exception error)
        {
            Fail(append, error);
        }
        finally
        {
            _window.Release();
        }

        static long Number(RedisResult part) => long.Parse((string)part!, CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until nothing is under way and the server answers; refuses those whose time is over meanwhile.</summary>
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
                _metrics.Retried();
                _queue.AddFirst(append);
            }

            _failed.Clear();
        }

        while (true)
        {
            RefuseOverdue();
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
                _lastFailure = error;
            }

            await Task.Delay(Pause, _time, _stop.Token).ConfigureAwait(false);
        }
    }
#pragma warning restore CA1031

    private void RefuseOverdue()
    {
        List<PendingAppend> overdue = [];
        lock (_lock)
        {
            while (_queue.First is { } first && _time.GetElapsedTime(first.Value.Since) > _options.PublishTimeout)
            {
                overdue.Add(first.Value);
                _queue.RemoveFirst();
            }
        }

        foreach (PendingAppend append in overdue)
        {
            Fail(append, Refuse($"Redis was away for longer than {_options.PublishTimeout.TotalSeconds} s ({nameof(RedisBrokerOptions)}.{nameof(RedisBrokerOptions.PublishTimeout)}){(append.WasSent ? "; the message may have been published" : "")}.", append.WasSent));
        }
    }

    private BrokerUnavailableException Refuse(string message, bool isUnknown)
    {
        _metrics.Refused();
        return new BrokerUnavailableException(message, isUnknown, _lastFailure);
    }

    private void Fail(PendingAppend append, Exception error)
    {
        Leave(append);
        append.Completion.TrySetException(error);
    }

    private void Leave(PendingAppend append)
    {
        lock (_lock)
        {
            _count--;
            _bytes -= append.Message.Data.Length;
        }
    }
}
