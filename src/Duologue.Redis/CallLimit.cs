using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>
/// How long a call to the server may take. The client library ends each by itself within its own timeout, but for one that is written just as its connection is given up: nothing looks after that any more, and who
/// waited for it would for ever. So whoever waits for a call waits by this. Thread-safe.
/// </summary>
internal sealed class CallLimit(TimeProvider time)
{
    private long _ticks = TimeSpan.FromSeconds(10).Ticks;

    /// <summary>Longer than the client library's own timeout.</summary>
    public TimeSpan Longest
    {
        get => TimeSpan.FromTicks(Volatile.Read(ref _ticks));
        set => Volatile.Write(ref _ticks, value.Ticks);
    }

    /// <summary>The client library's own timeout, of a connection that tells its configuration as text.</summary>
    public static TimeSpan OwnOf(string configuration)
    {
        // The library writes a password as it is, and reads one with a comma as other options, or not at all. It stands behind the timeouts.
        IEnumerable<string> before = configuration.Split(',').TakeWhile(static part =>
            !part.StartsWith("user=", StringComparison.OrdinalIgnoreCase) && !part.StartsWith("password=", StringComparison.OrdinalIgnoreCase));
        return TimeSpan.FromMilliseconds(ConfigurationOptions.Parse(string.Join(',', before), ignoreUnknown: true).AsyncTimeout);
    }

    /// <exception cref="TimeoutException">It took too long. What it may have done is not known.</exception>
    public Task<T> EndAsync<T>(Task<T> call) => call.WaitAsync(Longest, time);

    /// <inheritdoc cref="EndAsync{T}(Task{T})"/>
    /// <param name="call">The call.</param>
    /// <param name="cancellationToken">Stops the waiting.</param>
    public Task<T> EndAsync<T>(Task<T> call, CancellationToken cancellationToken) => call.WaitAsync(Longest, time, cancellationToken);

    /// <summary>The same for several that were written together: they share the time.</summary>
    public Task EndAsync(params ReadOnlySpan<Task> calls) => Task.WhenAll(calls).WaitAsync(Longest, time);
}
