namespace Duologue.Comparison;

/// <summary>Median and spread of some values.</summary>
internal readonly record struct Spread(double Least, double Median, double Most, int Count)
{
    /// <summary>Null of none.</summary>
    public static Spread? Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
        {
            return null;
        }

        int middle = sorted.Length / 2;
        double median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(sorted[0], median, sorted[^1], sorted.Length);
    }
}

/// <summary>What was measured of one case.</summary>
internal sealed class CaseResults(BenchCase one, IReadOnlyList<Measurement> measurements)
{
    public BenchCase Case => one;

    /// <summary>In the order in which they were first measured.</summary>
    public IReadOnlyList<string> Servers { get; } = [.. measurements.Select(measurement => measurement.Server).Distinct()];

    public Spread? Of(string server, string figure) => Spread.Of(Values(server, figure).Values);

    /// <summary>How many times less a server needs than the baseline, by medians: above 1 it needs less.</summary>
    public double? RatioOfMedians(string server, string baseline) => Of(baseline, one.Figure)?.Median / Of(server, one.Figure)?.Median;

    /// <summary>The same within each round that has both.</summary>
    public Spread? RatioWithinRounds(string server, string baseline)
    {
        Dictionary<int, double> ours = Values(server, one.Figure);
        return Spread.Of(Values(baseline, one.Figure).Where(pair => ours.ContainsKey(pair.Key)).Select(pair => pair.Value / ours[pair.Key]));
    }

    private Dictionary<int, double> Values(string server, string figure) => measurements
        .Where(measurement => measurement.Server == server && measurement.Figures.ContainsKey(figure))
        .ToDictionary(measurement => measurement.Round, measurement => measurement.Figures[figure]);
}
