using Duologue.Peer;
using Microsoft.Extensions.Logging;

namespace Duologue;

// Deadlines: of keep-alive, of closing, of a peer that takes or sends too slowly; all on one place of the shared wheel.
internal sealed partial class WebSocketConnection : IThreadPoolWorkItem
{
    // Guarded by _gate. Deadlines in the clock's timestamps; 0 for none.
    private long _closeDue;
    private long _lingerDue;

    // Guarded by _gate. Set lazily, at most once a period and not with each flush and message: when it passes, what it watches may
    // long be another, and it is set anew from that one's beginning.
    private long _sendDue;
    private long _messageDue;

    // When the flush under way became pending; 0 for none. Guarded by _gate.
    private long _flushSince;

    // When a batch ended within the message under way for the first time; 0 for none. Written by the carrier's thread under
    // _gate; cleared without it, by whoever begins a message or resumes reading.
    private long _messageSince;

    // Guarded by _gate: what deadlines have demanded and the thread pool is about to do.
    private Overdue _overdue;

    [Flags]
    private enum Overdue : byte
    {
        None = 0,
        Flush = 1,
        CloseDeferred = 2,
        CloseTimedOut = 4,
        Dead = 8,
        Lingered = 16,
        SendStalled = 32,
        MessageTooSlow = 64,
        Unanswered = 128,
    }

    // On the wheel's thread a connection only decides. What follows runs handlers, listeners and sinks: one that blocks there
    // would hold up the timeouts of all connections.
    void ITimeoutTarget.OnTimeout()
    {
        lock (_gate)
        {
            bool isQueued = _overdue != Overdue.None;
            _overdue |= Judge(Now());
            Rearm();
            if (isQueued || _overdue == Overdue.None)
            {
                return;
            }
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        Overdue overdue;
        lock (_gate)
        {
            (overdue, _overdue) = (_overdue, Overdue.None);
        }

        if (overdue.HasFlag(Overdue.Flush))
        {
            Flush();
        }

        if (overdue.HasFlag(Overdue.Lingered))
        {
            _carrier!.Complete();
        }

        if (overdue.HasFlag(Overdue.CloseDeferred))
        {
            CloseDeferred();
        }

        if (overdue.HasFlag(Overdue.Unanswered))
        {
            EndHalfClosed();
        }

        if (overdue.HasFlag(Overdue.CloseTimedOut))
        {
            if (_setup.Logger.IsEnabled(LogLevel.Information))
            {
                _setup.Logger.CloseTimedOut(Id, _options.CloseTimeout);
            }

            End(CloseCause.CloseTimeout);
        }

        if (overdue.HasFlag(Overdue.Dead))
        {
            if (_setup.Logger.IsEnabled(LogLevel.Information))
            {
                _setup.Logger.KeepAliveTimedOut(Id, _options.KeepAliveTimeout);
            }

            End(CloseCause.KeepAliveTimeout);
        }

        if (overdue.HasFlag(Overdue.SendStalled))
        {
            if (_setup.Logger.IsEnabled(LogLevel.Information))
            {
                _setup.Logger.SendTimedOut(Id, _options.SendTimeout);
            }

            End(CloseCause.SendTimeout);
        }

        if (overdue.HasFlag(Overdue.MessageTooSlow))
        {
            CutOpenMessage();
            OnViolation(ProtocolViolation.MessageTooSlow);
        }
    }

    /// <summary>Under the lock: what the deadlines that have passed demand. Asked again before that is done, it says the same.</summary>
    private Overdue Judge(long now)
    {
        if (_closeInfo is not null)
        {
            if (_lingerDue == 0 || now < _lingerDue)
            {
                return Overdue.None;
            }

            // Nothing comes after it.
            _lingerDue = 0;
            return Overdue.Lingered;
        }

        if (_closeDue != 0 && now >= _closeDue)
        {
            return _closeDeferred ? Overdue.CloseDeferred : _halfClosed ? Overdue.Unanswered : Overdue.CloseTimedOut;
        }

        Overdue overdue = _keepAliveDue != 0 && now >= _keepAliveDue ? KeepAlive() : Overdue.None;
        return overdue | JudgeSending(now) | JudgeMessage(now);
    }

    private Overdue JudgeSending(long now)
    {
        if (_sendDue == 0 || now < _sendDue)
        {
            return Overdue.None;
        }

        if (_flushSince == 0)
        {
            _sendDue = 0;
            return Overdue.None;
        }

        // The carrier does not tell how much of a flush the peer has taken: a large message at once has the time of its pieces.
        _sendDue = Later(_flushSince, _options.SendTimeout * (1 + ((_flushMark - _taken) / CorkLimit)));
        return now >= _sendDue ? Overdue.SendStalled : Overdue.None;
    }

    private Overdue JudgeMessage(long now)
    {
        if (_messageDue == 0 || now < _messageDue)
        {
            return Overdue.None;
        }

        long since = Volatile.Read(ref _messageSince);
        if (since == 0 || _closeSent || _violation is not null || IsReadPiecewise)
        {
            _messageDue = 0;
            return Overdue.None;
        }

        if (_paused)
        {
            // It is we who do not read.
            _messageDue = Later(now, _options.MessageTimeout);
            return Overdue.None;
        }

        _messageDue = Later(since, _options.MessageTimeout);
        if (now < _messageDue)
        {
            return Overdue.None;
        }

        _messageDue = 0;
        return Overdue.MessageTooSlow;
    }

    /// <summary>A flush has become pending: from now on the peer has the send timeout to take something.</summary>
    private void WatchFlush()
    {
        if (_options.SendTimeout == Timeout.InfiniteTimeSpan)
        {
            return;
        }

        lock (_gate)
        {
            _flushSince = Now();
            if (_sendDue == 0 && _closeInfo is null)
            {
                _sendDue = Later(_flushSince, _options.SendTimeout);
                Rearm();
            }
        }
    }

    /// <summary>Under the lock, when a batch has ended: a message that is still under way has begun to take time.</summary>
    private void WatchMessage()
    {
        if (_options.MessageTimeout == Timeout.InfiniteTimeSpan || !_reader.InMessage || _messageSince != 0)
        {
            return;
        }

        long now = Now();
        Volatile.Write(ref _messageSince, now);
        if (_messageDue == 0 && _closeInfo is null)
        {
            _messageDue = Later(now, _options.MessageTimeout);
            Rearm();
        }
    }

    private void ArmClose(TimeSpan delay)
    {
        _closeDue = delay == Timeout.InfiniteTimeSpan ? 0 : After(delay);
        Rearm();
    }

    private void ArmLinger(TimeSpan delay)
    {
        _lingerDue = After(delay);
        Rearm();
    }

    /// <summary>Under the lock: puts the earliest deadline on the wheel.</summary>
    private void Rearm()
    {
        long due = _closeInfo is not null ? _lingerDue : Earliest(Earliest(_closeDue, _keepAliveDue), Earliest(_sendDue, _messageDue));
        if (due == 0)
        {
            _wheel.Cancel(this);
            return;
        }

        // A deadline that has passed since it was set is one all the same: the wheel calls at its next tick.
        double seconds = Math.Max(0, due - Now()) / (double)_options.TimeProvider.TimestampFrequency;
        _wheel.Schedule(this, TimeSpan.FromSeconds(seconds));
    }

    private static long Earliest(long left, long right) => left == 0 ? right : right == 0 ? left : Math.Min(left, right);
}
