using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Threading.Channels;
using Duologue.AspNetCore;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>
/// Makes this node's subscribers known: they are fields of a hash of its own, and each change is told as well, many at a time. With each heartbeat only a number is told, by which the
/// others know whether they have all. What could not be written is not queued: all is written anew, under a new generation, when the server answers again.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The channel holds nothing that is to be disposed of.")]
internal sealed class PresenceWriter
{
    /// <summary>The field that says up to which change a hash has all; the last to be written, so that a hash without it is not whole.</summary>
    public const string NumberField = "#";

    private const int Batch = 500;
    private const int MaxWaiting = 50_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Topic, string Id), (TopicSubscriber Subscriber, int Count)> _own = [];
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly RedisBrokerOptions _options;
    private readonly NodeRegistry _registry;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Func<IDatabase?> _database;
    private readonly CallLimit _calls;
    private readonly string _prefix;
    private List<PresenceChange> _waiting = [];
    private bool _isDue = true;

    // The loop's own.
    private long _generation;
    private long _number;
    private bool _hasFailed;

    public PresenceWriter(RedisBrokerOptions options, NodeRegistry registry, string prefix, TimeProvider time, ILogger logger, Func<IDatabase?> database, CallLimit calls)
    {
        (_options, _registry, _prefix, _time, _logger, _database, _calls) = (options, registry, prefix, time, logger, database, calls);
        registry.Registered += WriteAnew;
    }

    public static RedisChannel ChannelOf(string prefix) => RedisChannel.Literal(prefix + "presence");

    public static RedisKey KeyOf(string prefix, string incarnation, long generation) => string.Create(CultureInfo.InvariantCulture, $"{prefix}members:{incarnation}:{generation}");

    private string Incarnation => _registry.Own.Incarnation;

    private RedisKey Key => KeyOf(_prefix, Incarnation, _generation);

    /// <summary>A subscription has begun or ended. In order; never waits. A connection that has several to one topic is there once.</summary>
    public void Announce(string topic, TopicSubscriber subscriber, bool joined)
    {
        lock (_lock)
        {
            (TopicSubscriber Subscriber, int Count) known = _own.GetValueOrDefault((topic, subscriber.Id));
            int count = known.Count + (joined ? 1 : -1);
            if (count > 0)
            {
                _own[(topic, subscriber.Id)] = (subscriber, count);
            }
            else
            {
                _own.Remove((topic, subscriber.Id));
            }

            // What is to be written anew has it by then.
            if ((count == 1) == joined && (count is 0 or 1) && !_isDue)
            {
                _waiting.Add(new PresenceChange(joined, topic, subscriber));
                if (_waiting.Count > MaxWaiting)
                {
                    (_isDue, _waiting) = (true, []);
                }
            }
        }

        _signal.Writer.TryWrite(true);
    }

    /// <summary>What the server has may not be what this node wrote: it is written anew.</summary>
    public void WriteAnew()
    {
        lock (_lock)
        {
            (_isDue, _waiting) = (true, []);
        }

        _signal.Writer.TryWrite(true);
    }

    /// <summary>Writes until it is stopped.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                bool more = await TryWriteAsync(stop).ConfigureAwait(false);
                if (!more)
                {
                    await WaitAsync(stop).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The node stops; who stops it says goodbye.
        }
    }

    /// <summary>Says that nobody is here any more.</summary>
    public async Task LeaveAsync(CancellationToken cancellationToken)
    {
        if (_database() is { } database && _generation > 0)
        {
            Task<bool> deleted = database.KeyDeleteAsync(Key);
            Task<long> told = TellAsync(database, PresenceMessage.Gone, 0, []);
            await Task.WhenAll(deleted, told).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task WaitAsync(CancellationToken stop)
    {
        // After a failure what is due waits for the next heartbeat, too.
        using var beat = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task pause = Task.Delay(_options.HeartbeatInterval, _time, beat.Token);
        await (_hasFailed || !_registry.IsRegistered ? pause : Task.WhenAny(pause, _signal.Reader.WaitToReadAsync(beat.Token).AsTask())).ConfigureAwait(false);
        await beat.CancelAsync().ConfigureAwait(false);
        stop.ThrowIfCancellationRequested();
        while (_signal.Reader.TryRead(out _))
        {
        }
    }

    /// <summary>Writes what is due, or a sign of life; true if there is more to write at once.</summary>
    private async Task<bool> TryWriteAsync(CancellationToken stop)
    {
        try
        {
            if (_database() is not { } database || !_registry.IsRegistered)
            {
                return false;
            }

            await WriteAsync(database).WaitAsync(stop).ConfigureAwait(false);
            _hasFailed = false;
            lock (_lock)
            {
                return _isDue || _waiting.Count > 0;
            }
        }
#pragma warning disable CA1031 // Whatever fails at the link: how much of it was written is not known, and all is written anew.
        catch (Exception error) when (error is not OperationCanceledException || !stop.IsCancellationRequested)
#pragma warning restore CA1031
        {
            // When the node stops, the link may be closed before this has heard of it.
            if (!_hasFailed && !stop.IsCancellationRequested)
            {
                Log.PresenceNotWritten(_logger, error, _registry.Own.Name);
            }

            _hasFailed = true;
            WriteAnew();
            return false;
        }
    }

    private Task WriteAsync(IDatabase database)
    {
        PresenceChange[] all = [];
        List<PresenceChange> changes = [];
        bool isDue;
        lock (_lock)
        {
            isDue = _isDue;
            if (isDue)
            {
                all = [.. _own.Select(own => new PresenceChange(true, own.Key.Topic, own.Value.Subscriber))];
                (_isDue, _waiting) = (false, []);
            }
            else if (_waiting.Count > 0)
            {
                changes = _waiting[..Math.Min(Batch, _waiting.Count)];
                _waiting.RemoveRange(0, changes.Count);
            }
        }

        return isDue ? WriteAllAsync(database, all) : changes.Count > 0 ? WriteChangesAsync(database, changes) : BeatAsync(database);
    }

    private async Task WriteAllAsync(IDatabase database, PresenceChange[] all)
    {
        RedisKey old = Key;
        (_generation, _number) = (_generation + 1, 0);

        // If the node stops meanwhile, or a call is given up, what is under way may still write: it must write where its own generation is.
        (long generation, RedisKey key) = (_generation, Key);
        try
        {
            foreach (PresenceChange[] some in all.Chunk(Batch))
            {
                // What a node leaves behind that is killed here ends by itself.
                await _calls.EndAsync(database.HashSetAsync(key, [.. some.Select(EntryOf)]), ExpireAsync(database, key)).ConfigureAwait(false);
            }
        }
        catch (RedisServerException)
        {
            // A part is of use to nobody, and a server that is full has no room for it.
            await database.KeyDeleteAsync(key, CommandFlags.FireAndForget).ConfigureAwait(false);
            throw;
        }

        // One after the other on one connection: in this order.
        Task isNumbered = database.HashSetAsync(key, NumberField, 0);
        Task<long> length = database.HashLengthAsync(key);
        await _calls.EndAsync(isNumbered, length, ExpireAsync(database, key), TellAsync(database, generation, 0, []), database.KeyDeleteAsync(old)).ConfigureAwait(false);
        if (await length.ConfigureAwait(false) != all.Length + 1)
        {
            // It was evicted before it had its number, which would be taken for the sign that all of it is here.
            WriteAnew();
        }
    }

    private async Task WriteChangesAsync(IDatabase database, List<PresenceChange> changes)
    {
        // Of several changes of one subscriber the last is what is written; told are all.
        PresenceChange[] last = [.. changes.GroupBy(change => (change.Topic, change.Subscriber.Id)).Select(group => group.Last())];
        _number++;
        List<Task> writes = [];
        if (last.Where(change => change.Joined).Select(EntryOf).ToArray() is { Length: > 0 } set)
        {
            writes.Add(database.HashSetAsync(Key, set));
        }

        if (last.Where(change => !change.Joined).Select(change => (RedisValue)PresenceMessage.FieldOf(change.Topic, change.Subscriber.Id)).ToArray() is { Length: > 0 } removed)
        {
            writes.Add(database.HashDeleteAsync(Key, removed));
        }

        Task<bool> isNew = database.HashSetAsync(Key, NumberField, _number);
        writes.Add(isNew);
        writes.Add(TellAsync(database, _generation, _number, changes));
        await _calls.EndAsync([.. writes]).ConfigureAwait(false);
        if (await isNew.ConfigureAwait(false))
        {
            // The server has lost the hash since the last heartbeat: what stands there now is these changes alone, and should end by itself as well.
            WriteAnew();
            await _calls.EndAsync(ExpireAsync(database, Key)).ConfigureAwait(false);
        }
    }

    private async Task BeatAsync(IDatabase database)
    {
        Task<bool> isThere = ExpireAsync(database, Key);
        await _calls.EndAsync(isThere, TellAsync(database, _generation, _number, [])).ConfigureAwait(false);
        if (!await isThere.ConfigureAwait(false))
        {
            WriteAnew();
        }
    }

    // Longer than the lease: what is read of a node that is just gone does no harm, for its lease counts.
    private Task<bool> ExpireAsync(IDatabase database, RedisKey key) => database.KeyExpireAsync(key, _registry.Lease * 3);

    private Task<long> TellAsync(IDatabase database, long generation, long number, IReadOnlyList<PresenceChange> changes) =>
        database.PublishAsync(ChannelOf(_prefix), new PresenceMessage(Incarnation, generation, number, changes).Encode());

    private static HashEntry EntryOf(PresenceChange change) => new(PresenceMessage.FieldOf(change.Topic, change.Subscriber.Id), PresenceMessage.ValueOf(change.Subscriber));
}
