using Duologue.Cli.Terminal;

namespace Duologue.Cli.Connect;

/// <summary>Shows both heads of the opening handshake as they went over the wire, and explains each line on request.</summary>
internal sealed class HandshakePrinter(Report report, bool explain)
{
    public void Print(HandshakeTrace trace)
    {
        report.Tell(new HandshakeEvent(trace.Request, trace.Response));
        PrintHead(trace.Request, "[aqua]>[/]", isRequest: true, trace.Request);
        PrintHead(trace.Response, "[green]<[/]", isRequest: false, trace.Request);
    }

    /// <summary>Tells what carries the conversation: of several transports that were allowed, the first that got through.</summary>
    public void PrintTransport(Transport transport)
    {
        report.Say($"[green]=[/] [bold]Transport: {TransportNames.NameOf(transport)}[/]");
        Note(TransportNames.Explain(transport));
    }

    private void PrintHead(string head, string mark, bool isRequest, string request)
    {
        if (head.Length == 0)
        {
            report.Say($"{mark} [grey](nothing came)[/]");
            return;
        }

        bool atStart = true;
        // The head ends with the empty line, after which nothing is left to split off.
        foreach (string line in head.TrimEnd('\r', '\n').Split("\r\n"))
        {
            // HTTP/2 has no start line, but fields whose names begin with a colon (RFC 9113 §8.3).
            bool isPseudo = line.StartsWith(':');
            int colon = line.IndexOf(':', isPseudo ? 1 : 0);
            if ((atStart && !isPseudo) || colon < 0)
            {
                report.Say($"{mark} [bold]{Report.Safe(line)}[/]");
                Note(atStart ? HeaderNotes.ExplainStartLine(line, isRequest) : null);
                // An interim answer is followed by another start line.
                atStart = line.Length == 0;
                continue;
            }

            atStart = false;
            report.Say($"{mark} {Report.Safe(line[..colon])}:[grey]{Report.Safe(line[(colon + 1)..])}[/]");
            Note(HeaderNotes.ExplainHeader(line[..colon], line[(colon + 1)..].Trim(), isRequest, request));
        }

        report.Say(mark);
    }

    private void Note(string? note)
    {
        if (explain && note is not null)
        {
            report.Say($"      [italic yellow]{Report.Safe(note)}[/]");
        }
    }
}
