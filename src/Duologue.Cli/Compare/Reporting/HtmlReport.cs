using System.Globalization;
using System.Text;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Compare.Reporting;

/// <summary>The report as one file without anything from elsewhere: sentences, charts, and every figure in a table.</summary>
internal static class HtmlReport
{
    private const string Css = """
        :root { color-scheme: light dark; --paper: #faf8f3; --sheet: #fffefb; --ink: #24211c; --soft: #6b655a; --line: #e6e0d4; --accent: #0e6459; }
        @media (prefers-color-scheme: dark) { :root { --paper: #15171a; --sheet: #1b1e22; --ink: #e9e5db; --soft: #a8a397; --line: #2d3136; --accent: #58c3ae; } }
        * { box-sizing: border-box; }
        body { margin: 0; padding: 2.5rem 1.2rem 4rem; background: var(--paper); color: var(--ink); font: 16px/1.55 -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif; }
        main { max-width: 58rem; margin: 0 auto; }
        h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, P052, Georgia, serif; line-height: 1.2; }
        h1 { font-size: 2rem; margin: 0 0 .3rem; } h2 { font-size: 1.35rem; margin: 2.6rem 0 .3rem; }
        .soft { color: var(--soft); margin: .2rem 0 1rem; }
        .warn { border-left: 3px solid #c2591b; padding-left: .8rem; }
        ul { padding-left: 1.2rem; } li { margin: .35rem 0; }
        figure { margin: 1rem 0; padding: 1.1rem; background: var(--sheet); border: 1px solid var(--line); border-radius: 10px; overflow-x: auto; }
        figure svg { display: block; width: 100%; min-width: 34rem; height: auto; }
        .table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
        th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
        th:first-child { text-align: left; font-weight: 500; } thead th { color: var(--soft); font-weight: 600; }
        """;

    public static string Render(CompareResult result)
    {
        Settings settings = result.Settings;
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>What it costs to wait for news</title>
            <style>
            {Css}
            {ChartStyle.Css}
            </style>
            </head>
            <body>
            <main>
            <h1>What it costs to wait for news</h1>
            <p class="soft">AJAX polling, long polling, server-sent events and WebSocket, one after another against one server: {Plural.Of(settings.Clients, "client")}, {Figure.Rate(settings.Rate)} to each,
            AJAX polling every {Figure.Number(settings.IntervalSeconds)} s, {Figure.Number(settings.DurationSeconds)} s each.<br>
            {result.Began:yyyy-MM-dd HH:mm} UTC · {ChartStyle.Text(result.Machine.Processor)}, {Plural.Of(result.Machine.Cores, "core")}, clients and server together · {ChartStyle.Text(result.Machine.System)} · {ChartStyle.Text(result.Machine.Runtime)} · event loop {ChartStyle.Text(settings.EventLoop)}</p>
            """);
        if (result.WasInterrupted)
        {
            html.Append("<p class=\"warn\">It was interrupted: this is what had been measured by then.</p>");
        }

        html.Append("<ul>").AppendJoin("", Findings.Tell(result).Select(sentence => $"<li>{ChartStyle.Text(sentence)}</li>")).Append("</ul>");
        AppendFigure(html, "Side by side", "Each figure on a scale of its own.", SummaryChart.Render(result, standsAlone: false));
        AppendFigure(html, "How late messages are", "The share of all messages that had arrived by then.", Distribution(result));
        Measurement[] rates = [.. result.Ways, .. result.OtherRates];
        if (result.OtherRates.Count > 0)
        {
            AppendFigure(html, "What a message costs, against how many there are", "Server CPU per message that one client got. Polling pays for asking, so its messages are dear where they are rare.", Curves(rates, Findings.Cpu, each => each.Rate, "messages a second", Figure.Number));
            AppendFigure(html, "Bytes, against how many messages there are", "On the wire per message that one client got, in both directions, all heads counted.", Curves(rates, Findings.Bytes, each => each.Rate, "messages a second", Figure.Number));
            AppendFigure(html, "Delay, against how many messages there are", "99 of 100 messages were there by then. Where a curve rises, the machine is full.", Curves(rates, Findings.Late, each => each.Rate, "messages a second", Figure.Number));
        }

        if (result.SmallerCrowds.Count > 0)
        {
            AppendFigure(html, "What a message costs, against how many clients there are", "Server CPU per message that one client got, at the first rate.", Curves([.. result.Ways, .. result.SmallerCrowds], Findings.Cpu, each => each.Clients, "clients", Figure.Number));
        }

        html.Append("<h2>The figures</h2>");
        AppendTable(html, result.Ways, Findings.Rows);
        if (rates.Length > result.Ways.Count)
        {
            html.Append("<h2>Other rates</h2>");
            AppendTable(html, result.OtherRates, [.. Findings.Rows.Where(row => result.OtherRates.Any(each => row.Value(each) is not null))]);
        }

        if (result.SmallerCrowds.Count > 0)
        {
            html.Append("<h2>Fewer clients</h2>");
            AppendTable(html, result.SmallerCrowds, [.. Findings.Rows.Where(row => result.SmallerCrowds.Any(each => row.Value(each) is not null))]);
        }

        html.Append("""
            <h2>How it was measured</h2>
            <p>The server is a process of its own; its CPU and memory are what that process used. Clients and server share one machine, so delays include what the clients take of it.
            Bytes are counted at the clients' sockets; TCP's and IP's own heads are not among them. The clients send the fewest request headers that there can be: a browser sends some hundred bytes more with each request.
            Every message has a number, and every client checks that it gets each once. A delay runs from the publisher's request until the client has read the message.</p>
            </main>
            </body>
            </html>

            """);
        return html.ToString();
    }

    private static string Distribution(CompareResult result)
    {
        var chart = new LineChart("delay", "share of messages", IsYLogarithmic: false, Figure.Milliseconds, value => $"{Figure.Number(value * 100)} %");
        return chart.Render(
            Describe(result.Ways, Findings.Late),
            [.. result.Ways.Select(each => (each.Way, each.Delay.Distribution.Select(point => (Math.Max(point.Milliseconds, 0.01), point.Share)).ToArray()))]);
    }

    private static string Curves(Measurement[] measured, Findings.Row row, Func<Measurement, double> x, string xName, Func<double, string> showX)
    {
        var chart = new LineChart(xName, row.Name, IsYLogarithmic: true, showX, row.Show);
        return chart.Render(
            Describe(measured, row),
            [.. measured.GroupBy(each => each.Way).Select(way => (way.Key, way.OrderBy(x).Select(each => (x(each), row.Value(each) ?? 0)).ToArray()))]);
    }

    private static string Describe(IEnumerable<Measurement> measured, Findings.Row row) => $"{row.Name}. " + string.Join(
        " ",
        measured.GroupBy(each => each.Way).Select(way => $"{way.Key.Title()}: {string.Join(", ", way.Select(each => string.Create(CultureInfo.InvariantCulture, $"{row.Text(each)} with {Plural.Of(each.Clients, "client")} at {each.Rate:0.###} a second")))}."));

    private static void AppendFigure(StringBuilder html, string title, string note, string svg) =>
        html.Append(CultureInfo.InvariantCulture, $"<h2>{ChartStyle.Text(title)}</h2><p class=\"soft\">{ChartStyle.Text(note)}</p><figure>{svg}</figure>");

    private static void AppendTable(StringBuilder html, IReadOnlyList<Measurement> measured, IReadOnlyList<Findings.Row> rows)
    {
        html.Append("<div class=\"table\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">way</th><th scope=\"col\">clients</th><th scope=\"col\">messages a second</th>");
        html.AppendJoin("", rows.Select(row => $"<th scope=\"col\">{ChartStyle.Text(row.Name)}</th>")).Append("</tr></thead><tbody>");
        foreach (Measurement each in measured)
        {
            html.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\">{ChartStyle.Text(each.Way.Title())}</th><td>{each.Clients:N0}</td><td>{each.Rate:0.###}</td>");
            html.AppendJoin("", rows.Select(row => $"<td>{ChartStyle.Text(row.Text(each))}</td>")).Append("</tr>");
        }

        html.Append("</tbody></table></div>");
    }
}
