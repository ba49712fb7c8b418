using System.Collections.Concurrent;

namespace Duologue.Tests.Browser;

/// <summary>A synchronization context whose turns the test takes itself: between two turns nothing can change.</summary>
internal sealed class ManualContext : SynchronizationContext, IDisposable
{
    private readonly BlockingCollection<(SendOrPostCallback Callback, object? State)> _work = [];

    public override void Post(SendOrPostCallback d, object? state) => _work.Add((d, state));

    public override SynchronizationContext CreateCopy() => this;

    public void Dispose() => _work.Dispose();

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
        if (!_work.TryTake(out (SendOrPostCallback Callback, object? State) work, EventLog.Patience))
        {
            throw new TimeoutException("Nothing was posted.");
        }

        Make(() =>
        {
            work.Callback(work.State);
            return 0;
        });
    }

    /// <summary>Takes turns until something holds after one.</summary>
    public void TurnUntil(Func<bool> condition)
    {
        while (!condition())
        {
            Turn();
        }
    }

    /// <summary>Waits, without taking a turn, until there is work.</summary>
    public void WaitForWork() => Assert.True(SpinWait.SpinUntil(() => _work.Count > 0, EventLog.Patience), "Nothing was posted.");
}
