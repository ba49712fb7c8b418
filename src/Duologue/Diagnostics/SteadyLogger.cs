using Microsoft.Extensions.Logging;

namespace Duologue;

/// <summary>
/// A logger for those who must go on whatever becomes of the log: a loop that carries connections, a link, a timer. What a sink throws (its disk is full, it was disposed of) is the sink's own trouble, and not
/// that of the connections.
/// </summary>
internal sealed class SteadyLogger(ILogger inner) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

#pragma warning disable CA1031 // There is nobody to tell but the log.
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            inner.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            // The sinks beside it have the event: the logger of Microsoft.Extensions.Logging asks all before it throws.
        }
    }
#pragma warning restore CA1031
}
