using System.Globalization;
using System.Text;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>The link: made, watched, and made anew. Its heartbeat goes through the channel by which notifications come, so that hearing it proves that they do.</summary>
public sealed partial class RedisBroker
{
    private const byte HeartbeatMark = (byte)'!';

    private readonly Lock _linkLock = new();
    private readonly string _incarnation = Guid.NewGuid().ToString("N");
    private volatile IConnectionMultiplexer? _multiplexer;
    private TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Guarded by the lock of the link. A beat proves the link only if it was sent after all that has shaken it.
    private long _beat;
    private long _provenFrom = 1;
    private long _beatSentAt;
    private long _heardAt;

    private TimeSpan Lifetime => _options.HeartbeatInterval * 5;

    private async Task KeepLinkAsync()
    {
        try
        {
            while (_multiplexer is null)
            {
                await ConnectAsync().ConfigureAwait(false);
            }

            long touched = _time.GetTimestamp();
            while (true)
            {
                await BeatAsync().ConfigureAwait(false);
                if (_time.GetElapsedTime(touched) > _idle / 4 && IsConnected)
                {
                    touched = _time.GetTimestamp();
                    await TouchAsync().ConfigureAwait(false);
                }

                // While the link is not proven, its first sign of life is worth more than a quiet line.
                TimeSpan pause = IsConnected ? _options.HeartbeatInterval : _options.HeartbeatInterval / 10;
                await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            await CloseLinkAsync().ConfigureAwait(false);
        }
    }

#pragma warning disable CA1031 // Whatever fails at the link, the link is tried again; what fails at its end is let go of.
    private async Task ConnectAsync()
    {
        IConnectionMultiplexer? made = null;
        try
        {
            made = _options.ConnectionFactory is { } factory
                ? await factory(_services).WaitAsync(_stop.Token).ConfigureAwait(false)
                : await ConnectionMultiplexer.ConnectAsync(Prepare(_options.Configuration!.Clone())).WaitAsync(_stop.Token).ConfigureAwait(false);
            made.ConnectionFailed += (_, failed) => Shake($"{failed.ConnectionType}: {failed.FailureType}");
            made.ConnectionRestored += (_, restored) => Shake($"{restored.ConnectionType}: restored");

            // Heard one after the other: a handler of its own for each notification would have them in any order, and each hole makes the log be read.
            ChannelMessageQueue notifications = await made.GetSubscriber().SubscribeAsync(_scripts.Channel).WaitAsync(_stop.Token).ConfigureAwait(false);
            notifications.OnMessage(notification => Hear((byte[])notification.Message!));
            if (_options.SharePresence)
            {
                await made.GetSubscriber().SubscribeAsync(PresenceWriter.ChannelOf(_scripts.Prefix), (_, value) => _view.Hear((byte[])value!)).WaitAsync(_stop.Token).ConfigureAwait(false);
            }

            await _scripts.LoadAsync(made.GetDatabase()).WaitAsync(_stop.Token).ConfigureAwait(false);
            Shake("begin");
            _multiplexer = made;
        }
        catch (Exception error) when (!_stop.IsCancellationRequested)
        {
            Log.ConnectFailed(_logger, error, NodeName);
            if (made is not null && _options.ConnectionFactory is null)
            {
                await made.DisposeAsync().ConfigureAwait(false);
            }

            await Task.Delay(_options.HeartbeatInterval, _time, _stop.Token).ConfigureAwait(false);
        }
    }

    private static ConfigurationOptions Prepare(ConfigurationOptions configuration)
    {
        configuration.AbortOnConnectFail = false;

        // What waits for a link waits in our own queue, in order and with a deadline.
        configuration.BacklogPolicy = BacklogPolicy.FailFast;
        configuration.ReconnectRetryPolicy ??= new LinearRetry(500);
        return configuration;
    }

    private async Task BeatAsync()
    {
        long beat;
        bool isSilent;
        lock (_linkLock)
        {
            beat = ++_beat;
            _beatSentAt = _time.GetTimestamp();
            isSilent = IsConnected && _time.GetElapsedTime(_heardAt) > Lifetime;
        }

        if (isSilent)
        {
            Shake($"no heartbeat for {Lifetime.TotalSeconds} s");
        }

        try
        {
            string mark = string.Create(CultureInfo.InvariantCulture, $"! {NodeName} {_incarnation} {beat}");
            await _multiplexer!.GetSubscriber().PublishAsync(_scripts.Channel, mark).WaitAsync(_options.HeartbeatInterval, _time, _stop.Token).ConfigureAwait(false);
        }
        catch (Exception) when (!_stop.IsCancellationRequested)
        {
            // A beat that did not go out is one that is not heard: that is what counts.
        }
    }

    private async Task TouchAsync()
    {
        foreach ((string topic, int _) in _followed)
        {
            try
            {
                await ReadAsync(topic, AspNetCore.TopicStart.Now, 1, 1, _stop.Token).ConfigureAwait(false);
            }
            catch (Exception) when (!_stop.IsCancellationRequested)
            {
                // The link is shaken, which others find; the topic has most of its life left.
                return;
            }
        }
    }

    private async Task CloseLinkAsync()
    {
        if (_multiplexer is { } multiplexer && _options.ConnectionFactory is null)
        {
            try
            {
                await multiplexer.CloseAsync(allowCommandsToComplete: false).WaitAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
                await multiplexer.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // The process goes; the server finds a closed socket.
            }
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

    private void Hear(byte[] payload)
    {
        try
        {
            if (payload.Length > 0 && payload[0] == HeartbeatMark)
            {
                HearBeat(Encoding.UTF8.GetString(payload).Split(' '));
            }
            else if (Entry.TryReadNotification(payload, out string topic, out AspNetCore.TopicMessage message))
            {
                _inbox.Add(new AspNetCore.AppendedMessage(topic, message));
            }
            else
            {
                Log.NotificationUnreadable(_logger, NodeName);
            }
        }
        catch (Exception error)
        {
            // What was told badly is read from the log with the next.
            Log.ListenerFailed(_logger, error);
        }
    }
#pragma warning restore CA1031

    private void HearBeat(string[] parts)
    {
        if (parts.Length != 4 || !long.TryParse(parts[3], CultureInfo.InvariantCulture, out long beat))
        {
            Log.NotificationUnreadable(_logger, NodeName);
            return;
        }

        if (parts[2] == _incarnation)
        {
            HearOwnBeat(beat);
        }
    }

    private void HearOwnBeat(long beat)
    {
        bool isProven;
        lock (_linkLock)
        {
            _heardAt = _time.GetTimestamp();
            if (beat == _beat)
            {
                Lag = _time.GetElapsedTime(_beatSentAt);
            }

            isProven = beat >= _provenFrom && !_ready.Task.IsCompleted;
            if (isProven)
            {
                _ready.SetResult();
            }
        }

        if (isProven)
        {
            // From here on all is notified; what came before is in the logs.
            string[] topics = [.. _followed.Keys];
            Log.Restored(_logger, NodeName, topics.Length);
            foreach (string topic in topics)
            {
                OnUncertain(topic);
            }

            Raise(Restored);
        }
    }

    /// <summary>Notifications may have been lost: only a beat that is sent from now on proves the link.</summary>
    private void Shake(string reason)
    {
        bool wasReady;
        lock (_linkLock)
        {
            _provenFrom = _beat + 1;
            wasReady = _ready.Task.IsCompleted;
            if (wasReady)
            {
                Volatile.Write(ref _ready, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            }
        }

        if (wasReady && !_stop.IsCancellationRequested)
        {
            _metrics.Interrupted();
            Log.Interrupted(_logger, NodeName, reason);
            Raise(Interrupted);
        }
    }
}
