using System.Globalization;
using System.Text;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Compare.Reporting;

/// <summary>The ways side by side: for each figure a row of bars, on a scale of its own.</summary>
internal static class SummaryChart
{
    private const double Width = 860;
    private const double Gap = 44;
    private const double LabelWidth = 128;
    private const double ValueWidth = 70;
    private const double BarHeight = 15;
    private const double BarStep = 22;
    private const double Top = 62;
    private const int Columns = 2;

    private static readonly Findings.Row[] Rows = [Findings.Median, Findings.Requests, Findings.Bytes, Findings.Cpu, Findings.IdleCpu, Findings.Heap];

    public static string Render(CompareResult result, bool standsAlone)
    {
        double panelWidth = (Width - Gap) / Columns;
        double panelHeight = 62 + (BarStep * result.Ways.Count);
        var content = new StringBuilder();
        Settings settings = result.Settings;
        content.Append(CultureInfo.InvariantCulture, $"""<text class="name" x="0" y="18" style="font-size:17px">What it costs to wait for news</text>""");
        content.Append(CultureInfo.InvariantCulture, $"""<text x="0" y="38">{Plural.Of(settings.Clients, "client")}, {Figure.Rate(settings.Rate)} to each; AJAX polling asks every {Figure.Number(settings.IntervalSeconds)} s. Less is better. Measured by duologue compare.</text>""");
        for (int i = 0; i < Rows.Length; i++)
        {
            double x = i % Columns * (panelWidth + Gap);
            double y = Top + (i / Columns * panelHeight);
            Append(content, result, Rows[i], x, y, panelWidth);
        }

        string description = string.Join(" ", Rows.Select(row => $"{row.Name}: {string.Join(", ", result.Ways.Select(each => $"{each.Way.Title()} {row.Text(each)}"))}."));
        return ChartStyle.Wrap(Width, Top + (panelHeight * Math.Ceiling(Rows.Length / (double)Columns)) - 12, description, content.ToString(), standsAlone);
    }

    private static void Append(StringBuilder content, CompareResult result, Findings.Row row, double x, double y, double width)
    {
        content.Append(CultureInfo.InvariantCulture, $"""<text class="name" x="{ChartStyle.Number(x)}" y="{ChartStyle.Number(y + 13)}">{ChartStyle.Text(row.Name)}</text>""");
        content.Append(CultureInfo.InvariantCulture, $"""<text x="{ChartStyle.Number(x)}" y="{ChartStyle.Number(y + 29)}">{ChartStyle.Text(row.Note)}</text>""");
        double most = result.Ways.Max(each => row.Value(each) ?? 0);
        double room = width - LabelWidth - ValueWidth;
        for (int i = 0; i < result.Ways.Count; i++)
        {
            Measurement each = result.Ways[i];
            double top = y + 38 + (i * BarStep);
            double length = most > 0 ? Math.Max(1.5, Math.Max(0, row.Value(each) ?? 0) / most * room) : 1.5;
            string baseline = ChartStyle.Number(top + 12);
            content.Append(CultureInfo.InvariantCulture, $"""<text x="{ChartStyle.Number(x)}" y="{baseline}">{ChartStyle.Text(each.Way.Title())}</text>""");
            content.Append(CultureInfo.InvariantCulture, $"""<rect class="f{(int)each.Way}" x="{ChartStyle.Number(x + LabelWidth)}" y="{ChartStyle.Number(top)}" width="{ChartStyle.Number(length)}" height="{ChartStyle.Number(BarHeight)}" rx="2"/>""");
            content.Append(CultureInfo.InvariantCulture, $"""<text class="value" x="{ChartStyle.Number(x + LabelWidth + length + 7)}" y="{baseline}">{ChartStyle.Text(row.Text(each))}</text>""");
        }
    }
}
