using System.Globalization;
using System.Text;

namespace Duologue.LoadGenerator;

/// <summary>The figures of one load, by name; names end in their unit where they have one.</summary>
internal sealed class LoadResult(string mode)
{
    private readonly List<(string Name, double Value, int Digits)> _figures = [];

    public string Mode => mode;

    public double this[string name] => _figures.Single(figure => figure.Name == name).Value;

    public LoadResult Add(string name, double value, int digits)
    {
        _figures.Add((name, value, digits));
        return this;
    }

    /// <summary>On one line.</summary>
    public string ToJson()
    {
        StringBuilder json = new($"{{\"mode\":\"{mode}\"");
        foreach ((string name, double value, int digits) in _figures)
        {
            json.Append(CultureInfo.InvariantCulture, $",\"{name}\":{Math.Round(value, digits)}");
        }

        return json.Append('}').ToString();
    }

    public string ToText()
    {
        StringBuilder text = new($"{mode}\n");
        foreach ((string name, double value, int digits) in _figures)
        {
            text.Append(CultureInfo.InvariantCulture, $"  {name,-14} {value.ToString("N" + digits, CultureInfo.InvariantCulture),16}\n");
        }

        return text.ToString();
    }
}
