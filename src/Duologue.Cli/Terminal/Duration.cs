using System.Globalization;

namespace Duologue.Cli.Terminal;

/// <summary>A span of time as people write it: <c>500ms</c>, <c>20s</c>, <c>1.5m</c>, <c>1h</c>, or <c>none</c> for no end.</summary>
internal readonly record struct Duration(TimeSpan Value)
{
    private const string None = "none";

    // What a timer of .NET takes; the libraries below check the same bound.
    private const double LongestMilliseconds = uint.MaxValue - 1;

    private static readonly (string Name, double Milliseconds)[] Units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

    public static Duration Infinite { get; } = new(Timeout.InfiniteTimeSpan);

    public static bool TryParse(string text, out Duration duration)
    {
        duration = default;
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        if (rest.Equals(None, StringComparison.OrdinalIgnoreCase))
        {
            duration = Infinite;
            return true;
        }

        foreach ((string name, double each) in Units)
        {
            if (rest.EndsWith(name, StringComparison.OrdinalIgnoreCase)
                && double.TryParse(rest[..^name.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number))
            {
                double milliseconds = number * each;
                if (milliseconds > LongestMilliseconds)
                {
                    return false;
                }

                duration = new(TimeSpan.FromMilliseconds(milliseconds));
                return true;
            }
        }

        return false;
    }

    public override string ToString()
    {
        if (Value == Timeout.InfiniteTimeSpan)
        {
            return None;
        }

        double milliseconds = Value.TotalMilliseconds;
        for (int i = Units.Length - 1; i > 0; i--)
        {
            if (milliseconds >= Units[i].Milliseconds && milliseconds % Units[i].Milliseconds == 0)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{milliseconds / Units[i].Milliseconds}{Units[i].Name}");
            }
        }

        return string.Create(CultureInfo.InvariantCulture, $"{milliseconds}ms");
    }
}
