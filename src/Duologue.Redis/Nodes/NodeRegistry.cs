using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>
/// Who the nodes are. Each has an entry of its own in one hash of the server, with a lease that it renews with every heartbeat; whose lease is over is taken out by whoever renews next.
/// A node that stops says so at once, and takes its entry out when it has finished. Thread-safe.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The semaphore has no wait handle: there is nothing to dispose.")]
internal sealed class NodeRegistry
{
    /// <summary>A lease is so many heartbeats.</summary>
    public const int LeaseBeats = 5;

    // A request for an unknown node makes the registry be read, but no more often than this, however many such requests strangers send.
    private static readonly TimeSpan LeastPause = TimeSpan.FromMilliseconds(250);

    private static readonly string Script = Load();

    private readonly SemaphoreSlim _turn = new(1);
    private readonly RedisBrokerOptions _options;
    private readonly string _key;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Func<IDatabase?> _database;
    private readonly CallLimit _calls;
    private volatile FrozenDictionary<string, NodeEntry> _entries = FrozenDictionary<string, NodeEntry>.Empty;
    private volatile bool _isNameTaken;
    private volatile bool _isRegistered;
    private volatile bool _hasLeft;
    private NodeEntry _own;
    private StoreClock? _storeClock;

    // By one at a time, whose turn it is.
    private long _begunAt;
    private long _renewedAt;
    private long _graceSince;
    private long _refusedSince;
    private bool _hasGrace;
    private bool _hasFailed;

    public NodeRegistry(RedisBrokerOptions options, string incarnation, string prefix, TimeProvider time, ILogger logger, Func<IDatabase?> database, CallLimit calls)
    {
        (_options, _key, _time, _logger, _database, _calls) = (options, prefix + "nodes", time, logger, database, calls);
        _own = new NodeEntry(options.NodeName, incarnation, options.NodeAddress is { Port: 0 } ? null : options.NodeAddress, NodeEntry.NewSecret(), IsLeaving: false);
        _renewedAt = time.GetTimestamp() - (long)(Lease.TotalSeconds * 2 * time.TimestampFrequency);
        _begunAt = _renewedAt;
    }

    /// <summary>Told with each renewal that the server refuses because it is a replica.</summary>
    public Action? ReplicaFound { get; set; }

    /// <summary>Told of those that came and those that went, this node left out; a new start of a node is one of each. One at a time, with no lock held; must not block or throw.</summary>
    public event Action<IReadOnlyList<NodeEntry>, IReadOnlyList<NodeEntry>>? Changed;

    /// <summary>Told when this node has its entry: the first time, or again because it was taken out meanwhile.</summary>
    public event Action? Registered;

    public TimeSpan Lease => _options.HeartbeatInterval * LeaseBeats;

    /// <summary>This node.</summary>
    public NodeEntry Own => Volatile.Read(ref _own);

    /// <summary>Whether this node has its entry, so that others find it.</summary>
    public bool IsRegistered => _isRegistered;

    /// <summary>Whether another node that lives has this one's name.</summary>
    public bool IsNameTaken => _isNameTaken;

    /// <summary>The nodes that live and stay, this one included. While the server is away for longer than a lease, nothing is known of others.</summary>
    public IReadOnlyCollection<string> Names
    {
        get
        {
            IEnumerable<string> others = _time.GetElapsedTime(Volatile.Read(ref _renewedAt)) > Lease ? [] : _entries.Values.Where(entry => !entry.IsLeaving && entry.Name != Own.Name).Select(entry => entry.Name);
            return [.. others, .. Own.IsLeaving ? Array.Empty<string>() : [Own.Name]];
        }
    }

    /// <summary>The nodes that have an entry, this one left out.</summary>
    public IEnumerable<NodeEntry> Others => _entries.Values.Where(entry => entry.Incarnation != Own.Incarnation);

    /// <summary>Finds another node by its name; asks the server if it is not known yet.</summary>
    public async ValueTask<NodeEntry?> FindAsync(string name, CancellationToken cancellationToken)
    {
        if (!_entries.TryGetValue(name, out NodeEntry? found) || found.Address is null)
        {
            // It may have come since the server was asked last: what that said is no answer to this.
            long asked = _time.GetTimestamp();
            TimeSpan pause = LeastPause - _time.GetElapsedTime(Volatile.Read(ref _begunAt));
            if (pause > TimeSpan.Zero)
            {
                await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(false);
            }

            await RenewAsync(asked, cancellationToken).ConfigureAwait(false);
            _entries.TryGetValue(name, out found);
        }

        return found is null || found.Incarnation == Own.Incarnation ? null : found;
    }

    /// <summary>Whether this start of a node is still among those that have an entry.</summary>
    public bool Lives(NodeEntry node) => _entries.GetValueOrDefault(node.Name)?.Incarnation == node.Incarnation;

    /// <summary>What the clock of the server shows, by which all nodes go; this machine's while it has not been heard of.</summary>
    public DateTimeOffset StoreTime => Volatile.Read(ref _storeClock) is { } clock ? clock.Showed + _time.GetElapsedTime(clock.At) : _time.GetUtcNow();

    /// <summary>Keeps the lease until it is stopped.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await RenewAsync(stop).ConfigureAwait(false);

                // Until it is there at all, it is looked for more often than it is renewed.
                await Task.Delay(_isRegistered ? _options.HeartbeatInterval : _options.HeartbeatInterval / 10, _time, stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Who stops it takes the entry out.
        }
    }

    /// <summary>This node listens: if its address has the port 0, that stands for the one it listens on.</summary>
    public void Listens(int? port)
    {
        if (_options.NodeAddress is { Port: 0 } address && port is not null)
        {
            Volatile.Write(ref _own, Own with { Address = new UriBuilder(address) { Port = port.Value }.Uri });
            _ = RenewAsync(CancellationToken.None);
        }
    }

    /// <summary>Says that this node stops. It is no more among the nodes, but its sessions are found until <see cref="LeaveAsync"/>.</summary>
    public Task BeginLeavingAsync(CancellationToken cancellationToken)
    {
        Volatile.Write(ref _own, Own with { IsLeaving = true });
        return RenewAsync(cancellationToken);
    }

    /// <summary>Takes the entry out.</summary>
    public Task LeaveAsync(CancellationToken cancellationToken)
    {
        _hasLeft = true;
        return RenewAsync(cancellationToken);
    }

    /// <summary>Renews the lease, and looks who is there.</summary>
    public Task RenewAsync(CancellationToken cancellationToken) => RenewAsync(long.MaxValue, cancellationToken);

    // Does nothing if somebody has begun a renewal since the caller came: those who wait for their turn together share one answer.
    private async Task RenewAsync(long unlessBegunSince, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_begunAt >= unlessBegunSince)
            {
                return;
            }

            Volatile.Write(ref _begunAt, _time.GetTimestamp());
            if (_database() is { } database)
            {
                NodeEntry own = Own;
                Task<RedisResult> asked = database.ExecuteAsync("EVAL", Script, 1, (RedisKey)_key, "=" + own.Name, own.Incarnation, _hasLeft ? "" : own.ToRecord(), ((long)Lease.TotalMilliseconds).ToString(CultureInfo.InvariantCulture));
                Take((RedisResult[])(await _calls.EndAsync(asked, cancellationToken).ConfigureAwait(false))!);
            }
        }
#pragma warning disable CA1031 // Whatever fails at the link: the lease is renewed with the next heartbeat, or is over, which all others see.
        catch (Exception error) when (error is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            if (error is RedisServerException && error.Message.Contains("READONLY", StringComparison.Ordinal))
            {
                ReplicaFound?.Invoke();
            }

            if (!_hasFailed && !_hasLeft)
            {
                _hasFailed = true;
                Log.LeaseNotRenewed(_logger, error, Own.Name);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    private void Take(RedisResult[] parts)
    {
        _hasFailed = false;
        bool isOurs = (long)parts[0] == 1;
        bool isFresh = (long)parts[1] == 1;
        Judge(isOurs);
        var found = new Dictionary<string, NodeEntry>(StringComparer.Ordinal);
        var all = (RedisResult[])parts[2]!;
        for (int i = 0; i + 1 < all.Length; i += 2)
        {
            var value = (string)all[i + 1]!;
            if (NodeEntry.TryRead((string)all[i]!, value) is { } entry)
            {
                found[entry.Name] = entry;
                if (entry.Incarnation == Own.Incarnation && entry.Name == Own.Name && long.TryParse(value.AsSpan(0, value.IndexOf(' ')), NumberStyles.None, CultureInfo.InvariantCulture, out long expiry))
                {
                    // Its own lease has just begun.
                    Volatile.Write(ref _storeClock, new StoreClock(DateTimeOffset.FromUnixTimeMilliseconds(expiry) - Lease, _time.GetTimestamp()));
                }
            }
        }

        // If the server has lost its registry, the others come back to it with their next heartbeats: they are not gone yet.
        if (isFresh && _isRegistered)
        {
            (_hasGrace, _graceSince) = (true, _time.GetTimestamp());
        }

        _hasGrace &= _time.GetElapsedTime(_graceSince) < Lease;
        FrozenDictionary<string, NodeEntry> before = _entries;
        if (_hasGrace)
        {
            foreach ((string name, NodeEntry entry) in before)
            {
                found.TryAdd(name, entry);
            }
        }

        _entries = found.ToFrozenDictionary(StringComparer.Ordinal);
        Volatile.Write(ref _renewedAt, _time.GetTimestamp());
        _isRegistered = isOurs && !_hasLeft;
        Tell(before);
        if (isFresh && isOurs)
        {
            Registered?.Invoke();
        }
    }

    // A node that was killed and started again finds the entry of its former self for one lease. An entry that is there for longer is that of a node that lives.
    private void Judge(bool isOurs)
    {
        if (isOurs)
        {
            (_refusedSince, _isNameTaken) = (0, false);
            return;
        }

        _refusedSince = _refusedSince == 0 ? _time.GetTimestamp() : _refusedSince;
        if (!_isNameTaken && _time.GetElapsedTime(_refusedSince) > Lease + _options.HeartbeatInterval)
        {
            _isNameTaken = true;
            Log.NodeNameTaken(_logger, Own.Name);
        }
    }

    private void Tell(FrozenDictionary<string, NodeEntry> before)
    {
        NodeEntry[] came = [.. _entries.Values.Where(entry => entry.Incarnation != Own.Incarnation && before.GetValueOrDefault(entry.Name)?.Incarnation != entry.Incarnation)];
        NodeEntry[] went = [.. before.Values.Where(entry => entry.Incarnation != Own.Incarnation && _entries.GetValueOrDefault(entry.Name)?.Incarnation != entry.Incarnation)];
        foreach (NodeEntry entry in came)
        {
            Log.NodeCame(_logger, entry.Name, entry.Address);
        }

        foreach (NodeEntry entry in went)
        {
            Log.NodeWent(_logger, entry.Name);
        }

        if (came.Length + went.Length > 0)
        {
            Changed?.Invoke(came, went);
        }
    }

    private sealed record StoreClock(DateTimeOffset Showed, long At);

    private static string Load()
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("lease.lua")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
