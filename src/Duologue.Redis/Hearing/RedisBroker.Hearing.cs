using Duologue.AspNetCore;

namespace Duologue.Redis;

/// <summary>What becomes of that which is heard: handed out, or read from the log where this node did not keep up.</summary>
public sealed partial class RedisBroker
{
    // Guarded by the lock of the link: who waits for a beat of this number, or a later one, to be heard.
    private readonly List<(long Beat, TaskCompletionSource Heard)> _proofs = [];
    private readonly SharedCall<bool> _hearingAll = new();
    private long _shakes;

    // Said so often at most, with what has come together.
    private static readonly TimeSpan GapPause = TimeSpan.FromSeconds(10);

    // By the one who hands out.
    private long _gapSince;
    private long _gapCount;

    internal override long? Hearing
    {
        get
        {
            lock (_linkLock)
            {
                return _ready.Task.IsCompleted ? _shakes : null;
            }
        }
    }

    /// <summary>Completes when all that was appended to any topic before this call has been heard of, or let go of.</summary>
    /// <exception cref="BrokerUnavailableException">The link was interrupted, so that this cannot be known.</exception>
    internal async Task HearAllAsync()
    {
        try
        {
            await _hearingAll.JoinAsync(ProveAsync, static () => { }).ConfigureAwait(false);
        }
        catch (TimeoutException error)
        {
            throw new BrokerUnavailableException("Redis is away: what was published meanwhile may not have been heard of.", isUnknown: false, error);
        }
    }

    // A beat comes behind all that was published before it, in the one channel that there is.
    private async Task<bool> ProveAsync()
    {
        var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        long beat;
        lock (_linkLock)
        {
            if (!_ready.Task.IsCompleted)
            {
                throw new TimeoutException("The link is interrupted.");
            }

            beat = NextBeat();
            _proofs.Add((beat, heard));
        }

        if (_multiplexer is { } link)
        {
            await SendBeatAsync(link, beat).ConfigureAwait(false);
        }

        // If it did not go out, the next that does is as good; if none does, the link is found to be interrupted.
        await heard.Task.ConfigureAwait(false);
        return true;
    }

    // With the lock of the link held.
    private TaskCompletionSource[] TakeProofs(long beat)
    {
        if (_proofs.Count == 0)
        {
            return [];
        }

        TaskCompletionSource[] taken = [.. _proofs.Where(proof => proof.Beat <= beat).Select(proof => proof.Heard)];
        _proofs.RemoveAll(proof => proof.Beat <= beat);
        return taken;
    }

#pragma warning disable CA1031 // What was told badly is read from the log with the next.
    private FanoutReach HandOut(ReadOnlySpan<AppendedMessage> together)
    {
        try
        {
            return OnAppended(together);
        }
        catch (Exception error)
        {
            Log.ListenerFailed(_logger, error);
            return default;
        }
    }

    internal void ReadInstead(InboxGap gap)
    {
        Guard(() => Tell(gap.Count));
        foreach ((string topic, TopicPosition first) in gap.Topics)
        {
            Guard(() => OnAppendedUnseen(topic, first));
        }

        if (gap.CountOfOthers > 0)
        {
            // Who follows by name reads; who subscribes by pattern only cannot be told where to, but that.
            Guard(() => TellMissed(gap.CountOfOthers));
            ReadOn([.. _followed.Keys]);
            Guard(OnMissed);
        }
    }

    private void ReadOn(string[] topics)
    {
        foreach (string topic in topics)
        {
            Guard(() => OnUncertain(topic));
        }
    }

    // One topic's failure is not to be another's gap.
    private void Guard(Action tell)
    {
        try
        {
            tell();
        }
        catch (Exception error)
        {
            Log.ListenerFailed(_logger, error);
        }
    }
#pragma warning restore CA1031

    private void TellMissed(long count)
    {
        _metrics.Missed(count);
        Log.PatternsMissed(_logger, NodeName, Inbox.MaxGapTopics, count);
    }

    private void Tell(long count)
    {
        _metrics.LetGo(count);
        _gapCount += count;
        if (_gapSince == 0 || _time.GetElapsedTime(_gapSince) > GapPause)
        {
            Log.NotificationsDropped(_logger, NodeName, _gapCount);
            (_gapSince, _gapCount) = (_time.GetTimestamp(), 0);
        }
    }
}
