using System.CommandLine;
using System.CommandLine.Parsing;

namespace Duologue.Cli.Terminal;

/// <summary>What stands on a command line and is neither a command nor an option, with what was probably meant.</summary>
internal static class TypingErrors
{
    /// <summary>A sentence for each. They come before all else that is wrong, which may only follow from them.</summary>
    public static IEnumerable<string> Find(ParseResult result)
    {
        string[] known = [.. Names(result.CommandResult.Command)];

        // An option takes the next one for its value, and what stands behind that is left over.
        foreach (OptionResult option in result.CommandResult.Children.OfType<OptionResult>())
        {
            foreach (string value in option.Tokens.Select(static token => token.Value).Intersect(known))
            {
                yield return $"{option.Option.Name} needs a value; {value} stands in its place.";
                yield break;
            }
        }

        bool followsOption = false;
        foreach (string given in result.UnmatchedTokens)
        {
            bool isOption = given.StartsWith('-');
            // What stands behind an unknown option is its value, and nothing more is to be said of it.
            if (isOption || !followsOption)
            {
                string kind = isOption ? "an option" : result.CommandResult.Command is RootCommand ? "a command" : "an argument";
                yield return $"\"{given}\" is not {kind} here.{(Nearest(given, known) is { } meant ? $" Did you mean {meant}?" : "")}";
            }

            followsOption = isOption;
        }
    }

    private static IEnumerable<string> Names(Command command) => command.Options.Where(static option => !option.Hidden).Select(static option => option.Name)
        .Concat(command.Subcommands.Where(static sub => !sub.Hidden).Select(static sub => sub.Name));

    // One slip in three letters may be a slip; more is another word.
    private static string? Nearest(string given, string[] known)
    {
        string? nearest = known.MinBy(name => Distance(given, name));
        return nearest is not null && Distance(given, nearest) <= nearest.Trim('-').Length / 3 ? nearest : null;
    }

    /// <summary>How many letters have to be put in, taken out or changed (Levenshtein).</summary>
    private static int Distance(string from, string to)
    {
        int[] row = [.. Enumerable.Range(0, to.Length + 1)];
        for (int i = 1; i <= from.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int changed = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(changed, Math.Min(diagonal, row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
