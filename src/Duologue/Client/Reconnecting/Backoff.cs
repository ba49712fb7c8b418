namespace Duologue.Client;

/// <summary>How long to wait before each attempt, and when to give up. Thread-safe: its lock is a leaf.</summary>
internal sealed class Backoff(ReconnectOptions options)
{
    private readonly Lock _lock = new();
    private int _failures;
    private int _refusals;

    // How far the wait has grown: also by conversations that ended at once, which are no attempts that failed.
    private int _steps;

    /// <summary>How many attempts have failed in a row; a conversation that opened is the end of the row.</summary>
    public int Failures
    {
        get
        {
            lock (_lock)
            {
                return _failures;
            }
        }
    }

    /// <summary>What is done has succeeded: the next wait is a short one again.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            (_failures, _refusals, _steps) = (0, 0, 0);
        }
    }

    /// <summary>How long to wait after an attempt that failed; null to give up.</summary>
    public TimeSpan? AfterFailure(Verdict verdict)
    {
        lock (_lock)
        {
            _failures++;
            _steps++;
            _refusals = verdict.Kind == VerdictKind.Refused ? _refusals + 1 : 0;
            bool isOver = verdict.Kind == VerdictKind.End || _refusals >= options.MaxRefusals || (options.MaxAttempts > 0 && _failures >= options.MaxAttempts);
            return isOver ? null : Wait(verdict);
        }
    }

    /// <summary>
    /// How long to wait after a conversation that has ended; null if it is not to be taken up again. Behind one that ended sooner than one waits for it the wait grows: else a server that takes all and
    /// ends all at once would be asked without rest.
    /// </summary>
    public TimeSpan? AfterConversation(Verdict verdict, TimeSpan lasted)
    {
        lock (_lock)
        {
            if (verdict.Kind == VerdictKind.End)
            {
                return null;
            }

            (_failures, _refusals) = (0, 0);
            _steps = lasted >= Most() ? 0 : _steps;
            TimeSpan wait = Wait(verdict);
            _steps++;
            return wait;
        }
    }

    private TimeSpan Wait(Verdict verdict)
    {
        TimeSpan most = verdict.Kind == VerdictKind.Spread && options.Spread > Most() ? options.Spread : Most();

        // Full jitter: any part of it. Who has been told a time waits that, and then is spread, too.
        TimeSpan told = verdict.RetryAfter is { } retryAfter && retryAfter < options.MaxRetryAfter ? retryAfter
            : verdict.RetryAfter is null ? TimeSpan.Zero : options.MaxRetryAfter;
        return told + (options.Random.NextDouble() * most);
    }

    private TimeSpan Most()
    {
        double factor = Math.Pow(2, Math.Min(Math.Max(0, _steps - 1), 60));
        double most = options.InitialDelay.TotalMilliseconds * factor;
        return most < options.MaxDelay.TotalMilliseconds ? TimeSpan.FromMilliseconds(most) : options.MaxDelay;
    }
}
