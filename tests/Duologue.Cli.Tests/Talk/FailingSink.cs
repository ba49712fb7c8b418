using Microsoft.Extensions.Logging;

namespace Duologue.Cli.Tests.Talk;

/// <summary>A sink that can write nothing, as one whose disk is full.</summary>
internal sealed class FailingSink : ILogger, ILoggerProvider
{
    /// <summary>How many events it was given.</summary>
    public int Logged { get; private set; }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        Logged++;
        throw new IOException("No space left on device.");
    }

    public void Dispose()
    {
    }
}
