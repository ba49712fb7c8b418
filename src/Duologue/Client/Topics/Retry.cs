namespace Duologue.Client;

/// <summary>Something that the server could not do for the moment, and that is asked for again: when. One at a time.</summary>
internal sealed class Retry(WayWork work)
{
    private readonly Backoff _backoff = new(work.Options);
    private volatile bool _isWaiting;

    /// <summary>Whether it is not yet to be asked for again.</summary>
    public bool IsWaiting => _isWaiting;

    /// <summary>Whether the last attempt has failed.</summary>
    public bool HasFailed => _backoff.Failures > 0;

    /// <summary>It is done.</summary>
    public void Succeeded() => _backoff.Reset();

    /// <summary>It has failed. Waits, and wakes the way then; false if it is given up.</summary>
    public bool TryWait(Exception failure, CancellationToken stop)
    {
        if (_backoff.AfterFailure(new Verdict(VerdictKind.Return, null)) is not { } wait)
        {
            return false;
        }

        _isWaiting = true;
        work.Report.Waiting(null, failure, wait);
        _ = WakeAsync(wait, stop);
        return true;
    }

    private async Task WakeAsync(TimeSpan wait, CancellationToken stop)
    {
        await Task.Delay(wait, work.Options.Connect.TimeProvider, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _isWaiting = false;
        work.Signal.Set();
    }
}
