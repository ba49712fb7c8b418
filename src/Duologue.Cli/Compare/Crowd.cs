using Duologue.Cli.Compare.Clients;

namespace Duologue.Cli.Compare;

/// <summary>Clients that wait in one way, each on a connection of its own.</summary>
internal sealed class Crowd : IAsyncDisposable
{
    // So many connect at once: a crowd that comes in one instant is another measurement.
    private const int Together = 64;

    private readonly CancellationTokenSource _end = new();
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Waiter> _waiters = [];
    private readonly List<Task> _running = [];

    public Crowd(Way way, int size, WaiterContext context)
    {
        (Way, Context) = (way, context);
        for (int i = 0; i < size; i++)
        {
            _waiters.Add(Waiter.Create(way, context, i));
        }
    }

    public Way Way { get; }

    public WaiterContext Context { get; }

    public int Size => _waiters.Count;

    /// <summary>Connects all; done when all wait.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // Pollers wait for their turn before they connect, so that they do not come together in any case.
        int together = Way == Way.Polling ? Size : Together;
        foreach (Waiter[] some in _waiters.Chunk(together))
        {
            foreach (Waiter waiter in some)
            {
                _running.Add(WatchAsync(waiter));
            }

            await GuardAsync(Task.WhenAll(some.Select(waiter => waiter.Waiting)), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Waits for something that takes its time, and fails as soon as a client does.</summary>
    public async Task GuardAsync(Task task, CancellationToken cancellationToken)
    {
        Task first = await Task.WhenAny(task, _failed.Task).WaitAsync(cancellationToken).ConfigureAwait(false);
        await first.ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_running).ConfigureAwait(false);
        _waiters.ForEach(waiter => waiter.Dispose());
        _end.Dispose();
    }

    // A client that fails ends the measurement: whatever was measured with fewer of them would be something else.
    private async Task WatchAsync(Waiter waiter)
    {
        try
        {
            await waiter.RunAsync(_end.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            _failed.TrySetException(new CompareException($"{Way.Title()}: a client failed: {e.Message}", e));
        }
    }
}

/// <summary>A measurement that could not be made.</summary>
internal sealed class CompareException(string message, Exception? inner) : Exception(message, inner);
