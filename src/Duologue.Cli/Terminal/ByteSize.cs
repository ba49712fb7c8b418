using System.Globalization;

namespace Duologue.Cli.Terminal;

/// <summary>A number of bytes as people write it: <c>65536</c>, <c>64KiB</c>, <c>1.5MiB</c>, <c>2MB</c>.</summary>
internal readonly record struct ByteSize(int Bytes)
{
    private const long Kibi = 1024;
    private const long Kilo = 1000;

    private static readonly (string Name, long Factor)[] Units =
    [
        ("KiB", Kibi), ("MiB", Kibi * Kibi), ("GiB", Kibi * Kibi * Kibi), ("kB", Kilo), ("MB", Kilo * Kilo), ("GB", Kilo * Kilo * Kilo), ("B", 1),
    ];

    public static bool TryParse(string text, out ByteSize size)
    {
        size = default;
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        long factor = 1;
        foreach ((string name, long each) in Units)
        {
            if (rest.EndsWith(name, StringComparison.OrdinalIgnoreCase))
            {
                rest = rest[..^name.Length].TrimEnd();
                factor = each;
                break;
            }
        }

        if (!decimal.TryParse(rest, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
        {
            return false;
        }

        if (number > int.MaxValue || number * factor is not (>= 0 and <= int.MaxValue) || number * factor % 1 != 0)
        {
            return false;
        }

        size = new((int)(number * factor));
        return true;
    }

    public override string ToString() => Bytes switch
    {
        >= 1 << 20 when Bytes % (1 << 20) == 0 => $"{Bytes >> 20}MiB",
        >= 1 << 10 when Bytes % (1 << 10) == 0 => $"{Bytes >> 10}KiB",
        _ => Bytes.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>For people to read, rounded: <c>47 KiB</c>.</summary>
    public static string Describe(long bytes) => bytes switch
    {
        < 1 << 10 => $"{bytes} B",
        < 10 << 10 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:0.0} KiB"),
        < 1 << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:0} KiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0.0} MiB"),
    };
}
