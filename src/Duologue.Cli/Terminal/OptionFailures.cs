using Duologue.AspNetCore;
using Microsoft.Extensions.Options;

namespace Duologue.Cli.Terminal;

/// <summary>Says what the server finds wrong with its options in the words of the command line.</summary>
internal static class OptionFailures
{
    // Whatever else the command line can say is checked as it is read.
    private static readonly (string Property, string Option)[] Names =
    [
        (nameof(DuologueOptions.AllowedOrigins), "--allow-origin"),
        (nameof(DuologueEndpointOptions.Subprotocols), "--protocol"),
    ];

    public static string Say(OptionsValidationException failure) => string.Join(" ", failure.Failures.Select(Say));

    private static string Say(string failure)
    {
        foreach ((string property, string option) in Names)
        {
            // "Where: Property has …"; where that is, the user of a command line does not know.
            int at = failure.IndexOf(property, StringComparison.Ordinal);
            if (at >= 0)
            {
                return string.Concat(option, failure.AsSpan(at + property.Length));
            }
        }

        return failure;
    }
}
