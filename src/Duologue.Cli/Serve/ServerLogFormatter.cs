using Duologue.Cli.Terminal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Duologue.Cli.Serve;

/// <summary>
/// The console's usual lines, with what a terminal would obey made visible: ASP.NET Core logs paths and queries as strangers have sent them, from level Information on.
/// </summary>
internal sealed class ServerLogFormatter(IServiceProvider services) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "duologue";

    // Looked for with the first line: the container makes it together with this one.
    private ConsoleFormatter? _usual;

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        _usual ??= services.GetServices<ConsoleFormatter>().First(each => each.Name == ConsoleFormatterNames.Simple);
        string text = logEntry.Formatter(logEntry.State, logEntry.Exception);
        if (logEntry.Exception is { } exception)
        {
            text = $"{text} {exception}";
        }

        // One line each: who is quoted in one must not write the next.
        string line = TerminalText.Escape(text.ReplaceLineEndings(" "));
        _usual.Write(new LogEntry<string>(logEntry.LogLevel, logEntry.Category, logEntry.EventId, line, null, static (line, _) => line), scopeProvider, textWriter);
    }
}
