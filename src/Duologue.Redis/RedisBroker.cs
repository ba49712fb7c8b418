using System.Collections.Concurrent;
using Duologue.AspNetCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>This process as a node among those that share topics in Redis, Valkey or Garnet. A singleton service, made by <c>UseRedis</c>. Thread-safe.</summary>
public sealed partial class RedisBroker : Broker, IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Goodbye = TimeSpan.FromSeconds(2);

    private readonly RedisBrokerOptions _options;
    private readonly IServiceProvider _services;
    private readonly TimeProvider _time;
    private readonly TimeSpan _idle;
    private readonly ILogger _logger;
    private readonly RedisMetrics _metrics;
    private readonly TopicScripts _scripts;
    private readonly PublishQueue _publishes;
    private readonly Inbox _inbox;
    private readonly CallLimit _calls;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, int> _followed = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<ReadKey, SharedCall<TopicPage>> _reads = new();
    private readonly CancellationTokenRegistration _stopping;
    private readonly Task _link;
    private readonly Task _lease;
    private readonly Task _presence;
    private readonly PresenceWriter _writer;
    private readonly PresenceView _view;
    private int _disposed;

    /// <summary>For the container: <c>UseRedis</c> registers it.</summary>
    /// <param name="options">The broker's.</param>
    /// <param name="server">The server's.</param>
    /// <param name="metrics">What is counted.</param>
    /// <param name="suppressed">Counts what is not logged.</param>
    /// <param name="time">The clock.</param>
    /// <param name="loggers">Make the logger.</param>
    /// <param name="services">For the factory of the connection.</param>
    internal RedisBroker(IOptions<RedisBrokerOptions> options, IOptions<DuologueOptions> server, RedisMetrics metrics, ServerMetrics suppressed, TimeProvider time, ILoggerFactory loggers, IServiceProvider services)
    {
        (_options, _services, _time, _idle, _metrics) = (options.Value, services, time, server.Value.TopicIdleLifetime, metrics);

        // Whoever may publish to the channel, or cut the line again and again, is not to fill a disk.
        _logger = new LimitedLogger(new SteadyLogger(loggers.CreateLogger(Log.Category)), time, suppressed.EventSuppressed);
        _calls = new CallLimit(time);
        _scripts = new TopicScripts(_options.KeyPrefix, _options.Layout, _calls);
        _publishes = new PublishQueue(_options, _scripts, metrics, time, _idle, GetDatabase) { RefusalBegan = cause => Log.PublishesRefused(_logger, NodeName, cause) };
        Registry = new NodeRegistry(_options, _incarnation, _scripts.Prefix, time, _logger, GetDatabase, _calls) { ReplicaFound = () => Volatile.Write(ref _isReplica, true) };
        _inbox = new Inbox(HandOut, ReadInstead, time, _options.GatherTime);
        _writer = new PresenceWriter(_options, Registry, _scripts.Prefix, time, _logger, GetDatabase, _calls);
        _view = new PresenceView(Registry, _scripts.Prefix, _logger, GetDatabase, _calls, TellPresence);
        Restored += (_, _) => _writer.WriteAnew();
        metrics.Observe(this);
        _stopping = services.GetService<IHostApplicationLifetime>()?.ApplicationStopping.Register(_publishes.Hasten) ?? default;
        using (ExecutionContext.SuppressFlow())
        {
            // What is heard of over the link is handed out there: nothing of who asked for the broker first belongs to that.
            _link = Task.Run(KeepLinkAsync);
        }

        _lease = Task.Run(() => Registry.RunAsync(_stop.Token));
        _presence = _options.SharePresence ? Task.Run(() => Task.WhenAll(_writer.RunAsync(_stop.Token), _view.RunAsync(_stop.Token))) : Task.CompletedTask;
    }

    /// <summary>The link is lost. Subscribers keep their connections. With no lock held; must not block.</summary>
    public event EventHandler? Interrupted;

    /// <summary>The link stands again, and topics are read on from where their subscribers are. With no lock held; must not block.</summary>
    public event EventHandler? Restored;

    /// <summary>This node's name.</summary>
    public string NodeName => _options.NodeName;

    /// <summary>Whether the link stands: notifications are sure to come.</summary>
    public bool IsConnected => _ready.Task.IsCompleted;

    /// <summary>The nodes that live, by their leases, this one included; one that is stopping is no more among them. While Redis is away for longer than a lease, nothing is known of others.</summary>
    public IReadOnlyCollection<string> Nodes => Registry.Names;

    /// <summary>Whether another node that lives has this one's name, which is logged as an error.</summary>
    internal bool IsNameTaken => Registry.IsNameTaken;

    /// <summary>What the server has said instead of taking what makes the link, such as that the user lacks a right; null if it takes it.</summary>
    internal string? Refusal => Volatile.Read(ref _refusal);

    /// <summary>Why the last try to make or keep the link failed, as it is logged; null since it stands.</summary>
    internal string? Failure => Volatile.Read(ref _failure);

    internal NodeRegistry Registry { get; }

    /// <summary>How many nodes this one hears of that have another layout of keys: their topics and its are not the same.</summary>
    internal int Strangers => _strangers.Count(node => _time.GetElapsedTime(node.Value) < Lifetime);

    /// <summary>How long the last heartbeat took through Redis and back.</summary>
    public TimeSpan Lag { get; private set; }

    /// <summary>How many publishes wait for Redis or its answer.</summary>
    public int PendingPublishes => _publishes.Count;

    internal override bool TakesAhead => _publishes.HasMuchRoom;

    /// <inheritdoc/>
    public override async ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        (TopicMessage placed, bool isNew) = await _publishes.AddAsync(topic, message, history).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (isNew && !IsConnected && _followed.ContainsKey(topic))
        {
            // While the link stands the notification is on its way, in its order among others; while it does not, this is all that is heard.
            _inbox.Add(new AppendedMessage(topic, placed));
        }

        return placed.Position;
    }

    /// <inheritdoc/>
    public override async ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken)
    {
        var key = new ReadKey(topic, start, maxCount, maxBytes);
        SharedCall<TopicPage> read = _reads.GetOrAdd(key, static key => new SharedCall<TopicPage>());
        try
        {
            return await read.JoinAsync(() => ReadHereAsync(key), () => _reads.TryRemove(new(key, read))).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (RedisServerException refused) when (RedisRefusal.IsAnswer(refused))
        {
            throw new BrokerUnavailableException($"Redis refuses to read the topic's log: {refused.Message}", isUnknown: false, refused);
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            throw new BrokerUnavailableException($"What stands in the topic's keys in Redis is not Duologue's ({error.Message}). Whoever wrote to {TopicScripts.TagOf(_scripts.Prefix, topic)}h or …l must not; delete both, and the topic begins anew.", isUnknown: false, error);
        }
        catch (Exception error) when (error is RedisConnectionException or RedisServerException or RedisTimeoutException or TimeoutException or ObjectDisposedException)
        {
            throw new BrokerUnavailableException("The topic's log could not be read: Redis is away.", isUnknown: false, error);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(topic);
        if (topic.Contains('*', StringComparison.Ordinal))
        {
            // All nodes hear of all topics: there is nothing to begin.
            return default;
        }

        _followed.AddOrUpdate(topic, 1, static (_, count) => count + 1);
        try
        {
            try
            {
                await Volatile.Read(ref _ready).Task.WaitAsync(Patience, _time, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException error)
            {
                throw new BrokerUnavailableException("Redis is away: nobody would hear of what is published.", isUnknown: false, error);
            }

            TopicPosition head = (await ReadAsync(topic, TopicStart.Now, 1, 1, cancellationToken).ConfigureAwait(false)).Next;
            _scripts.Ends.Follow(topic, head);

            // What was appended before that, and since somebody asked to subscribe, is his: it has been handed out when this is answered.
            await HearAllAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
            await _inbox.WhenHandedOutAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
            return head;
        }
        catch
        {
            Unfollow(topic);
            throw;
        }
    }

    /// <inheritdoc/>
    public override ValueTask UnsubscribeAsync(string topic)
    {
        ArgumentNullException.ThrowIfNull(topic);
        Unfollow(topic);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override void Announce(string topic, TopicSubscriber subscriber, bool joined)
    {
        if (_options.SharePresence)
        {
            _writer.Announce(topic, subscriber, joined);
        }
    }

    /// <inheritdoc/>
    public override int CountElsewhere(string topic) => _view.Count(topic);

    /// <inheritdoc/>
    public override IReadOnlyList<TopicSubscriber> ListElsewhere(string topic) => _view.List(topic);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stopping.DisposeAsync().ConfigureAwait(false);
        await _publishes.DisposeAsync().ConfigureAwait(false);
        await GoAsync().ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        await _lease.ConfigureAwait(false);
        await _presence.ConfigureAwait(false);
        await _link.ConfigureAwait(false);
        _inbox.Dispose();
        _stop.Dispose();
    }

    /// <summary>Whether a read failed by what stands in its topic's keys, and not by the link, or by a server that answers none for the moment, or may not write what a read does.</summary>
    internal static bool IsOfOneTopic(Exception failure) =>
        failure is BrokerUnavailableException { InnerException: { } cause } && (cause is RedisServerException refused ? RedisRefusal.IsAnswer(refused) && !PublishQueue.IsOfServer(refused) : cause is FormatException or OverflowException);

    private void TellPresence(PresenceChange change)
    {
        if (change.Joined)
        {
            OnJoined(change.Topic, change.Subscriber);
        }
        else
        {
            OnLeft(change.Topic, change.Subscriber);
        }
    }

    /// <summary>Says that this node stops. If Redis is away, it is said with a later heartbeat.</summary>
    internal async Task BeginLeavingAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Goodbye);
        try
        {
            await Registry.BeginLeavingAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The drain must not wait for it.
        }
    }

    /// <summary>Goes in good order: the others need not wait for the lease to run out. If Redis is away, they do.</summary>
    private async Task GoAsync()
    {
        using var patience = new CancellationTokenSource(Goodbye);
        try
        {
            await Registry.LeaveAsync(patience.Token).ConfigureAwait(false);
            if (_options.SharePresence)
            {
                await _writer.LeaveAsync(patience.Token).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or RedisException or TimeoutException or ObjectDisposedException)
        {
            // The process goes; its lease ends by itself.
        }
    }

    private void Unfollow(string topic)
    {
        while (_followed.TryGetValue(topic, out int count))
        {
            if (count > 1 && _followed.TryUpdate(topic, count - 1, count))
            {
                return;
            }

            if (count == 1 && _followed.TryRemove(new(topic, count)))
            {
                _scripts.Ends.Unfollow(topic);
                return;
            }
        }
    }

    private async Task<TopicPage> ReadHereAsync(ReadKey key)
    {
        IDatabase database = GetDatabase() ?? throw new BrokerUnavailableException("Redis has not been reached yet.", isUnknown: false, null);
        return await _scripts.ReadAsync(database, key.Topic, key.Start, key.MaxCount, key.MaxBytes, _idle).ConfigureAwait(false);
    }

    private IDatabase? GetDatabase()
    {
        try
        {
            return _multiplexer?.GetDatabase();
        }
        catch (ObjectDisposedException)
        {
            // Given up at this moment; another comes.
            return null;
        }
    }

    private readonly record struct ReadKey(string Topic, TopicStart Start, int MaxCount, int MaxBytes);
}
