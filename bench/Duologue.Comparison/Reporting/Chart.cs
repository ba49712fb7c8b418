using System.Globalization;
using System.Xml.Linq;

namespace Duologue.Comparison;

/// <summary>
/// results.svg: for each case a bar per server, as long as what it needs, with the spread and the ratio to the baseline. A picture that stands
/// by itself: no script, no font, readable on light and dark ground.
/// </summary>
internal static class Chart
{
    private const int Width = 900;
    private const int NamesWidth = 130;
    private const int LabelsWidth = 190;
    private const int BarHeight = 14;
    private const int RowHeight = 20;
    private const int TitleHeight = 30;
    private const int Margin = 12;

    private const string Ink = "#57606a";
    private const string Ours = "#2f81f7";
    private const string Theirs = "#8b949e";

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    /// <param name="isOurs">Whether a server runs Duologue: those are coloured.</param>
    public static string Render(IReadOnlyList<CaseResults> results, string baseline, Func<string, bool> isOurs)
    {
        List<XElement> parts = [];
        double top = Margin;
        foreach (CaseResults one in results)
        {
            parts.Add(Text(Margin, top + 16, $"{one.Case.Title}: {one.Case.FigureTitle}", "start", bold: true));
            top += TitleHeight;
            double most = one.Servers.Select(server => one.Of(server, one.Case.Figure)?.Most ?? 0).DefaultIfEmpty(0).Max();
            foreach (string server in one.Servers)
            {
                if (one.Of(server, one.Case.Figure) is { } figure)
                {
                    parts.AddRange(Row(one, server, figure, most, top, baseline, isOurs(server)));
                    top += RowHeight;
                }
            }

            top += Margin;
        }

        return new XElement(
            Svg + "svg",
            new XAttribute("viewBox", $"0 0 {Width} {Invariant(top + Margin)}"),
            new XAttribute("width", Width),
            new XAttribute("font-family", "system-ui, sans-serif"),
            new XAttribute("font-size", 12),
            parts).ToString();
    }

    private static IEnumerable<XElement> Row(CaseResults one, string server, Spread figure, double most, double top, string baseline, bool ours)
    {
        double scale = most > 0 ? (Width - NamesWidth - LabelsWidth - Margin) / most : 0;
        double X(double value) => NamesWidth + (Math.Max(0, value) * scale);
        double middle = top + (BarHeight / 2.0);
        yield return Text(NamesWidth - 6, top + BarHeight - 3, server, "end", bold: false);
        yield return new XElement(
            Svg + "rect",
            new XAttribute("x", NamesWidth),
            new XAttribute("y", Invariant(top)),
            new XAttribute("width", Invariant(X(figure.Median) - NamesWidth)),
            new XAttribute("height", BarHeight),
            new XAttribute("fill", ours ? Ours : Theirs));

        // From the least to the most.
        yield return new XElement(
            Svg + "path",
            new XAttribute("d", string.Create(
                CultureInfo.InvariantCulture,
                $"M{X(figure.Least):F1} {middle:F1}H{X(figure.Most):F1}M{X(figure.Least):F1} {middle - 4:F1}v8M{X(figure.Most):F1} {middle - 4:F1}v8")),
            new XAttribute("stroke", Ink),
            new XAttribute("fill", "none"));

        string label = figure.Median.ToString("N0", CultureInfo.InvariantCulture);
        if (server != baseline && one.RatioOfMedians(server, baseline) is { } ratio)
        {
            label += string.Create(CultureInfo.InvariantCulture, $"  {ratio:F2} × less than {baseline}");
        }

        yield return Text(X(figure.Most) + 8, top + BarHeight - 3, label, "start", bold: false);
    }

    private static XElement Text(double x, double y, string text, string anchor, bool bold) => new(
        Svg + "text",
        new XAttribute("x", Invariant(x)),
        new XAttribute("y", Invariant(y)),
        new XAttribute("text-anchor", anchor),
        new XAttribute("fill", Ink),
        bold ? new XAttribute("font-weight", "bold") : null,
        text);

    private static string Invariant(double value) => value.ToString("F1", CultureInfo.InvariantCulture);
}
