using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Duologue.AspNetCore;

/// <summary>What an idempotency key may be.</summary>
internal static class IdempotencyKey
{
    public const int MaxLength = 64;

    public const string Rule = "An idempotency key has 1 to 64 characters of visible ASCII, such as a UUID.";

    // Without the quotation mark and the backslash, so that a key is the same text in a header, in quotation marks and in JSON.
    private static readonly SearchValues<char> Allowed = SearchValues.Create(
        [.. Enumerable.Range('!', '~' - '!' + 1).Select(code => (char)code).Where(c => c is not ('"' or '\\'))]);

    public static bool IsValid([NotNullWhen(true)] string? key) =>
        key is { Length: > 0 and <= MaxLength } && !key.AsSpan().ContainsAnyExcept(Allowed);

    /// <exception cref="ArgumentException">The key breaks the rule.</exception>
    public static void Check(string key, [CallerArgumentExpression(nameof(key))] string? parameter = null)
    {
        ArgumentNullException.ThrowIfNull(key, parameter);
        if (!IsValid(key))
        {
            throw new ArgumentException(Rule, parameter);
        }
    }
}
