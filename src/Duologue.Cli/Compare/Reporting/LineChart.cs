using System.Globalization;
using System.Text;

namespace Duologue.Cli.Compare.Reporting;

/// <summary>Curves of the ways over something; each is named where it ends.</summary>
/// <param name="XName">What goes to the right; logarithmic.</param>
/// <param name="YName">What goes up.</param>
/// <param name="IsYLogarithmic">Whether that is logarithmic, too; otherwise it goes from 0 to 1, in percent.</param>
/// <param name="ShowX">Writes a value of the first.</param>
/// <param name="ShowY">Writes a value of the second.</param>
internal sealed record LineChart(string XName, string YName, bool IsYLogarithmic, Func<double, string> ShowX, Func<double, string> ShowY)
{
    private const double Width = 860;
    private const double Height = 340;
    private const double Left = 74;
    private const double Right = 150;
    private const double Top = 26;
    private const double Bottom = 46;
    private const double LabelStep = 16;

    /// <summary>Draws it; a curve is a way and its points, from left to right.</summary>
    public string Render(string description, IReadOnlyList<(Way Way, (double X, double Y)[] Points)> curves)
    {
        (double X, double Y)[] all = [.. curves.SelectMany(curve => curve.Points)];
        if (all.Length == 0)
        {
            return "";
        }

        Scale horizontal = Scale.Logarithmic(all.Min(point => point.X), all.Max(point => point.X), Left, Width - Right, isWhole: false);
        Scale vertical = IsYLogarithmic ? Scale.Logarithmic(all.Min(point => point.Y), all.Max(point => point.Y), Height - Bottom, Top, isWhole: true) : Scale.Linear(Height - Bottom, Top);
        var content = new StringBuilder();
        foreach (double tick in vertical.Ticks)
        {
            string y = ChartStyle.Number(vertical.At(tick));
            content.Append(CultureInfo.InvariantCulture, $"""<line class="grid" x1="{Left}" x2="{Width - Right}" y1="{y}" y2="{y}"/><text x="{Left - 8}" y="{ChartStyle.Number(vertical.At(tick) + 4)}" text-anchor="end">{ChartStyle.Text(ShowY(tick))}</text>""");
        }

        foreach (double tick in horizontal.Ticks)
        {
            string x = ChartStyle.Number(horizontal.At(tick));
            content.Append(CultureInfo.InvariantCulture, $"""<line class="grid" x1="{x}" x2="{x}" y1="{Height - Bottom}" y2="{Height - Bottom + 5}"/><text x="{x}" y="{Height - Bottom + 19}" text-anchor="middle">{ChartStyle.Text(ShowX(tick))}</text>""");
        }

        content.Append(CultureInfo.InvariantCulture, $"""<text x="{ChartStyle.Number((Left + Width - Right) / 2)}" y="{Height - 6}" text-anchor="middle">{ChartStyle.Text(XName)}</text><text x="0" y="12">{ChartStyle.Text(YName)}</text>""");
        foreach ((Way way, (double X, double Y)[] points) in curves)
        {
            string path = string.Join(' ', points.Select(point => $"{ChartStyle.Number(horizontal.At(point.X))},{ChartStyle.Number(vertical.At(point.Y))}"));
            content.Append(CultureInfo.InvariantCulture, $"""<polyline class="curve w{(int)way}" points="{path}"/>""");
            foreach ((double x, double y) in points.Length <= 12 ? points : [points[^1]])
            {
                content.Append(ChartStyle.Mark(way, horizontal.At(x), vertical.At(y)));
            }
        }

        AppendNames(content, curves, horizontal, vertical);
        return ChartStyle.Wrap(Width, Height, description, content.ToString(), standsAlone: false);
    }

    // A name stands at the right, as high as its curve ends, but for those that would lie on each other.
    private static void AppendNames(StringBuilder content, IReadOnlyList<(Way Way, (double X, double Y)[] Points)> curves, Scale horizontal, Scale vertical)
    {
        // Where all curves end at the top, they are told apart by where they come up: in the order of their middles.
        var ends = curves.Where(curve => curve.Points.Length > 0)
            .OrderBy(curve => vertical.At(curve.Points[^1].Y)).ThenBy(curve => horizontal.At(curve.Points[curve.Points.Length / 2].X)).ToArray();
        double next = Top;
        foreach ((Way way, (double X, double Y)[] points) in ends)
        {
            double y = Math.Max(next, vertical.At(points[^1].Y) + 4);
            next = y + LabelStep;
            content.Append(ChartStyle.Mark(way, Width - Right + 14, y - 4));
            content.Append(CultureInfo.InvariantCulture, $"""<text class="f{(int)way}" x="{Width - Right + 25}" y="{ChartStyle.Number(y)}">{ChartStyle.Text(way.Title())}</text>""");
        }
    }

    /// <summary>Where values lie on the paper.</summary>
    private sealed record Scale(Func<double, double> At, IReadOnlyList<double> Ticks)
    {
        private const int MaxDecades = 12;

        public static Scale Linear(double from, double to) => new(value => from + ((to - from) * value), [0, 0.25, 0.5, 0.75, 1]);

        public static Scale Logarithmic(double least, double most, double from, double to, bool isWhole)
        {
            least = Math.Max(least, 1e-3);
            most = Math.Max(most, least * 1.01);
            double low = Math.Log10(least);
            double high = Math.Log10(most);
            if (isWhole)
            {
                // From one line of the grid to another, so that a curve does not seem to begin at nothing.
                (low, high) = (RoundDown(low), -RoundDown(-high));
            }

            double[] decades = [.. Enumerable.Range((int)Math.Floor(low), MaxDecades).Select(power => Math.Pow(10, power))];
            double[] steps = high - low > 2 ? [1] : [1, 2, 5];
            double[] ticks = [.. decades.SelectMany(decade => steps.Select(step => step * decade)).Where(tick => Math.Log10(tick) >= low - 1e-9 && Math.Log10(tick) <= high + 1e-9)];
            double bottom = Math.Pow(10, low);
            return new(value => from + ((to - from) * (Math.Log10(Math.Max(value, bottom)) - low) / (high - low)), ticks);
        }

        // To a third of a decade: 1, 2, 5 and so on lie about there.
        private static double RoundDown(double power) => Math.Floor((power * 3) + 1e-9) / 3;
    }
}
