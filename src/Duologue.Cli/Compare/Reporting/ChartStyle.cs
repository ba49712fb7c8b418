using System.Globalization;
using System.Net;

namespace Duologue.Cli.Compare.Reporting;

/// <summary>What all charts have in common: colours, one for each way in light and in dark, and shapes for who sees no colours.</summary>
internal static class ChartStyle
{
    /// <summary>The rules; a page has them once, a picture that stands alone has them within.</summary>
    public const string Css = """
        .chart { --ink: #24211c; --soft: #6b655a; --line: #e0dacd; --w0: #c2591b; --w1: #8a4fbf; --w2: #2a6fbb; --w3: #0e6459; font-family: -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif; }
        @media (prefers-color-scheme: dark) { .chart { --ink: #e9e5db; --soft: #a8a397; --line: #34393f; --w0: #ee9159; --w1: #c19bea; --w2: #7db4f0; --w3: #58c3ae; } }
        .chart text { fill: var(--soft); font-size: 12px; }
        .chart .name { fill: var(--ink); font-size: 14px; font-weight: 600; }
        .chart .value { fill: var(--ink); font-size: 12.5px; font-weight: 600; }
        .chart .grid { stroke: var(--line); stroke-width: 1; }
        .chart .curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
        .chart .w0 { stroke: var(--w0); } .chart .w1 { stroke: var(--w1); } .chart .w2 { stroke: var(--w2); } .chart .w3 { stroke: var(--w3); }
        .chart .f0 { fill: var(--w0); } .chart .f1 { fill: var(--w1); } .chart .f2 { fill: var(--w2); } .chart .f3 { fill: var(--w3); }
        .chart text.f0, .chart text.f1, .chart text.f2, .chart text.f3 { font-weight: 600; }
        """;

    public static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    public static string Text(string text) => WebUtility.HtmlEncode(text);

    /// <summary>The shape that stands for a way.</summary>
    public static string Mark(Way way, double x, double y)
    {
        string Points(params (double X, double Y)[] corners) => string.Join(' ', corners.Select(corner => $"{Number(x + corner.X)},{Number(y + corner.Y)}"));
        return way switch
        {
            Way.Polling => $"""<circle class="f0" cx="{Number(x)}" cy="{Number(y)}" r="4"/>""",
            Way.LongPolling => $"""<rect class="f1" x="{Number(x - 3.6)}" y="{Number(y - 3.6)}" width="7.2" height="7.2"/>""",
            Way.ServerSentEvents => $"""<polygon class="f2" points="{Points((0, -5), (4.6, 3.6), (-4.6, 3.6))}"/>""",
            _ => $"""<polygon class="f3" points="{Points((0, -5), (5, 0), (0, 5), (-5, 0))}"/>""",
        };
    }

    /// <summary>A picture with its description, for those who hear it.</summary>
    public static string Wrap(double width, double height, string description, string content, bool standsAlone) => $"""
        <svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Number(width)} {Number(height)}"{(standsAlone ? $" width=\"{Number(width)}\" height=\"{Number(height)}\"" : "")} role="img" aria-label="{Text(description)}">
        {(standsAlone ? $"<style>{Css}</style>" : "")}{content}
        </svg>
        """;
}
