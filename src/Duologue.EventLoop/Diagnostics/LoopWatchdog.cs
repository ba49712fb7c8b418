using System.Diagnostics;
using System.Diagnostics.Metrics;
using Duologue.EventLoop.Loops;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Diagnostics;

/// <summary>
/// Looks now and then whether a loop has been at one turn for long: then a handler blocks it, and with it all of its connections. Each
/// such turn is counted and logged once, with the endpoint whose handler runs. As it looks at the loops anyway, it sees, too, when a burst is over.
/// </summary>
internal sealed class LoopWatchdog : IDisposable
{
    public const string MeterName = "Duologue.EventLoop";

    /// <summary>The counter of turns that took too long.</summary>
    public const string CounterName = "duologue.event_loop.blocked";

    /// <summary>The counter of what kept a loop from accepting.</summary>
    public const string AcceptCounterName = "duologue.event_loop.accept.failures";

    /// <summary>The counter of connections whose last bytes were not read.</summary>
    public const string UnreadCounterName = "duologue.event_loop.last_bytes.unread";

    /// <summary>How long a turn may take.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(100);

    private readonly IReadOnlyList<Loop> _loops;
    private readonly long[] _reported;
    private readonly ILogger _logger;
    private readonly Meter _meter;
    private readonly Counter<long> _blocked;
    private readonly ManualResetEvent _stop = new(initialState: false);
    private readonly QuietCollection? _quiet;
    private readonly Thread _thread;

    public LoopWatchdog(IReadOnlyList<Loop> loops, bool collects, ILogger logger, IMeterFactory? meters)
    {
        _loops = loops;
        _reported = new long[loops.Count];
        _logger = logger;
        _meter = meters?.Create(MeterName) ?? new Meter(MeterName);
        _blocked = _meter.CreateCounter<long>(CounterName, "{turn}", "Turns of an event loop that took more than 100 ms.");
        _meter.CreateObservableCounter<long>(AcceptCounterName, ObserveAccepting, "{failure}", "How often an event loop could not accept.");
        _meter.CreateObservableCounter(UnreadCounterName, () => _loops.Sum(static loop => loop.ConnectionsCutShort), "{connection}", "Connections that were reset because the peer did not read the last bytes after a close.");

        _quiet = collects ? new QuietCollection(() => _loops.Sum(static loop => loop.Changes), QuietCollection.Collect) : null;

        // A thread of its own: where handlers block, the pool may be no better off, and its threads spin before they sleep.
        _thread = new Thread(Run) { IsBackground = true, Name = "Duologue loop watchdog" };
    }

    /// <summary>Begins to look. Once.</summary>
    public void Start() => _thread.Start();

    public void Dispose()
    {
        _stop.Set();
        if (!_thread.ThreadState.HasFlag(System.Threading.ThreadState.Unstarted))
        {
            _thread.Join();
        }

        _stop.Dispose();
        _meter.Dispose();
    }

    private Measurement<long>[] ObserveAccepting() =>
    [
        new(_loops.Sum(static loop => loop.AcceptPauses), new KeyValuePair<string, object?>("duologue.accept.failure", "exhausted")),
        new(_loops.Sum(static loop => loop.AcceptFailures), new KeyValuePair<string, object?>("duologue.accept.failure", "error")),
    ];

    private void Run()
    {
        TimeSpan next = Limit;
        while (!_stop.WaitOne(next))
        {
            next = Look();
            _quiet?.Look(Stopwatch.GetElapsedTime(0));
        }
    }

    /// <summary>Counts and logs turns that take too long. By one thread.</summary>
    /// <returns>
    /// When to look again: no later than the oldest turn that is under way would have taken too long, so that none can begin and end between two looks
    /// unseen.
    /// </returns>
    internal TimeSpan Look() => Look(Stopwatch.GetTimestamp());

    /// <inheritdoc cref="Look()"/>
    /// <param name="now">Read before any turn is looked at: where the machine holds up this thread, too, a turn that had just begun was not as long as that.</param>
    internal TimeSpan Look(long now)
    {
        TimeSpan next = Limit;
        for (int i = 0; i < _loops.Count; i++)
        {
            Loop loop = _loops[i];
            long started = loop.TurnStarted;
            if (started == 0 || started == _reported[i])
            {
                continue;
            }

            TimeSpan time = Stopwatch.GetElapsedTime(started, now);
            if (time <= Limit)
            {
                // A millisecond more, for the wait counts in whole ones.
                TimeSpan left = Limit - time + TimeSpan.FromMilliseconds(1);
                next = left < next ? left : next;
                continue;
            }

            _reported[i] = started;
            string? endpoint = loop.Current?.Handler.Endpoint;
            if (loop.TurnStarted != started)
            {
                // It has ended meanwhile: what was seen may be the handler of another turn.
                endpoint = null;
            }

            _blocked.AddSteadily(1, new KeyValuePair<string, object?>("duologue.endpoint", endpoint ?? "unknown"));
            if (endpoint is not null)
            {
                LoopLog.LoopBlocked(_logger, loop.Number, time.TotalMilliseconds, endpoint);
            }
            else
            {
                LoopLog.LoopHeldUp(_logger, loop.Number, time.TotalMilliseconds);
            }
        }

        return next;
    }
}
