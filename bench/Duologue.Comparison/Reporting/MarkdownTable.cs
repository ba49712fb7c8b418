using System.Globalization;
using System.Text;

namespace Duologue.Comparison;

/// <summary>results.md: all cases in one table, then each with its figures and their spread.</summary>
internal static class MarkdownTable
{
    private static readonly (string Figure, string Title, string Format)[] _load =
    [
        ("user_ns", "of it user mode", "N0"),
        ("p50_us", "p50, us", "N0"),
        ("p99_us", "p99, us", "N0"),
        ("p999_us", "p99.9, us", "N0"),
        ("mps", "per second", "N0"),
        ("gen_util", "generator's core", "P0"),
    ];

    private static readonly (string Figure, string Title, string Format)[] _idle =
    [
        ("pss_slope", "of it its own (PSS)", "N0"),
        ("rss_first", "bytes each up to there", "N0"),
        ("rss_none_kb", "KiB with none", "N0"),
        ("rss_all_kb", "KiB with all", "N0"),
    ];

    private static readonly (string Figure, string Title, string Format)[] _burst =
    [
        ("left_collected_kb", "after a collection", "N0"),
        ("rss_before_kb", "KiB before", "N0"),
        ("rss_full_kb", "KiB with all", "N0"),
    ];

    public static string Render(IReadOnlyList<CaseResults> results, string baseline, string about)
    {
        StringBuilder text = new();
        text.AppendLine(about);
        text.AppendLine();
        string[] servers = [.. results.SelectMany(one => one.Servers).Distinct()];
        text.AppendLine(CultureInfo.InvariantCulture, $"## Medians, and how many times less than {baseline}");
        text.AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"| | {string.Join(" | ", servers)} |");
        text.AppendLine(CultureInfo.InvariantCulture, $"|---|{string.Concat(servers.Select(_ => "---|"))}");
        foreach (CaseResults one in results)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"| {one.Case.Title}, {one.Case.FigureTitle} | {string.Join(" | ", servers.Select(server => Cell(one, server, baseline)))} |");
        }

        foreach (CaseResults one in results)
        {
            Append(text, one, baseline);
        }

        return text.ToString();
    }

    private static string Cell(CaseResults one, string server, string baseline) =>
        one.Of(server, one.Case.Figure) is not { } figure ? "–"
        : server == baseline || one.RatioOfMedians(server, baseline) is not { } ratio ? Number(figure.Median, "N0")
        : $"{Number(figure.Median, "N0")} ({Number(ratio, "F2")})";

    private static void Append(StringBuilder text, CaseResults one, string baseline)
    {
        var figures = one.Case.Kind switch { CaseKind.Idle => _idle, CaseKind.Burst => _burst, _ => _load };
        text.AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"### {one.Case.Title} (`{one.Case.Name}`)");
        text.AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"| | rounds | {one.Case.FigureTitle} | ratio of medians | ratio within a round | {string.Join(" | ", figures.Select(figure => figure.Title))} |");
        text.AppendLine(CultureInfo.InvariantCulture, $"|---|---|---|---|---|{string.Concat(figures.Select(_ => "---|"))}");
        foreach (string server in one.Servers)
        {
            bool compared = server != baseline;
            string ratio = compared && one.RatioOfMedians(server, baseline) is { } medians ? Number(medians, "F2") : "";
            string rounds = compared && one.RatioWithinRounds(server, baseline) is { } within ? Full(within, "F2") : "";
            Spread? main = one.Of(server, one.Case.Figure);
            string cells = string.Join(" | ", figures.Select(figure => one.Of(server, figure.Figure) is { } value ? Number(value.Median, figure.Format) : "–"));
            text.AppendLine(CultureInfo.InvariantCulture, $"| {server} | {main?.Count ?? 0} | {(main is { } spread ? Full(spread, "N0") : "–")} | {ratio} | {rounds} | {cells} |");
        }
    }

    private static string Full(Spread spread, string format) => $"{Number(spread.Median, format)} ({Number(spread.Least, format)} to {Number(spread.Most, format)})";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture).Replace(" %", "%", StringComparison.Ordinal);
}
