using System.Globalization;
using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Targets;

namespace Duologue.Fuzz;

/// <summary>What the command line asks for.</summary>
internal sealed record Arguments
{
    public const string Usage =
        """
        fuzz/run TARGET|all [--minutes M] [--seed N] [--save]   coverage-guided search, in process; stops at the first finding
        fuzz/run TARGET --afl [--minutes M]                     the same target under afl-fuzz (Debian: afl++)
        fuzz/run TARGET --input HEX [--times N]                 one input, and what it does
        fuzz/run list                                           the targets and what must hold
        --save writes the shortest inputs that reach what the search reached to fuzz/corpus.
        """;

    public required string Command { get; init; }

    public IReadOnlyList<FuzzTarget> Targets { get; init; } = [];

    public double Minutes { get; init; } = 1;

    public int Seed { get; init; } = Random.Shared.Next();

    public bool Save { get; init; }

    public byte[]? Input { get; init; }

    /// <summary>How often to run it: a race shows only now and then.</summary>
    public int Times { get; init; } = 1;

    /// <summary>A folder, where the command takes one.</summary>
    public string? Path { get; init; }

    /// <exception cref="FormatException">What is wrong, fit for the terminal.</exception>
    public static Arguments Parse(string[] args)
    {
        if (args.Length == 0)
        {
            throw new FormatException(Usage);
        }

        var parsed = new Arguments { Command = args[0] };
        if (args[0] is "run" or "afl-target" or "afl-seeds" or "last")
        {
            string name = args.Length > 1 ? args[1] : throw new FormatException(Usage);
            parsed = parsed with { Targets = name == "all" ? AllTargets.List : [AllTargets.Find(name) ?? throw new FormatException($"There is no target '{name}'. There are: {string.Join(", ", AllTargets.List.Select(t => t.Name))}.")] };
        }

        int first = parsed.Targets.Count > 0 ? 2 : 1;
        for (int i = first; i < args.Length; i++)
        {
            string option = args[i];
            if (option == "--save")
            {
                parsed = parsed with { Save = true };
                continue;
            }

            if (!option.StartsWith("--", StringComparison.Ordinal))
            {
                parsed = parsed with { Path = option };
                continue;
            }

            string value = ++i < args.Length ? args[i] : throw new FormatException($"{option} needs a value.");
            parsed = option switch
            {
                "--minutes" => parsed with { Minutes = double.Parse(value, CultureInfo.InvariantCulture) },
                "--seed" => parsed with { Seed = int.Parse(value, CultureInfo.InvariantCulture) },
                "--times" => parsed with { Times = int.Parse(value, CultureInfo.InvariantCulture) },
                "--input" => parsed with { Input = Convert.FromHexString(value) },
                _ => throw new FormatException($"There is no option {option}.\n{Usage}"),
            };
        }

        return parsed;
    }
}
