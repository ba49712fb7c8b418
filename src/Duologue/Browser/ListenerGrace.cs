namespace Duologue.Browser;

/// <summary>
/// In a page no event can come between the constructor and the listeners set after it, since both are one task. On the
/// thread pool it could: so the first events wait for those listeners, for a short while.
/// </summary>
/// <remarks>It measures real time, whatever clock the connection has: it is about threads, not about the peer.</remarks>
internal sealed class ListenerGrace(EventListeners listeners)
{
    /// <summary>How long after the constructor, in milliseconds, an event waits at most.</summary>
    private const long Whole = 100;

    /// <summary>How long, in milliseconds, no listener must have been added: more may be on their way.</summary>
    private const long Quiet = 20;

    // What a thread needs to be scheduled again.
    private const long Step = 5;

    private readonly long _start = Environment.TickCount64;
    private volatile bool _isOver;

    /// <summary>How long an event of a type should still wait, at most, before asking again; zero if it may fire.</summary>
    public TimeSpan Remaining(string eventType)
    {
        if (_isOver)
        {
            return TimeSpan.Zero;
        }

        long now = Environment.TickCount64;
        long whole = _start + Whole - now;
        if (whole <= 0)
        {
            _isOver = true;
            return TimeSpan.Zero;
        }

        long quiet = listeners.HasAny(eventType) ? listeners.LastAddedAt + Quiet - now : Step;
        return quiet <= 0 ? TimeSpan.Zero : TimeSpan.FromMilliseconds(Math.Min(quiet, whole));
    }
}
