using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Duologue.AspNetCore;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>The link: made, watched, and made anew. Its heartbeat goes through the channel by which notifications come, so that hearing it proves that they do.</summary>
public sealed partial class RedisBroker
{
    private const byte HeartbeatMark = (byte)'!';

    private static readonly TimeSpan SubscriberPause = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentDictionary<string, long> _strangers = new(StringComparer.Ordinal);
    private readonly Lock _linkLock = new();
    private readonly string _incarnation = Guid.NewGuid().ToString("N");
    private volatile IConnectionMultiplexer? _multiplexer;
    private string? _refusal;
    private string? _failure;
    private long _madeAt;
    private bool _isReplica;
    private bool _isToTell;

    // Takes what this broker has hung on the link of the moment from it.
    private Action? _leave;

    private TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Guarded by the lock of the link. A beat proves the link only if it was sent after all that has shaken it.
    private long _beat;
    private long _provenFrom = 1;
    private long _beatSentAt;
    private long _heardAt;

    private TimeSpan Lifetime => _options.HeartbeatInterval * 5;

#pragma warning disable CA1031 // Whatever fails at the link, the link is tried again; what fails at its end is let go of.
    private async Task KeepLinkAsync()
    {
        Task touching = Task.CompletedTask;
        try
        {
            long touched = _time.GetTimestamp();
            while (true)
            {
                try
                {
                    await KeepUpAsync().ConfigureAwait(false);
                }
                catch (Exception error) when (!_stop.IsCancellationRequested)
                {
                    // Whatever it was: without this loop nobody would find that notifications come no more.
                    LogConnectFailed(error);
                    await CloseLinkAsync().ConfigureAwait(false);
                }

                if (IsConnected && touching.IsCompleted)
                {
                    // Beside the beats: with many topics it takes longer than the link may be without one.
                    if (_time.GetElapsedTime(touched) > _idle / 4)
                    {
                        touched = _time.GetTimestamp();
                        _scripts.Ends.Forget(_idle, _followed.ContainsKey);
                        touching = TouchAsync(_followed.Keys);
                    }
                    else if (Interlocked.Exchange(ref _isToTell, false))
                    {
                        // Those that are followed are read anyway. Of the others the server, which may be another, is told how far they had come.
                        touching = TouchAsync(_scripts.Ends.ListDoubtful().Where(topic => !_followed.ContainsKey(topic)));
                    }
                }

                // While the link is not proven, its first sign of life is worth more than a quiet line.
                TimeSpan pause = IsConnected ? _options.HeartbeatInterval : _options.HeartbeatInterval / 10;
                await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (Exception) when (_stop.IsCancellationRequested)
        {
            // What fails as the node stops is no failure of its end.
            await CloseLinkAsync().ConfigureAwait(false);
            await touching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Where to and why, in the first line: the client library's exception names them in an inner one, behind its own figures.
    private void LogConnectFailed(Exception error)
    {
        _failure = Log.CauseOf(error);
        string servers = _options.Configuration is { } configuration ? string.Join(", ", configuration.EndPoints.Select(EndPointCollection.ToString)) : "the application's connection";
        Log.ConnectFailed(_logger, error, NodeName, servers);
    }

    private async Task KeepUpAsync()
    {
        while (_multiplexer is null)
        {
            await ConnectAsync().ConfigureAwait(false);
        }

        await BeatAsync().ConfigureAwait(false);
        if (IsDead)
        {
            Log.GivenUp(_logger, NodeName, Lifetime.TotalSeconds * 2);
            await CloseLinkAsync().ConfigureAwait(false);
        }
        else if (Interlocked.Exchange(ref _isReplica, false) && _options.ConnectionFactory is null && _time.GetElapsedTime(_madeAt) > Lifetime)
        {
            // It was the primary once. Nothing ends a connection to it, and the next may lead to the one that is now.
            Log.ReplicaLeft(_logger, NodeName);
            await CloseLinkAsync().ConfigureAwait(false);
        }
    }

    private async Task ConnectAsync()
    {
        IConnectionMultiplexer? made = null;
        try
        {
            made = _options.ConnectionFactory is { } factory
                ? await factory(_services).WaitAsync(_stop.Token).ConfigureAwait(false)
                : await ConnectionMultiplexer.ConnectAsync(Prepare(_options.Configuration!.Clone())).WaitAsync(_stop.Token).ConfigureAwait(false);

            // What is heard of, or over, a link that was given up says nothing about this one.
            IConnectionMultiplexer link = made;
            if (_options.ConnectionFactory is not null && !link.IsConnected)
            {
                // A subscription that fails stays with it, and nobody would read what that gets once it is connected.
                throw new InvalidOperationException("The application's connection to Redis is not connected.");
            }

            if (await IsAnotherUserAsync(link).ConfigureAwait(false))
            {
                await EndAsync(link).ConfigureAwait(false);
                await Task.Delay(_options.HeartbeatInterval, _time, _stop.Token).ConfigureAwait(false);
                return;
            }

            _calls.Longest = 2 * CallLimit.OwnOf(link.Configuration);
            await WaitForSubscriberAsync(link.GetSubscriber()).ConfigureAwait(false);
            List<ChannelMessageQueue> heard = Follow(link);

            // Heard one after the other: a handler of its own for each notification would have them in any order, and each hole makes the log, or a node's subscribers, be read.
            ChannelMessageQueue notifications = await link.GetSubscriber().SubscribeAsync(_scripts.Channel).WaitAsync(_stop.Token).ConfigureAwait(false);
            heard.Add(notifications);
            notifications.OnMessage(notification => Hear(link, (byte[])notification.Message!, isLast: !notifications.TryGetCount(out int more) || more == 0));
            if (_options.SharePresence)
            {
                ChannelMessageQueue presence = await link.GetSubscriber().SubscribeAsync(PresenceWriter.ChannelOf(_scripts.Prefix)).WaitAsync(_stop.Token).ConfigureAwait(false);
                heard.Add(presence);
                presence.OnMessage(told => _view.Hear((byte[])told.Message!));
            }

            await _scripts.LoadAsync(link.GetDatabase()).WaitAsync(_stop.Token).ConfigureAwait(false);
            lock (_linkLock)
            {
                _heardAt = _time.GetTimestamp();
            }

            _madeAt = _time.GetTimestamp();
            _multiplexer = link;
            Shake("begin");
        }
        catch (Exception error) when (!_stop.IsCancellationRequested)
        {
            _refusal = RedisRefusal.Of(error);
            LogConnectFailed(error);
            await EndAsync(made).ConfigureAwait(false);
            await Task.Delay(_options.HeartbeatInterval, _time, _stop.Token).ConfigureAwait(false);
        }
        catch
        {
            await EndAsync(made).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Whether the server takes this node for another than it is to be, which is said. On a server that is open to all, the client library goes on as the default user after a login that was refused.
    /// </summary>
    private async Task<bool> IsAnotherUserAsync(IConnectionMultiplexer link)
    {
        if (_options.ConnectionFactory is not null || _options.Configuration!.User is not { Length: > 0 } wanted || !link.IsConnected)
        {
            return false;
        }

        string? user;
        try
        {
            user = (string?)await link.GetDatabase().ExecuteAsync("ACL", "WHOAMI").WaitAsync(Patience, _time, _stop.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is RedisException or TimeoutException or ObjectDisposedException)
        {
            // It may not ask, there is nothing to ask, or the link is away again.
            return false;
        }

        if (user is null || user == wanted)
        {
            return false;
        }

        string refusal = $"The login as {wanted} was refused; the server takes this node for {user}.";
        if (Interlocked.Exchange(ref _refusal, refusal) != refusal)
        {
            Log.LoginRefused(_logger, NodeName, wanted, user);
        }

        return true;
    }

    /// <summary>
    /// The client library counts as connected when its first connection is; the second, over which notifications come, may be behind it. A subscription that does not wait for it is refused, and so is that
    /// over the next link, for each begins with the same race.
    /// </summary>
    private async Task WaitForSubscriberAsync(ISubscriber subscriber)
    {
        long begun = _time.GetTimestamp();
        while (!subscriber.IsConnected() && _time.GetElapsedTime(begun) < Patience)
        {
            await Task.Delay(SubscriberPause, _time, _stop.Token).ConfigureAwait(false);
        }
    }

    private List<ChannelMessageQueue> Follow(IConnectionMultiplexer link)
    {
        EventHandler<ConnectionFailedEventArgs> onFailed = (_, failed) => ShakeOf(link, $"{failed.ConnectionType}: {failed.FailureType}");
        EventHandler<ConnectionFailedEventArgs> onRestored = (_, restored) => ShakeOf(link, $"{restored.ConnectionType}: restored");
        link.ConnectionFailed += onFailed;
        link.ConnectionRestored += onRestored;
        List<ChannelMessageQueue> heard = [];
        _leave = () =>
        {
            link.ConnectionFailed -= onFailed;
            link.ConnectionRestored -= onRestored;
            heard.ForEach(queue => queue.Unsubscribe(CommandFlags.FireAndForget));
        };
        return heard;
    }

    /// <summary>Nothing was heard for so long that the connection is taken for one whose other end is gone: TCP alone says that after minutes. One that the application made is the application's.</summary>
    private bool IsDead
    {
        get
        {
            lock (_linkLock)
            {
                return _options.ConnectionFactory is null && _time.GetElapsedTime(_heardAt) > Lifetime * 2;
            }
        }
    }

    private static ConfigurationOptions Prepare(ConfigurationOptions configuration)
    {
        configuration.AbortOnConnectFail = false;

        // What waits for a link waits in our own queue, in order and with a deadline.
        configuration.BacklogPolicy = BacklogPolicy.FailFast;

        // The heartbeats go over both of its connections. Its own pings prove less, and where the server cannot write and refuses them the client library ends the connection.
        configuration.KeepAlive = (int)TimeSpan.FromDays(1).TotalSeconds;
        configuration.ReconnectRetryPolicy ??= new LinearRetry(500);
        return configuration;
    }

    private async Task BeatAsync()
    {
        if (_multiplexer is not { } link)
        {
            return;
        }

        // The client library may have made its connection anew by itself, to a server that has other users by now.
        if (!IsConnected && await IsAnotherUserAsync(link).ConfigureAwait(false))
        {
            await CloseLinkAsync().ConfigureAwait(false);
            await Task.Delay(_options.HeartbeatInterval, _time, _stop.Token).ConfigureAwait(false);
            return;
        }

        bool isSilent;
        lock (_linkLock)
        {
            isSilent = IsConnected && _time.GetElapsedTime(_heardAt) > Lifetime;
        }

        if (isSilent)
        {
            Shake($"no heartbeat for {Lifetime.TotalSeconds} s");
        }

        await SendBeatAsync(link, NextBeat()).ConfigureAwait(false);
    }

    private long NextBeat()
    {
        lock (_linkLock)
        {
            _beatSentAt = _time.GetTimestamp();
            return ++_beat;
        }
    }

    private async Task SendBeatAsync(IConnectionMultiplexer link, long beat)
    {
        try
        {
            string mark = string.Create(CultureInfo.InvariantCulture, $"! {NodeName} {_incarnation} {beat} {_scripts.Layout}");
            await link.GetSubscriber().PublishAsync(_scripts.Channel, mark).WaitAsync(_options.HeartbeatInterval, _time, _stop.Token).ConfigureAwait(false);
        }
        catch (RedisServerException refused) when (RedisRefusal.IsAnswer(refused))
        {
            // The link stands, but the heartbeat that is to prove it is refused: the user lacks a right, or the server is full. Logged once, not with each beat.
            if (Interlocked.Exchange(ref _refusal, refused.Message) != refused.Message)
            {
                Log.BeatRefused(_logger, refused, NodeName);
            }
        }
        catch (Exception error) when (error is not OperationCanceledException || !_stop.IsCancellationRequested)
        {
            // A beat that did not go out is one that is not heard: that is what counts.
        }
    }

    private async Task TouchAsync(IEnumerable<string> topics)
    {
        foreach (string topic in topics)
        {
            try
            {
                // The answer also tells where the log ends. Without it a notification that was lost unnoticed would be found missing only when the next one comes.
                TopicPage end = await ReadAsync(topic, TopicStart.Now, 1, 1, _stop.Token).ConfigureAwait(false);
                OnSeen(topic, end.Next);
            }
            catch (Exception error) when (!_stop.IsCancellationRequested)
            {
                // Perhaps only this topic's keys cannot be read. Otherwise it is the link, which others notice; the topics have most of their life left.
                if (!IsOfOneTopic(error))
                {
                    // The server has yet to be told of those that are left, behind a later beat. Those it was told of are in doubt no more.
                    Volatile.Write(ref _isToTell, true);
                    return;
                }
            }
        }
    }

    private async Task CloseLinkAsync()
    {
        // Taken away first: what waits is not sent into it, and what it still tells is not believed.
        IConnectionMultiplexer? multiplexer = _multiplexer;
        _multiplexer = null;
        Shake("given up");
        await EndAsync(multiplexer).ConfigureAwait(false);
    }

    private async Task EndAsync(IConnectionMultiplexer? multiplexer)
    {
        Action? leave = Interlocked.Exchange(ref _leave, null);
        if (multiplexer is null)
        {
            return;
        }

        try
        {
            if (_options.ConnectionFactory is not null)
            {
                // A connection that the application made goes on, and the next try may be given the same one: nothing of this try may stay attached to it.
                leave?.Invoke();
                return;
            }

            await multiplexer.CloseAsync(allowCommandsToComplete: false).WaitAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
            await multiplexer.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            // The server finds a closed socket, now or when the process goes.
            Log.CloseFailed(_logger, error, NodeName);
        }
    }

    private void Raise(EventHandler? handler)
    {
        try
        {
            handler?.Invoke(this, EventArgs.Empty);
        }
        catch (Exception error)
        {
            Log.ListenerFailed(_logger, error);
        }
    }

    private void Hear(IConnectionMultiplexer link, byte[] payload, bool isLast)
    {
        try
        {
            if (link != _multiplexer)
            {
                return;
            }

            if (payload.Length > 0 && payload[0] == HeartbeatMark)
            {
                HearBeat(Encoding.UTF8.GetString(payload).Split(' '));
            }
            else if (Entry.TryReadNotification(payload, _scripts.Layout, out List<AppendedMessage> messages))
            {
                _scripts.Ends.Hear(CollectionsMarshal.AsSpan(messages));

                // Beats must be heard also while the application takes its time.
                _inbox.Add(CollectionsMarshal.AsSpan(messages), isLast && !HandOutAsksApplication);
            }
            else if (Entry.LayoutOf(payload) is null or TopicScripts.LayoutVersion)
            {
                // Those of another layout are of topics that are not ours; its nodes are told of by their beats.
                Log.NotificationUnreadable(_logger, NodeName);
            }
        }
        catch (Exception error)
        {
            // Of which topics it was nobody knows.
            Log.ListenerFailed(_logger, error);
            ReadOn([.. _followed.Keys]);
            Guard(OnMissed);
        }
    }
#pragma warning restore CA1031

    private void HearBeat(string[] parts)
    {
        if (parts.Length < 5 || !long.TryParse(parts[3], CultureInfo.InvariantCulture, out long beat) || !int.TryParse(parts[4], CultureInfo.InvariantCulture, out int layout))
        {
            Log.NotificationUnreadable(_logger, NodeName);
            return;
        }

        Forget(_strangers);
        if (layout != _scripts.Layout)
        {
            if (!_strangers.ContainsKey(parts[1]))
            {
                Log.OtherLayout(_logger, NodeName, parts[1], layout, _scripts.Layout);
            }

            _strangers[parts[1]] = _time.GetTimestamp();
            return;
        }

        if (parts[2] == _incarnation)
        {
            HearOwnBeat(beat);
        }
    }

    private void Forget(ConcurrentDictionary<string, long> heard)
    {
        foreach ((string node, long at) in heard)
        {
            if (_time.GetElapsedTime(at) > Lifetime)
            {
                heard.TryRemove(new(node, at));
            }
        }
    }

    private void HearOwnBeat(long beat)
    {
        bool isProven;
        TaskCompletionSource[] proven;
        lock (_linkLock)
        {
            proven = TakeProofs(beat);
            _heardAt = _time.GetTimestamp();
            if (beat == _beat)
            {
                Lag = _time.GetElapsedTime(_beatSentAt);
            }

            isProven = beat >= _provenFrom && !_ready.Task.IsCompleted;
            if (isProven)
            {
                _refusal = null;
                _failure = null;
                _ready.SetResult();
            }
        }

        Array.ForEach(proven, proof => proof.TrySetResult());
        if (isProven)
        {
            // From here on all is notified; what came before is in the logs.
            string[] topics = [.. _followed.Keys];
            Volatile.Write(ref _isToTell, true);
            Log.Restored(_logger, NodeName, topics.Length);
            ReadOn(topics);
            Guard(OnMissed);
            Raise(Restored);
        }
    }

    private void ShakeOf(IConnectionMultiplexer link, string reason)
    {
        if (link == _multiplexer)
        {
            Shake(reason);
        }
    }

    /// <summary>Notifications may have been lost: only a beat that is sent from now on proves the link.</summary>
    private void Shake(string reason)
    {
        bool wasReady;
        TaskCompletionSource[] unproven;
        _scripts.Ends.Doubt();
        lock (_linkLock)
        {
            _provenFrom = _beat + 1;
            _shakes++;
            unproven = TakeProofs(long.MaxValue);
            wasReady = _ready.Task.IsCompleted;
            if (wasReady)
            {
                Volatile.Write(ref _ready, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            }
        }

        Array.ForEach(unproven, proof => proof.TrySetException(new TimeoutException($"The link was interrupted ({reason}).")));
        if (wasReady && !_stop.IsCancellationRequested)
        {
            _metrics.Interrupted();
            Log.Interrupted(_logger, NodeName, reason);
            Raise(Interrupted);
        }
    }
}
