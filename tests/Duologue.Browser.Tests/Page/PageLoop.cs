using System.Collections.Concurrent;

namespace Duologue.Browser.Tests.Page;

/// <summary>
/// The event loop of a page: one thread that runs one task after the other, and what has to be done between two. Work that
/// is posted to it as a synchronization context is such a task; so is a timer that has run out. Source: HTML §8.1.7.
/// </summary>
internal sealed class PageLoop : SynchronizationContext, IDisposable
{
    private readonly BlockingCollection<(SendOrPostCallback Callback, object? State)> _tasks = [];
    private readonly Dictionary<int, Timer> _timers = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action _afterEachTask;
    private readonly Action<Exception> _uncaught;
    private int _lastTimer;

    /// <param name="afterEachTask">The microtask checkpoint.</param>
    /// <param name="uncaught">Takes what a task throws. Must not throw.</param>
    public PageLoop(Action afterEachTask, Action<Exception> uncaught)
    {
        _afterEachTask = afterEachTask;
        _uncaught = uncaught;
        new Thread(Run) { IsBackground = true, Name = "page" }.Start();
    }

    /// <summary>Completes when the loop's thread has come to its end.</summary>
    public Task Ended => _ended.Task;

    public override void Post(SendOrPostCallback d, object? state)
    {
        try
        {
            _tasks.Add((d, state));
        }
        catch (InvalidOperationException)
        {
            // The page is gone, and its tasks with it: as when a tab is closed.
        }
    }

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("A page's tasks are queued, never run inside another.");

    public override SynchronizationContext CreateCopy() => this;

    /// <summary>Queues a task once a time has passed. Called on the loop's thread.</summary>
    public int SetTimer(Action task, TimeSpan delay)
    {
        int number = ++_lastTimer;
        _timers[number] = new Timer(
            _ => Post(
                _ =>
                {
                    if (ClearTimer(number))
                    {
                        task();
                    }
                },
                null),
            null,
            delay,
            Timeout.InfiniteTimeSpan);
        return number;
    }

    /// <summary>Called on the loop's thread, so a timer that has run out but has not had its task yet is cleared too.</summary>
    public bool ClearTimer(int number)
    {
        bool found = _timers.Remove(number, out Timer? timer);
        timer?.Dispose();
        return found;
    }

    public void Dispose() => _tasks.CompleteAdding();

    private void Run()
    {
        SetSynchronizationContext(this);
        foreach ((SendOrPostCallback callback, object? state) in _tasks.GetConsumingEnumerable())
        {
            Guard(() => callback(state));
            Guard(_afterEachTask);
        }

        foreach (Timer timer in _timers.Values)
        {
            timer.Dispose();
        }

        _tasks.Dispose();
        _ended.SetResult();
    }

    private void Guard(Action action)
    {
        try
        {
            action();
        }
#pragma warning disable CA1031 // A script's error ends the task, never the page.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _uncaught(error);
        }
    }
}
