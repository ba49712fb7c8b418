using System.Globalization;
using Spectre.Console;

namespace Duologue.Cli.Terminal;

/// <summary>Prints messages: with time and colour on a terminal, as they are into a pipe, as objects for machines.</summary>
internal sealed class MessagePrinter(Report report, TimeProvider timeProvider)
{
    private const int BytesShown = 16;

    /// <summary>Prints a message that came; the number says which connection it came from, where there are several.</summary>
    public void Received(int? id, Message message)
    {
        if (report.IsJson)
        {
            bool isText = message.Type == MessageType.Text;
            report.Tell(new MessageEvent(
                id,
                timeProvider.GetUtcNow(),
                isText ? "text" : "binary",
                message.Data.Length,
                isText ? message.Text : null,
                isText ? null : Convert.ToBase64String(message.Data.Span)));
        }
        else if (report.IsTerminal)
        {
            string content = message.Type == MessageType.Text ? Markup.Escape(TerminalText.EscapeLines(message.Text)) : $"[blue]{DescribeBytes(message.Data.Span)}[/]";
            report.Show($"[grey]{Now()}[/] {Who(id)}[green]‹[/] {content}");
        }
        else if (message.Type == MessageType.Text)
        {
            report.WriteLine(message.Text);
        }
        else
        {
            report.WriteBytes(message.Data);
        }
    }

    /// <summary>Shows on a terminal what was sent; elsewhere the sender knows.</summary>
    public void Sent(string line)
    {
        if (!report.IsJson && report.IsTerminal)
        {
            report.Show($"[grey]{Now()}[/] [aqua]›[/] {Report.Safe(line)}");
        }
    }

    private string Now() => timeProvider.GetLocalNow().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);

    private static string Who(int? id) => id is null ? "" : $"[yellow]#{id}[/] ";

    private static string DescribeBytes(ReadOnlySpan<byte> bytes)
    {
        string hex = string.Join(' ', bytes[..Math.Min(bytes.Length, BytesShown)].ToArray().Select(each => each.ToString("x2", CultureInfo.InvariantCulture)));
        return $"binary, {ByteSize.Describe(bytes.Length)}: {hex}{(bytes.Length > BytesShown ? " …" : "")}";
    }
}
