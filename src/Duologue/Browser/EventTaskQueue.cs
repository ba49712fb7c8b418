namespace Duologue.Browser;

/// <summary>
/// Runs tasks one at a time, in order, on the creator's synchronization context or else on the thread pool: what the
/// event loop is to a page. Posting is safe from any thread and never runs the task inline.
/// </summary>
/// <remarks>
/// The queue itself has no limit; its users bound what they post: received messages wait for room at their
/// source, and all other tasks are few per connection.
/// </remarks>
internal sealed class EventTaskQueue : IThreadPoolWorkItem
{
    private readonly Lock _gate = new();
    private readonly Queue<(Action Run, string? EventType)> _tasks = new();
    private readonly Func<string, TimeSpan>? _hold;
    private readonly Action _beforeEachTask;
    private readonly Action<Exception> _report;
    private readonly SynchronizationContext _listenerContext;
    private SynchronizationContext? _context;
    private bool _isScheduled;

    /// <param name="context">Where tasks run; null for the thread pool.</param>
    /// <param name="hold">
    /// Says how long a task that fires an event of a type must still wait; asked again after that time. Null if none ever waits.
    /// </param>
    /// <param name="beforeEachTask">Runs at the start of each task: what may change only between tasks changes here.</param>
    /// <param name="report">Takes exceptions that have nowhere else to go. Must not throw.</param>
    public EventTaskQueue(SynchronizationContext? context, Func<string, TimeSpan>? hold, Action beforeEachTask, Action<Exception> report)
    {
        _context = context;
        _hold = hold;
        _beforeEachTask = beforeEachTask;
        _report = report;
        _listenerContext = new ReportingContext(report);
    }

    /// <summary>Whether tasks run on a context, to which the code that made the object belongs too.</summary>
    public bool HasContext => _context is not null;

    /// <summary>Queues a task that fires no event.</summary>
    /// <param name="task">Must not throw.</param>
    public void Post(Action task) => Post(task, null);

    /// <summary>Queues a task.</summary>
    /// <param name="task">Must not throw.</param>
    /// <param name="eventType">The type of the first event that it may fire; null if none.</param>
    public void Post(Action task, string? eventType)
    {
        lock (_gate)
        {
            _tasks.Enqueue((task, eventType));
            if (_isScheduled)
            {
                return;
            }

            _isScheduled = true;
        }

        Schedule();
    }

    void IThreadPoolWorkItem.Execute()
    {
        SynchronizationContext? previous = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(_listenerContext);
        RunOne();
        SynchronizationContext.SetSynchronizationContext(previous);
    }

    // One task per turn, so that a busy socket starves neither a user interface nor the pool.
    private void RunOne()
    {
        (Action Run, string? EventType) task;
        lock (_gate)
        {
            task = _tasks.Peek();
        }

        TimeSpan wait = task.EventType is null || _hold is null ? TimeSpan.Zero : _hold(task.EventType);
        if (wait > TimeSpan.Zero)
        {
            // All tasks wait behind it: order goes before speed.
            _ = Task.Delay(wait).ContinueWith(static (_, self) => ((EventTaskQueue)self!).Schedule(), this, TaskScheduler.Default);
            return;
        }

        lock (_gate)
        {
            _tasks.Dequeue();
        }

        _beforeEachTask();
        task.Run();

        lock (_gate)
        {
            if (_tasks.Count == 0)
            {
                _isScheduled = false;
                return;
            }
        }

        Schedule();
    }

    private void Schedule()
    {
        try
        {
            if (_context is SynchronizationContext context)
            {
                context.Post(static self => ((EventTaskQueue)self!).RunOne(), this);
                return;
            }
        }
#pragma warning disable CA1031 // A context that no longer takes work (its window is gone) must not cost the program its close event.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _context = null;
            _report(error);
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>
    /// What listeners on the thread pool see as current. An async listener returns void: what it throws after its first
    /// await is posted here, where it is reported instead of ending the process. Continuations run on the pool.
    /// </summary>
    private sealed class ReportingContext(Action<Exception> report) : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state) =>
            ThreadPool.UnsafeQueueUserWorkItem(
                static work =>
                {
                    SynchronizationContext? previous = Current;
                    SetSynchronizationContext(work.Self);
                    work.Self.Run(work.Callback, work.State);
                    SetSynchronizationContext(previous);
                },
                (Self: this, Callback: d, State: state),
                preferLocal: false);

        public override void Send(SendOrPostCallback d, object? state) => Run(d, state);

        public override SynchronizationContext CreateCopy() => this;

        private void Run(SendOrPostCallback callback, object? state)
        {
            try
            {
                callback(state);
            }
#pragma warning disable CA1031 // A stranger's code, on a thread where nobody else could catch.
            catch (Exception error)
#pragma warning restore CA1031
            {
                report(error);
            }
        }
    }
}
