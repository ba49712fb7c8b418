namespace Duologue.Redis;

/// <summary>
/// One call for all who ask the same at the same time, as all subscribers of a topic do when a message comes. Who comes while one is under way shares the next: that one
/// may have been answered before what the newcomer knows of. Thread-safe.
/// </summary>
internal sealed class SharedCall<T>
{
    private readonly Lock _lock = new();
    private Task<T>? _current;
    private Task<T>? _next;

    /// <param name="call">What is called, elsewhere.</param>
    /// <param name="done">Told, with the lock held, when nobody waits for another.</param>
    public Task<T> JoinAsync(Func<Task<T>> call, Action done)
    {
        lock (_lock)
        {
            if (_current is null)
            {
                return _current = RunAsync(call, done);
            }

            return _next ??= FollowAsync(_current, call, done);
        }
    }

    private async Task<T> RunAsync(Func<Task<T>> call, Action done)
    {
        // Not under the lock of who asked first.
        await Task.Yield();
        try
        {
            return await call().ConfigureAwait(false);
        }
        finally
        {
            lock (_lock)
            {
                (_current, _next) = (_next, null);
                if (_current is null)
                {
                    done();
                }
            }
        }
    }

    private async Task<T> FollowAsync(Task before, Func<Task<T>> call, Action done)
    {
        await before.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default).ConfigureAwait(false);
        return await RunAsync(call, done).ConfigureAwait(false);
    }
}
