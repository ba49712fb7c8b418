using System.Collections.Concurrent;

namespace Duologue.AspNetCore;

/// <summary>
/// Events that are raised in the order in which they happened, by one thread at a time and without a lock: they are put here where they happen, which may be
/// under a lock, and raised by whoever comes by after it.
/// </summary>
internal sealed class OrderedEvents<T>(Action<T> raise)
{
    private readonly ConcurrentQueue<T> _queue = new();
    private int _pending;

    /// <summary>Puts an event in its place. Calls nothing. <see cref="Raise"/> must follow, without a lock.</summary>
    public void Add(T happened) => _queue.Enqueue(happened);

    /// <summary>Raises what is there, unless another thread is at it, which then raises these as well.</summary>
    public void Raise()
    {
        if (_queue.IsEmpty || Interlocked.Increment(ref _pending) != 1)
        {
            return;
        }

        int seen = 1;
        do
        {
            while (_queue.TryDequeue(out T? happened))
            {
                raise(happened);
            }

            // Whoever came meanwhile left it to us.
            seen = Interlocked.Add(ref _pending, -seen);
        }
        while (seen != 0);
    }
}
