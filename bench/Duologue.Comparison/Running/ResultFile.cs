using System.Globalization;

namespace Duologue.Comparison;

/// <summary>One measurement: a case, a server, a round.</summary>
internal sealed record Measurement(string Case, string Server, int Round, IReadOnlyDictionary<string, double> Figures);

/// <summary>
/// results.csv: a line for each measurement, written when it is made, so that a run that was cut short goes on where it ended.
/// </summary>
internal sealed class ResultFile
{
    // As generators name them; what one does not tell stays empty.
    private static readonly string[] _figures =
    [
        "mps", "cpu_ns", "user_ns", "sys_ns", "srv_util", "gen_ns", "gen_util", "p50_us", "p90_us", "p99_us", "p999_us", "max_us", "missing",
        "rss_none_kb", "rss_from_kb", "rss_all_kb", "rss_first", "rss_slope", "pss_slope", "collected",
        "rss_before_kb", "rss_full_kb", "rss_after_kb", "rss_collected_kb", "left_kb", "left_collected_kb",
    ];

    private readonly string _path;
    private readonly IReadOnlyList<string> _columns;
    private readonly List<Measurement> _measurements = [];

    public ResultFile(string path)
        : this(path, _figures)
    {
    }

    /// <param name="columns">The names of the figures that are kept.</param>
    public ResultFile(string path, IReadOnlyList<string> columns)
    {
        (_path, _columns) = (path, columns);
        string header = "case,server,round," + string.Join(',', columns);
        if (!File.Exists(path))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, header + "\n");
            return;
        }

        string[] lines = File.ReadAllLines(path);
        if (lines.FirstOrDefault() != header)
        {
            throw new RunException($"{path} is not of this version; take it away or name another folder by --out.");
        }

        _measurements.AddRange(lines.Skip(1).Where(line => line.Length > 0).Select(Parse));
    }

    public IReadOnlyList<Measurement> Measurements => _measurements;

    public bool Has(string name, string server, int round) =>
        _measurements.Any(measurement => measurement.Case == name && measurement.Server == server && measurement.Round == round);

    public void Add(Measurement measurement)
    {
        _measurements.Add(measurement);
        string[] cells =
        [
            measurement.Case, measurement.Server, measurement.Round.ToString(CultureInfo.InvariantCulture),
            .. _columns.Select(figure => measurement.Figures.TryGetValue(figure, out double value) ? value.ToString(CultureInfo.InvariantCulture) : ""),
        ];
        File.AppendAllText(_path, string.Join(',', cells) + "\n");
    }

    private Measurement Parse(string line)
    {
        string[] cells = line.Split(',');
        var figures = _columns.Zip(cells.Skip(3)).Where(pair => pair.Second.Length > 0)
            .ToDictionary(pair => pair.First, pair => double.Parse(pair.Second, CultureInfo.InvariantCulture));
        return new Measurement(cells[0], cells[1], int.Parse(cells[2], CultureInfo.InvariantCulture), figures);
    }
}
