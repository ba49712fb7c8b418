using System.Globalization;
using System.IO.Enumeration;

namespace Duologue.Backplane;

/// <summary>What a run does.</summary>
internal sealed record BackplaneOptions
{
    public const string Usage = """
        usage: bench/backplane/run [options]
          --shapes NAME,NAME      of the loads (all but scale-* and *-deep), with * and ?
          --contenders NAME,NAME  signalr, duologue, duologue-loop (all)
          --rounds N              of all of them (10)
          --seconds S             that each is measured for, in each round (2)
          --warmup S              of each, once, at the start (20)
          --budget S              ends in time, with exit code 3: started again, it goes on where it ended
          --listeners N           that hear of all publishes beside the nodes, as more nodes would: what each costs Redis
          --aof                   Redis writes down what it is told
          --out DIR               results.csv and results.md (artifacts/bench/backplane)
          --no-build
        or   bench/backplane/run scale [--help]
        or   bench/backplane/run faults [--contenders NAME,NAME] [--only NAME,NAME] [--out DIR]
        """;

    public IReadOnlyList<LoadShape> Shapes { get; init; } = LoadShape.Known;

    public IReadOnlyList<Contender> Contenders { get; init; } = Contender.All;

    public IReadOnlyList<string> Only { get; init; } = ["*"];

    public int Rounds { get; init; } = 10;

    public double Seconds { get; init; } = 2;

    public double Warmup { get; init; } = 20;

    public double Budget { get; init; } = double.MaxValue;

    public int Listeners { get; init; }

    public bool AppendOnly { get; init; }

    public string Out { get; init; } = Path.Combine("artifacts", "bench", "backplane");

    /// <summary>Null if the arguments make no sense.</summary>
    public static BackplaneOptions? Parse(ReadOnlySpan<string> args)
    {
        BackplaneOptions options = new();
        for (int i = 0; i < args.Length; i++)
        {
            string name = args[i];
            if (name is "--no-build")
            {
                continue;
            }

            if (name is "--aof")
            {
                options = options with { AppendOnly = true };
                continue;
            }

            if (++i >= args.Length || options.With(name, args[i]) is not { } more)
            {
                return null;
            }

            options = more;
        }

        return options;
    }

    private BackplaneOptions? With(string name, string value)
    {
        string[] names = value.Split(',');
        return name switch
        {
            "--shapes" when Select(LoadShape.All, shape => shape.Name, names) is { Count: > 0 } shapes => this with { Shapes = shapes },
            "--contenders" when Select(Contender.All, contender => contender.Name, names) is { Count: > 0 } contenders => this with { Contenders = contenders },
            "--only" => this with { Only = names },
            "--out" => this with { Out = value },
            "--rounds" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int rounds) => this with { Rounds = rounds },
            "--listeners" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int listeners) && listeners <= 1_000 => this with { Listeners = listeners },
            "--seconds" when TrySeconds(value, out double seconds) && seconds > 0 => this with { Seconds = seconds },
            "--warmup" when TrySeconds(value, out double warmup) => this with { Warmup = warmup },
            "--budget" when TrySeconds(value, out double budget) => this with { Budget = budget },
            _ => null,
        };
    }

    public static IReadOnlyList<T> Select<T>(IEnumerable<T> all, Func<T, string> nameOf, IReadOnlyList<string> patterns) =>
        [.. all.Where(one => patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, nameOf(one))))];

    private static bool TrySeconds(string text, out double seconds) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out seconds) && seconds <= 3600;
}
