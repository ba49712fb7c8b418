using System.Globalization;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Compare;

/// <summary>Numbers as they are shown: three digits, and a unit that a person reads.</summary>
internal static class Figure
{
    public static string Milliseconds(double value) => value >= 1000 ? $"{Number(value / 1000)} s" : $"{Number(value)} ms";

    public static string Microseconds(double value) => value >= 1000 ? $"{Number(value / 1000)} ms" : $"{Number(value)} µs";

    public static string Bytes(double value) => Math.Abs(value) switch
    {
        >= 1024 * 1024 => $"{Number(value / 1024 / 1024)} MiB",
        >= 1024 => $"{Number(value / 1024)} KiB",
        _ => $"{Number(value)} B",
    };

    public static string Number(double value) => value.ToString(
        Math.Abs(value) switch
        {
            0 => "0",
            < 0.01 => "0.####",
            < 1 => "0.###",
            < 10 => "0.##",
            < 100 => "0.#",
            _ => "#,0",
        },
        CultureInfo.InvariantCulture);

    public static string Count(double value, string noun) => Plural.Of(Number(value), noun);

    public static string Rate(double rate) => Plural.Of(rate.ToString("0.###", CultureInfo.InvariantCulture), "message") + " a second";

    public static string Time(TimeSpan time) => time >= TimeSpan.FromMinutes(1)
        ? string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes} min {time.Seconds} s")
        : string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalSeconds)} s");
}
