using Microsoft.Extensions.Logging.Console;

namespace Duologue.Cli.Serve;

/// <summary>The server's log, on standard error, so that standard output stays what the command answers.</summary>
internal static class ServerLogging
{
    public static void Configure(WebApplicationBuilder builder, LogLevel level, bool json)
    {
        builder.Logging.SetMinimumLevel(level);
        if (level > LogLevel.Debug)
        {
            // A failure to listen is said by the command itself, in one line.
            builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        }

        // Where it listens and how it is stopped is said by the command itself.
        builder.Services.Configure<ConsoleLifetimeOptions>(lifetime => lifetime.SuppressStatusMessages = true);
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        if (json)
        {
            builder.Logging.AddJsonConsole(console => console.UseUtcTimestamp = true);
        }
        else
        {
            builder.Logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.TimestampFormat = "HH:mm:ss ";
            });
            builder.Services.AddSingleton<ConsoleFormatter, ServerLogFormatter>();
            builder.Services.Configure<ConsoleLoggerOptions>(console => console.FormatterName = ServerLogFormatter.FormatterName);
        }
    }
}
