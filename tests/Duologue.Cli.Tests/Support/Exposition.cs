using System.Globalization;
using System.Text.RegularExpressions;

namespace Duologue.Cli.Tests.Support;

/// <summary>Prometheus' text format 0.0.4, read strictly: what does not fit fails the test.</summary>
internal sealed partial class Exposition
{
    private readonly Dictionary<string, (string Type, string? Help)> _families = [];
    private readonly List<(string Name, string Labels, double Value)> _samples = [];

    public IReadOnlyCollection<string> Families => _families.Keys;

    /// <summary>The sum of a sample over all label sets that contain this text.</summary>
    public double Sum(string name, string label = "") => _samples.Where(each => each.Name == name && each.Labels.Contains(label, StringComparison.Ordinal)).Sum(each => each.Value);

    public string TypeOf(string family) => _families[family].Type;

    public IEnumerable<(string Series, double Value)> Counters => _samples
        .Where(each => _families.TryGetValue(each.Name, out var family) && family.Type == "counter")
        .Select(each => (each.Name + each.Labels, each.Value));

    public static Exposition Parse(string text)
    {
        var result = new Exposition();
        var series = new HashSet<string>();
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        foreach (string line in text.Split('\n').SkipLast(1).Where(line => line.Length > 0 && line != "# EOF"))
        {
            if (TypeLine().Match(line) is { Success: true } type)
            {
                Assert.True(result._families.TryAdd(type.Groups[1].Value, (type.Groups[2].Value, null)), $"Twice: {line}");
            }
            else if (HelpLine().Match(line) is { Success: true } help)
            {
                string name = help.Groups[1].Value;
                result._families[name] = result._families.GetValueOrDefault(name) with { Help = help.Groups[2].Value };
            }
            else
            {
                Match sample = SampleLine().Match(line);
                Assert.True(sample.Success, $"No line of the format: {line}");
                Assert.True(series.Add(sample.Groups[1].Value + sample.Groups[2].Value), $"Twice: {line}");
                string number = sample.Groups[3].Value.Replace("Inf", "Infinity", StringComparison.Ordinal);
                result._samples.Add((sample.Groups[1].Value, sample.Groups[2].Value, double.Parse(number, CultureInfo.InvariantCulture)));
            }
        }

        result.Check();
        return result;
    }

    private void Check()
    {
        foreach ((string name, _, _) in _samples)
        {
            string family = Suffix().Replace(name, "");
            Assert.True(_families.ContainsKey(name) || (_families.TryGetValue(family, out var found) && found.Type == "histogram"), $"{name} has no TYPE.");
        }

        Assert.All(_families, family => Assert.False(string.IsNullOrEmpty(family.Value.Help), $"{family.Key} has no HELP."));
        Assert.All(_families.Where(family => family.Value.Type == "histogram"), family =>
            Assert.Equal(Sum(family.Key + "_count"), Sum(family.Key + "_bucket", "le=\"+Inf\"")));
    }

    [GeneratedRegex("^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$")]
    private static partial Regex TypeLine();

    [GeneratedRegex("^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$")]
    private static partial Regex HelpLine();

    [GeneratedRegex("""^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\[\\"n])*",?)*\})? (NaN|[+-]?Inf|[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(?: -?[0-9]+)?$""")]
    private static partial Regex SampleLine();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Suffix();
}
