using System.Globalization;
using System.Text;

namespace Duologue.LoadGenerator;

/// <summary>Renders what bench/echo/run wrote: medians, spread, and ratios of System.Net.WebSockets to Duologue.</summary>
internal static class ResultTable
{
    private static readonly (string Column, string Title)[] _measures =
    [
        ("cpu_ns", "CPU, ns per message"),
        ("user_ns", "of it user mode"),
        ("sys_ns", "of it system"),
        ("mps", "messages per second"),
        ("p50_us", "round trip p50, us"),
        ("p99_us", "round trip p99, us"),
    ];

    public static string Render(string[] lines)
    {
        string[] columns = lines[0].Split(',');
        var rows = lines.Skip(1).Where(line => line.Length > 0).Select(line => line.Split(',')).ToArray();
        string Cell(string[] row, string column) => row[Array.IndexOf(columns, column)];

        StringBuilder table = new();
        foreach (var scenario in rows.GroupBy(row => (Size: Cell(row, "size"), Style: Cell(row, "style"), Scheduling: Cell(row, "scheduling"))))
        {
            double[] Values(string engine, string column) =>
                [.. scenario.Where(row => Cell(row, "engine") == engine).Select(row => double.Parse(Cell(row, column), CultureInfo.InvariantCulture))];

            int pairs = Values("duologue", "cpu_ns").Length;
            table.AppendLine(CultureInfo.InvariantCulture, $"### {scenario.Key.Size} bytes, {scenario.Key.Scheduling} scheduling, handler {scenario.Key.Style}, {pairs} pairs");
            table.AppendLine();
            table.AppendLine("| | System.Net.WebSockets | Duologue | ratio of medians | ratio within a pair |");
            table.AppendLine("|---|---|---|---|---|");
            foreach (var (column, title) in _measures)
            {
                double[] theirs = Values("system", column);
                double[] ours = Values("duologue", column);
                double[] ratios = [.. theirs.Zip(ours, (their, our) => their / our)];
                table.AppendLine(
                    CultureInfo.InvariantCulture,
                    $"| {title} | {Spread(theirs, "N0")} | {Spread(ours, "N0")} | {Median(theirs) / Median(ours):F2} | {Spread(ratios, "F2")} |");
            }

            table.AppendLine();
        }

        return table.ToString();
    }

    private static string Spread(double[] values, string format) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Median(values).ToString(format, CultureInfo.InvariantCulture)} ({values.Min().ToString(format, CultureInfo.InvariantCulture)} to {values.Max().ToString(format, CultureInfo.InvariantCulture)})");

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
