namespace Duologue.AspNetCore;

/// <summary>How the time that a host gives to its stopping is spent. Computed, so that it can be tested without waiting.</summary>
/// <param name="Window">The time over which the closes are spread.</param>
/// <param name="Deadline">When, counted from the start, those that did not close are aborted.</param>
/// <param name="WasCut">Whether the window is shorter than the option asks.</param>
internal readonly record struct DrainPlan(TimeSpan Window, TimeSpan Deadline, bool WasCut)
{
    // Below this rate the peers' coming back is no burden, and nobody waits for a window that is nearly empty.
    private const int FewPerSecond = 100;

    /// <summary>Plans a drain.</summary>
    /// <param name="count">How many connections there are.</param>
    /// <param name="window">The option.</param>
    /// <param name="closeTimeout">How long a peer may take to answer a Close.</param>
    /// <param name="shutdownTimeout">What the host gives to its whole stopping.</param>
    public static DrainPlan For(int count, TimeSpan window, TimeSpan closeTimeout, TimeSpan shutdownTimeout)
    {
        // A tenth is left to the rest of the application, whose stopping begins when the drain is over.
        TimeSpan latest = shutdownTimeout * 0.9;
        TimeSpan answer = closeTimeout == Timeout.InfiniteTimeSpan || closeTimeout > latest / 2 ? latest / 2 : closeTimeout;
        TimeSpan available = latest - answer;
        bool cut = window > available;
        TimeSpan spread = cut ? available : window;
        TimeSpan needed = TimeSpan.FromSeconds((double)count / FewPerSecond);
        spread = needed < spread ? needed : spread;
        return new(spread, spread + answer, cut);
    }
}
