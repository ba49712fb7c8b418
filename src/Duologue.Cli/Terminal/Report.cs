using System.Text.Json;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Duologue.Cli.Terminal;

/// <summary>
/// Where a command says what it does. For people: progress and errors on standard error, in colour where there is a terminal,
/// so that standard output holds the messages alone. For machines (<c>--json</c>): one JSON object per line on standard output.
/// </summary>
internal sealed class Report
{
    private readonly Lock _lock = new();
    private readonly TextWriter _out;
    private readonly IAnsiConsole _console;
    private readonly IAnsiConsole _wide;
    private readonly IAnsiConsole _screen;

    public Report(TextWriter output, TextWriter error, bool isJson)
        : this(output, error, isJson, !Console.IsOutputRedirected)
    {
    }

    internal Report(TextWriter output, TextWriter error, bool isJson, bool isTerminal)
    {
        _out = output;
        IsJson = isJson;
        IsTerminal = isTerminal;
        _console = CreateConsole(error, Console.IsErrorRedirected);
        _wide = CreateConsole(error, isRedirected: true);
        _screen = CreateConsole(output, !isTerminal);
    }

    public bool IsJson { get; }

    /// <summary>Whether messages go to a terminal, where they are dressed up, or to a pipe or file, where they go as they are.</summary>
    public bool IsTerminal { get; }

    /// <summary>The line that is being typed, if there is one: everything is written above it.</summary>
    public LineEditor? Editor { get; set; }

    /// <summary>Nothing is typed any more.</summary>
    public void EndTyping()
    {
        Editor?.End();
        Editor = null;
    }

    /// <summary>A line of Spectre markup for people; escape what others wrote with <see cref="Safe"/>.</summary>
    public void Say(string markup) => Say(_console, markup);

    /// <summary>The same, with no break but the terminal's own: a command that is to be copied from it stays one line.</summary>
    public void SayWhole(string markup) => Say(_wide, markup);

    /// <summary>Where progress may be drawn over itself: standard error, if it is a terminal.</summary>
    public IAnsiConsole? ProgressConsole => IsJson || Console.IsErrorRedirected ? null : _console;

    /// <summary>An object for machines.</summary>
    public void Tell(CliEvent happening)
    {
        if (IsJson)
        {
            string line = JsonSerializer.Serialize(happening, CliJson.Default.CliEvent);
            WriteLine(line);
        }
    }

    /// <summary>The one line that says what went wrong and what to do; answers the exit code.</summary>
    public int Fail(int exitCode, string message)
    {
        Say($"[red]error:[/] {Safe(message)}");
        Tell(new FailedEvent(exitCode, message));
        return exitCode;
    }

    /// <summary>A line of markup where the messages go; for terminals.</summary>
    public void Show(string markup) => Write(() => _screen.MarkupLine(markup));

    /// <summary>A table, or what else has a shape, where the messages go.</summary>
    public void Show(IRenderable table) => Write(() => _screen.Write(table));

    /// <summary>A message as it is, for pipes.</summary>
    public void WriteLine(string text) => Write(() =>
    {
        _out.WriteLine(text);
        _out.Flush();
    });

    /// <summary>Bytes as they are, for pipes.</summary>
    public void WriteBytes(ReadOnlyMemory<byte> bytes) => Write(() =>
    {
        _out.Flush();
        using Stream stream = Console.OpenStandardOutput();
        stream.Write(bytes.Span);
        stream.Flush();
    });

    public static string Safe(string text) => Markup.Escape(TerminalText.Escape(text));

    /// <summary>The same for a text of a peer that is to stand on one line: its line breaks are shown.</summary>
    public static string SafeLine(string text) => Safe(text.ReplaceLineEndings("␊"));

    private void Say(IAnsiConsole console, string markup)
    {
        if (!IsJson)
        {
            Write(() => console.MarkupLine(markup));
        }
    }

    private void Write(Action write)
    {
        lock (_lock)
        {
            if (Editor is { } editor)
            {
                editor.WriteAbove(write);
            }
            else
            {
                write();
            }
        }
    }

    private static IAnsiConsole CreateConsole(TextWriter writer, bool isRedirected)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (isRedirected)
        {
            // What is no terminal has no width: lines are not to be broken at an assumed one.
            console.Profile.Width = int.MaxValue;
        }

        return console;
    }
}
