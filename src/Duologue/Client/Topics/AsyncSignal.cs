namespace Duologue.Client;

/// <summary>Wakes one who waits, or the next who does. Several signals are one.</summary>
internal sealed class AsyncSignal
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _waiter;
    private bool _isSet;

    public void Set()
    {
        TaskCompletionSource? waiter;
        lock (_lock)
        {
            // Also where somebody waits: it may be one who was cancelled, and a wake too many finds nothing to do.
            (waiter, _waiter, _isSet) = (_waiter, null, true);
        }

        waiter?.TrySetResult();
    }

    /// <summary>For one at a time.</summary>
    public Task WaitAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_isSet)
            {
                _isSet = false;
                return Task.CompletedTask;
            }

            _waiter ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _waiter.Task.WaitAsync(cancellationToken);
        }
    }
}
