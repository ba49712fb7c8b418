using Duologue.Peer;
using Microsoft.Extensions.Logging;

namespace Duologue;

// Deadlines: of keep-alive, of closing, of a peer that takes or sends too slowly; all on one place of the shared wheel.
internal sealed partial class WebSocketConnection : IThreadPoolWorkItem
{
    // Guarded by _gate. Deadlines in the clock's timestamps; 0 for none.
    private long _closeDue;
    private long _lingerDue;

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

        if (overdue.HasFlag(Overdue.CloseTimedOut))
        {
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
    }

    /// <summary>Under the lock: what the deadlines that have passed demand. Asked again before that is done, it says the same.</summary>
    private Overdue Judge(long now)
    {
        if (_closeInfo is not null)
        {
            return _lingerDue != 0 && now >= _lingerDue ? Overdue.Lingered : Overdue.None;
        }

        if (_closeDue != 0 && now >= _closeDue)
        {
            return _closeDeferred ? Overdue.CloseDeferred : Overdue.CloseTimedOut;
        }

        return _keepAliveDue != 0 && now >= _keepAliveDue ? KeepAlive() : Overdue.None;
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
        long due = _closeInfo is not null ? _lingerDue : Earliest(_closeDue, _keepAliveDue);
        long now = Now();
        if (due == 0 || (_closeInfo is not null && now >= due))
        {
            _wheel.Cancel(this);
            return;
        }

        double seconds = Math.Max(0, due - now) / (double)_options.TimeProvider.TimestampFrequency;
        _wheel.Schedule(this, TimeSpan.FromSeconds(seconds));
    }

    private static long Earliest(long left, long right) => left == 0 ? right : right == 0 ? left : Math.Min(left, right);
}
