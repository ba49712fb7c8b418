using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Duologue.Cli.Terminal;

/// <summary>Options whose values are read, checked and shown in the same way in all commands.</summary>
internal static class CliOption
{
    private static readonly TimeSpan LongestFinite = TimeSpan.FromDays(1);

    public static Option<T> Create<T>(string name, string valueName, string description) => new(name) { Description = description, HelpName = valueName };

    public static Option<bool> Switch(string name, string description) => new(name) { Description = description };

    public static Option<int> Count(string name, string description, int byDefault) => Count(name, description, byDefault, 0, int.MaxValue);

    public static Option<int> Count(string name, string description, int byDefault, int least, int most) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => byDefault,
        CustomParser = result => int.TryParse(Single(result), NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count >= least && count <= most
            ? count
            : Error<int>(result, $"{name} takes a whole number from {least}{(most == int.MaxValue ? "" : $" to {most}")}; it was given \"{Single(result)}\"."),
    };

    /// <summary>A size without a default of its own: its description names what holds then.</summary>
    public static Option<ByteSize?> Size(string name, string description) => Size(name, description, 1);

    /// <inheritdoc cref="Size(string, string)"/>
    public static Option<ByteSize?> Size(string name, string description, int least) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = result => ByteSize.TryParse(Single(result), out ByteSize size) && size.Bytes >= least
            ? size
            : Error<ByteSize?>(result, $"{name} takes a number of bytes from {least}, perhaps with a unit, such as 65536, 64KiB or 64MiB, below 2GiB; it was given \"{Single(result)}\"."),
    };

    /// <summary>How to compress.</summary>
    public static Option<Compression> Compression(string name, string description) => new(name)
    {
        Description = $"{description} One of off, shared, dedicated, dedicated:9 to dedicated:15.",
        HelpName = "MODE",
        DefaultValueFactory = _ => Duologue.Compression.Off,
        CustomParser = result => Duologue.Compression.TryParse(Single(result), out Compression mode)
            ? mode
            : Error<Compression>(result, $"{name} takes off, shared, dedicated, or dedicated with window bits from dedicated:9 to dedicated:15; it was given \"{Single(result)}\"."),
    };

    /// <summary>A positive time, or none.</summary>
    public static Option<Duration> Time(string name, string description, TimeSpan byDefault) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        DefaultValueFactory = _ => new Duration(byDefault),
        CustomParser = result => Duration.TryParse(Single(result), out Duration duration) && duration.Value != TimeSpan.Zero
            ? duration
            : Error<Duration>(result, NoTime(name, Single(result))),
    };

    /// <summary>A time that ends, perhaps at once.</summary>
    public static Option<Duration> FiniteTime(string name, string description, TimeSpan byDefault) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        DefaultValueFactory = _ => new Duration(byDefault),
        CustomParser = result => Duration.TryParse(Single(result), out Duration duration) && duration.Value >= TimeSpan.Zero && duration.Value <= LongestFinite
            ? duration
            : Error<Duration>(result, $"{name} takes a time with its unit, such as 500ms, 20s, 5m or 1h, at most {new Duration(LongestFinite)}; it was given \"{Single(result)}\"."),
    };

    /// <summary>A time that may be left out, or written without its value.</summary>
    public static Option<Duration?> OptionalTime(string name, string description, Duration? withoutValue) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        Arity = withoutValue is null ? ArgumentArity.ExactlyOne : ArgumentArity.ZeroOrOne,
        CustomParser = result => result.Tokens.Count == 0
            ? withoutValue
            : Duration.TryParse(Single(result), out Duration duration) && duration.Value != TimeSpan.Zero
                ? duration
                : Error<Duration?>(result, NoTime(name, Single(result))),
    };

    public static Option<T> Choice<T>(string name, string description, T byDefault)
        where T : struct, Enum => new(name)
        {
            Description = $"{description} One of {string.Join(", ", Enum.GetNames<T>())}.",
            HelpName = "NAME",
            DefaultValueFactory = _ => byDefault,
            CustomParser = result => Enum.TryParse(Single(result), ignoreCase: true, out T value) && Enum.IsDefined(value) && !char.IsAsciiDigit(Single(result)[0])
                ? value
                : Error<T>(result, $"{name} takes one of {string.Join(", ", Enum.GetNames<T>())}; it was given \"{Single(result)}\"."),
        };

    /// <summary>A choice among words of its own.</summary>
    public static Option<string> Word(string name, string description, string byDefault, params string[] words) => new(name)
    {
        Description = $"{description} One of {string.Join(", ", words)}.",
        HelpName = "NAME",
        DefaultValueFactory = _ => byDefault,
        CustomParser = result => words.FirstOrDefault(word => word.Equals(Single(result), StringComparison.OrdinalIgnoreCase))
            ?? Error<string>(result, $"{name} takes one of {string.Join(", ", words)}; it was given \"{Single(result)}\"."),
    };

    /// <summary>A name as it stands in ids and on wires: the server's own rule for the names of nodes.</summary>
    public static Option<string?> NodeName(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "NAME",
        CustomParser = result => Single(result) is { Length: >= 1 and <= 64 } given && given.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
            ? given
            : Error<string?>(result, $"{name} takes 1 to 64 letters, digits, hyphens and underscores; it was given \"{Single(result)}\"."),
    };

    private static string NoTime(string name, string given) =>
        $"{name} takes a time above 0 with its unit, such as 500ms, 20s, 5m or 1h, at most 49 days, or none; it was given \"{given}\".";

    private static string Single(ArgumentResult result) => result.Tokens.Count == 0 ? "" : result.Tokens[0].Value;

    private static T Error<T>(ArgumentResult result, string message)
    {
        result.AddError(message);
        return default!;
    }
}
