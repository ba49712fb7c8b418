using System.Globalization;
using System.Text;
using Duologue.Comparison;

namespace Duologue.Backplane;

/// <summary>results.md: each shape's medians and spread, beside SignalR by medians and within the rounds.</summary>
internal static class PairTable
{
    // What is better where it is larger has the ratio the other way round: above 1 Duologue is always the better.
    private static readonly (string Figure, string Title, int Digits, double Scale, bool LargerIsBetter)[] Rows =
    [
        ("cpu_ns", "node CPU per delivery, µs", 2, 1e-3, false),
        ("user_ns", "of it user mode, µs", 2, 1e-3, false),
        ("mps", "deliveries per second", 0, 1, true),
        ("per_core", "deliveries per second and core", 0, 1, true),
        ("p50_us", "publish to receive across nodes, p50, ms", 2, 1e-3, false),
        ("p99_us", "the same, p99, ms", 2, 1e-3, false),
        ("segments", "TCP segments from the nodes per delivery", 2, 1, false),
        ("redis_ns", "Redis CPU per publish, µs", 1, 1e-3, false),
    ];

    public static string Render(IReadOnlyList<Measurement> measurements, IEnumerable<LoadShape> shapes, IReadOnlyList<Contender> contenders, string about)
    {
        StringBuilder text = new(about + "\n");
        foreach (LoadShape shape in shapes)
        {
            Measurement[] own = [.. measurements.Where(measurement => measurement.Case == shape.Name)];
            if (own.Length == 0)
            {
                continue;
            }

            text.Append(CultureInfo.InvariantCulture, $"\n### {shape.Name}: {shape.Title}\n\n| | {Contender.SignalR.Title} |");
            Contender[] others = [.. contenders.Where(contender => contender != Contender.SignalR)];
            text.AppendJoin("", others.Select(other => $" {other.Title} | ratio of medians | ratio within a round |")).Append("\n|---|---|");
            text.AppendJoin("", others.Select(_ => "---|---|---|")).Append('\n');
            foreach (var row in Rows.Where(row => row.Figure != "mps" || shape.Rate == 0))
            {
                text.Append(CultureInfo.InvariantCulture, $"| {row.Title} | {Cell(own, Contender.SignalR, row)} |");
                foreach (Contender other in others)
                {
                    text.Append(CultureInfo.InvariantCulture, $" {Cell(own, other, row)} | {Ratios(own, other, row)} |");
                }

                text.Append('\n');
            }

            text.Append(CultureInfo.InvariantCulture, $"\nDeliveries that did not come: {own.Sum(measurement => measurement.Figures["missing"]):N0}. Rounds: {own.Max(measurement => measurement.Round)}.\n");
        }

        return text.ToString();
    }

    private static string Cell(Measurement[] own, Contender contender, (string Figure, string Title, int Digits, double Scale, bool) row) =>
        Spread.Of(Values(own, contender, row.Figure).Values) is { } spread
            ? $"{Number(spread.Median * row.Scale, row.Digits)} ({Number(spread.Least * row.Scale, row.Digits)} to {Number(spread.Most * row.Scale, row.Digits)})"
            : "";

    private static string Ratios(Measurement[] own, Contender other, (string Figure, string, int, double, bool LargerIsBetter) row)
    {
        Dictionary<int, double> theirs = Values(own, Contender.SignalR, row.Figure);
        Dictionary<int, double> ours = Values(own, other, row.Figure);
        double Ratio(double their, double our) => row.LargerIsBetter ? our / their : their / our;
        return Spread.Of(theirs.Values) is { } a && Spread.Of(ours.Values) is { } b
            && Spread.Of(theirs.Where(pair => ours.ContainsKey(pair.Key)).Select(pair => Ratio(pair.Value, ours[pair.Key]))) is { } within
            ? $"{Number(Ratio(a.Median, b.Median), 2)} | {Number(within.Median, 2)} ({Number(within.Least, 2)} to {Number(within.Most, 2)})"
            : " | ";
    }

    private static Dictionary<int, double> Values(IEnumerable<Measurement> own, Contender contender, string figure) => own
        .Where(measurement => measurement.Server == contender.Name)
        .ToDictionary(measurement => measurement.Round, measurement => figure == "per_core" ? 1e9 / measurement.Figures["cpu_ns"] : measurement.Figures[figure]);

    private static string Number(double value, int digits) => value.ToString("N" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
