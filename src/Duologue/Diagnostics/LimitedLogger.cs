using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Duologue;

/// <summary>
/// A logger that no peer can flood: of each event at most <see cref="Burst"/> come through in <see cref="Window"/>. The others are counted, and
/// how many there were is logged before the next of them that comes through. Debug events, and all events where Debug is enabled, come
/// through unlimited: whoever asks for that wants all of it.
/// </summary>
/// <remarks>Thread-safe. The gates are as many as there are events, which the program decides and no peer.</remarks>
internal sealed class LimitedLogger(ILogger inner, TimeProvider timeProvider, Action<EventId> onSuppressed) : ILogger
{
    public const int Burst = 10;

    public static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<int, Gate> _gates = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel >= LogLevel.Information && !inner.IsEnabled(LogLevel.Debug))
        {
            if (!_gates.GetOrAdd(eventId.Id, static _ => new Gate()).TryPass(timeProvider, out int suppressed))
            {
                onSuppressed(eventId);
                return;
            }

            if (suppressed > 0)
            {
                inner.EventsSuppressed(logLevel, suppressed, eventId.Name ?? "", Burst, Window.TotalSeconds);
            }
        }

        inner.Log(logLevel, eventId, state, exception, formatter);
    }

    /// <summary>One event's share. A window begins with the first event after the last one ended.</summary>
    private sealed class Gate
    {
        private readonly Lock _lock = new();
        private long _windowStart;
        private int _passed;
        private int _suppressed;

        /// <param name="timeProvider">The clock.</param>
        /// <param name="suppressed">How many did not pass in the window that is over; told once.</param>
        public bool TryPass(TimeProvider timeProvider, out int suppressed)
        {
            long now = timeProvider.GetTimestamp();
            suppressed = 0;
            lock (_lock)
            {
                if (_passed == 0 || timeProvider.GetElapsedTime(_windowStart, now) >= Window)
                {
                    (suppressed, _suppressed) = (_suppressed, 0);
                    _windowStart = now;
                    _passed = 0;
                }

                if (_passed < Burst)
                {
                    _passed++;
                    return true;
                }

                _suppressed++;
                return false;
            }
        }
    }
}
