using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Forwarder;

namespace Duologue.Redis;

/// <summary>
/// YARP's forwarder with a log of its own, which has warnings and errors only: at Information it writes the whole URL of each request, with the session's id and whatever the application has in a query. One of our own, so that
/// the application's proxies log as they did.
/// </summary>
internal static class QuietForwarder
{
    public static IHttpForwarder Create(Func<string, ILogger> loggers, TimeProvider time)
    {
        var services = new ServiceCollection();
        services.AddSingleton(time);
        services.AddSingleton<ILoggerFactory>(new Warnings(loggers));
        services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        services.AddHttpForwarder();
        return services.BuildServiceProvider().GetRequiredService<IHttpForwarder>();
    }

    private sealed class Warnings(Func<string, ILogger> loggers) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => new WarningLogger(loggers(categoryName));

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("It has the application's providers.");

        public void Dispose()
        {
            // The loggers are the application's.
        }
    }

    private sealed class WarningLogger(ILogger inner) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => inner.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning && inner.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                inner.Log(logLevel, eventId, state, exception, formatter);
            }
        }
    }
}
