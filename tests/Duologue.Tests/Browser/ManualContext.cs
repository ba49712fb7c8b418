using System.Diagnostics;

namespace Duologue.Tests.Browser;

/// <summary>A synchronization context whose turns the test takes itself: between two turns nothing can change.</summary>
internal sealed class ManualContext : SynchronizationContext, IDisposable
{
    private readonly Lock _gate = new();
    private readonly Queue<(SendOrPostCallback Callback, object? State)> _work = new();
    private bool _isOver;

    private bool HasWork
    {
        get
        {
            lock (_gate)
            {
                return _work.Count > 0;
            }
        }
    }

    /// <summary>After the test nobody takes turns: what a socket that still ends has to say is dropped.</summary>
    public override void Post(SendOrPostCallback d, object? state)
    {
        lock (_gate)
        {
            if (!_isOver)
            {
                _work.Enqueue((d, state));
            }
        }
    }

    public override SynchronizationContext CreateCopy() => this;

    public void Dispose()
    {
        lock (_gate)
        {
            _isOver = true;
            _work.Clear();
        }
    }

    /// <summary>Makes an object with this context as the current one.</summary>
    public T Make<T>(Func<T> make)
    {
        SynchronizationContext? previous = Current;
        SetSynchronizationContext(this);
        try
        {
            return make();
        }
        finally
        {
            SetSynchronizationContext(previous);
        }
    }

    /// <summary>Waits for work and runs one piece of it.</summary>
    public void Turn()
    {
        WaitForWork();
        TakeTurn();
    }

    /// <summary>Takes turns until something holds after one, or by what others than the context do.</summary>
    public void TurnUntil(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (HasWork)
            {
                TakeTurn();
                start = Stopwatch.GetTimestamp();
                continue;
            }

            Assert.True(Stopwatch.GetElapsedTime(start) < EventLog.Patience, "Nothing was posted.");
            Thread.Sleep(1);
        }
    }

    /// <summary>Waits, without taking a turn, until there is work.</summary>
    public void WaitForWork() => Assert.True(SpinWait.SpinUntil(() => HasWork, EventLog.Patience), "Nothing was posted.");

    private void TakeTurn()
    {
        (SendOrPostCallback Callback, object? State) work;
        lock (_gate)
        {
            work = _work.Dequeue();
        }

        Make(() =>
        {
            work.Callback(work.State);
            return 0;
        });
    }
}
