using Microsoft.Extensions.Logging;

namespace Duologue.Tests.Shared;

/// <summary>A log's sink that can write nothing of what Duologue says.</summary>
internal sealed class FullDisk : ILoggerProvider, ILogger
{
    private int _refused;

    /// <summary>How many events it had no room for.</summary>
    public int Refused => Volatile.Read(ref _refused);

    public ILogger CreateLogger(string categoryName) => categoryName.StartsWith("Duologue", StringComparison.Ordinal) ? this : Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        Interlocked.Increment(ref _refused);
        throw new IOException("The disk is full.");
    }

    public void Dispose()
    {
    }
}
