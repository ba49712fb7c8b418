using System.Runtime.CompilerServices;

namespace Duologue.Peer;

/// <summary>Something with at most one deadline at a time.</summary>
internal interface ITimeoutTarget
{
    /// <summary>The wheel's own field in the target; nobody else touches it.</summary>
    ref TimeoutLink Link { get; }

    /// <summary>The deadline has passed. Called on a timer's thread, without a lock held, before the next due target's: must neither block nor run user code.</summary>
    void OnTimeout();
}

/// <summary>The place of a target on its wheel: no object per timeout, no timer per connection.</summary>
internal struct TimeoutLink
{
    public ITimeoutTarget? Previous;
    public ITimeoutTarget? Next;

    /// <summary>0 while nothing is scheduled.</summary>
    public long DueTick;
}

/// <summary>
/// One coarse hashed wheel that drives every timeout of a clock. It fires up to one tick late, never early. Its one timer
/// runs only while something is scheduled. Thread-safe; its lock is a leaf: nothing is called while it is held.
/// </summary>
internal sealed class TimeoutWheel
{
    /// <summary>The resolution, in milliseconds.</summary>
    public const int TickMilliseconds = 50;

    // 51.2 s a turn: the default deadlines fit into one.
    private const int SlotCount = 1024;

    private static readonly ConditionalWeakTable<TimeProvider, TimeoutWheel> Wheels = [];

    private readonly TimeProvider _time;
    private readonly long _origin;
    private readonly Lock _lock = new();
    private readonly ITimeoutTarget?[] _slots = new ITimeoutTarget?[SlotCount];
    private ITimer? _timer;
    private long _tick;
    private int _count;

    private TimeoutWheel(TimeProvider time)
    {
        _time = time;
        _origin = time.GetTimestamp();
    }

    /// <summary>The wheel of a clock; connections with the same clock share it.</summary>
    public static TimeoutWheel For(TimeProvider time) => Wheels.GetValue(time, static t => new TimeoutWheel(t));

    /// <summary>How many targets are scheduled.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _count;
            }
        }
    }

    /// <summary>Sets the one deadline of a target, replacing an earlier one.</summary>
    public void Schedule(ITimeoutTarget target, TimeSpan delay)
    {
        lock (_lock)
        {
            long now = NowTick();
            Unlink(target);
            if (_count == 0)
            {
                // Nothing was due since the timer stopped: do not walk the ticks that passed meanwhile.
                _tick = now;
            }

            long ticks = Math.Max(1, ((long)delay.TotalMilliseconds + TickMilliseconds - 1) / TickMilliseconds);
            ref TimeoutLink link = ref target.Link;
            // One tick more: the current one has partly passed, and a deadline must not fire early.
            link.DueTick = now + ticks + 1;
            link.Previous = null;
            ref ITimeoutTarget? head = ref _slots[link.DueTick % SlotCount];
            link.Next = head;
            if (head is not null)
            {
                head.Link.Previous = target;
            }

            head = target;
            _count++;
            if (_count == 1)
            {
                StartTimer();
            }
        }
    }

    /// <summary>Removes the deadline of a target, if it has one.</summary>
    public void Cancel(ITimeoutTarget target)
    {
        lock (_lock)
        {
            Unlink(target);
            StopTimerIfIdle();
        }
    }

    private long NowTick() => (long)_time.GetElapsedTime(_origin).TotalMilliseconds / TickMilliseconds;

    private void StartTimer()
    {
        TimeSpan period = TimeSpan.FromMilliseconds(TickMilliseconds);
        if (_timer is null)
        {
            // The timer must not carry the first connection's async locals with it for ever.
            bool restore = !ExecutionContext.IsFlowSuppressed();
            if (restore)
            {
                ExecutionContext.SuppressFlow();
            }

            _timer = _time.CreateTimer(static wheel => ((TimeoutWheel)wheel!).Turn(), this, period, period);
            if (restore)
            {
                ExecutionContext.RestoreFlow();
            }
        }
        else
        {
            _timer.Change(period, period);
        }
    }

    private void StopTimerIfIdle()
    {
        if (_count == 0)
        {
            _timer?.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private void Unlink(ITimeoutTarget target)
    {
        ref TimeoutLink link = ref target.Link;
        if (link.DueTick == 0)
        {
            return;
        }

        if (link.Previous is { } previous)
        {
            previous.Link.Next = link.Next;
        }
        else
        {
            _slots[link.DueTick % SlotCount] = link.Next;
        }

        if (link.Next is { } next)
        {
            next.Link.Previous = link.Previous;
        }

        link = default;
        _count--;
    }

    private void Turn()
    {
        List<ITimeoutTarget>? due = null;
        lock (_lock)
        {
            long now = NowTick();

            // After a jump of the clock each slot is looked at once, not once a tick.
            long from = Math.Max(_tick + 1, now - SlotCount + 1);
            for (long tick = from; tick <= now; tick++)
            {
                ITimeoutTarget? target = _slots[tick % SlotCount];
                while (target is not null)
                {
                    ITimeoutTarget? next = target.Link.Next;
                    if (target.Link.DueTick <= now)
                    {
                        Unlink(target);
                        (due ??= []).Add(target);
                    }

                    target = next;
                }
            }

            _tick = now;
            StopTimerIfIdle();
        }

        if (due is null)
        {
            return;
        }

        foreach (ITimeoutTarget target in due)
        {
            target.OnTimeout();
        }
    }
}
