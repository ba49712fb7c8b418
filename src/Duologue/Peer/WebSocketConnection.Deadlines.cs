using Duologue.Peer;
using Microsoft.Extensions.Logging;

namespace Duologue;

// Deadlines: of keep-alive, of closing, of a peer that takes or sends too slowly; all on one place of the shared wheel.
internal sealed partial class WebSocketConnection : IThreadPoolWorkItem
{
    // Guarded by Gate: what deadlines have demanded and the thread pool is about to do.
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
        lock (Gate)
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
        lock (Gate)
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
                _setup.Logger.CloseTimedOut(Id, Options.CloseTimeout);
            }

            End(CloseCause.CloseTimeout);
        }

        if (overdue.HasFlag(Overdue.Dead))
        {
            if (_setup.Logger.IsEnabled(LogLevel.Information))
            {
                _setup.Logger.KeepAliveTimedOut(Id, Options.KeepAliveTimeout);
            }

            End(CloseCause.KeepAliveTimeout);
        }

        if (overdue.HasFlag(Overdue.SendStalled))
        {
            if (_setup.Logger.IsEnabled(LogLevel.Information))
            {
                _setup.Logger.SendTimedOut(Id, Options.SendTimeout);
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
        if (Ending is not null)
        {
            if (LingerDue == 0 || now < LingerDue)
            {
                return Overdue.None;
            }

            // Nothing comes after it.
            LingerDue = 0;
            return Overdue.Lingered;
        }

        if (CloseDue != 0 && now >= CloseDue)
        {
            return _closeDeferred ? Overdue.CloseDeferred : _halfClosed ? Overdue.Unanswered : Overdue.CloseTimedOut;
        }

        Overdue overdue = _keepAliveDue != 0 && now >= _keepAliveDue ? KeepAlive() : Overdue.None;
        return overdue | JudgeSending(now) | JudgeMessage(now);
    }

    private Overdue JudgeSending(long now)
    {
        if (SendDue == 0 || now < SendDue)
        {
            return Overdue.None;
        }

        if (FlushSince == 0)
        {
            SendDue = 0;
            return Overdue.None;
        }

        // The carrier does not tell how much of a flush the peer has taken: a large message at once has the time of its pieces.
        SendDue = Later(FlushSince, Options.SendTimeout * (1 + ((_rare!.FlushMark - _taken) / CorkLimit)));
        return now >= SendDue ? Overdue.SendStalled : Overdue.None;
    }

    private Overdue JudgeMessage(long now)
    {
        if (MessageDue == 0 || now < MessageDue)
        {
            return Overdue.None;
        }

        long since = MessageSince;
        if (since == 0 || _closeSent || Violation is not null || IsReadPiecewise)
        {
            MessageDue = 0;
            return Overdue.None;
        }

        if (_paused)
        {
            // It is we who do not read.
            MessageDue = Later(now, Options.MessageTimeout);
            return Overdue.None;
        }

        MessageDue = Later(since, Options.MessageTimeout);
        if (now < MessageDue)
        {
            return Overdue.None;
        }

        MessageDue = 0;
        return Overdue.MessageTooSlow;
    }

    /// <summary>A flush has become pending: from now on the peer has the send timeout to take something.</summary>
    private void WatchFlush()
    {
        if (Options.SendTimeout == Timeout.InfiniteTimeSpan)
        {
            return;
        }

        lock (Gate)
        {
            FlushSince = Now();
            if (SendDue == 0 && Ending is null)
            {
                SendDue = Later(FlushSince, Options.SendTimeout);
                Rearm();
            }
        }
    }

    /// <summary>Under the lock, when a batch has ended: a message that is still under way has begun to take time.</summary>
    private void WatchMessage()
    {
        if (Options.MessageTimeout == Timeout.InfiniteTimeSpan || !_reader.InMessage || MessageSince != 0)
        {
            return;
        }

        long now = Now();
        MessageSince = now;
        if (MessageDue == 0 && Ending is null)
        {
            MessageDue = Later(now, Options.MessageTimeout);
            Rearm();
        }
    }

    private void ArmClose(TimeSpan delay)
    {
        CloseDue = delay == Timeout.InfiniteTimeSpan ? 0 : After(delay);
        Rearm();
    }

    private void ArmLinger(TimeSpan delay)
    {
        LingerDue = After(delay);
        Rearm();
    }

    /// <summary>Under the lock: puts the earliest deadline on the wheel.</summary>
    private void Rearm()
    {
        long due = Ending is not null ? LingerDue : Earliest(Earliest(CloseDue, _keepAliveDue), Earliest(SendDue, MessageDue));
        if (due == 0)
        {
            Wheel.Cancel(this);
            return;
        }

        // A deadline that has passed since it was set is one all the same: the wheel calls at its next tick.
        double seconds = Math.Max(0, due - Now()) / (double)Options.TimeProvider.TimestampFrequency;
        Wheel.Schedule(this, TimeSpan.FromSeconds(seconds));
    }

    private static long Earliest(long left, long right) => left == 0 ? right : right == 0 ? left : Math.Min(left, right);
}
