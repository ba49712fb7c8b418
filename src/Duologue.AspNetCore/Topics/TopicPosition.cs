using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Duologue.AspNetCore;

/// <summary>
/// A place in a topic: behind the message with this offset. Its text form is a cursor; what is in a cursor is not for clients to know.
/// </summary>
/// <param name="Epoch">Which life of the topic: a topic that was forgotten and begins anew has another one. Positive.</param>
/// <param name="Offset">The number of the last message before this place. Messages have 1, 2, 3 and so on; 0 is before the first.</param>
public readonly record struct TopicPosition(long Epoch, long Offset)
{
    private const char Separator = '-';

    // 16 digits in hexadecimal, the separator, 19 in decimal.
    private const int MaxLength = 36;

    /// <summary>Reads a cursor.</summary>
    /// <param name="cursor">What <see cref="ToString"/> has written.</param>
    /// <param name="position">The position; default if there is none.</param>
    /// <returns>False if it is no cursor.</returns>
    public static bool TryParse([NotNullWhen(true)] string? cursor, out TopicPosition position)
    {
        position = default;
        int separator = cursor?.IndexOf(Separator, StringComparison.Ordinal) ?? -1;
        if (separator <= 0
            || cursor!.Length > MaxLength
            || !long.TryParse(cursor.AsSpan(0, separator), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long epoch)
            || !long.TryParse(cursor.AsSpan(separator + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long offset)
            || epoch <= 0)
        {
            return false;
        }

        position = new TopicPosition(epoch, offset);
        return true;
    }

    /// <summary>The cursor: printable ASCII that needs no escaping in a URL, at most 36 characters.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Epoch:x}{Separator}{Offset}");
}
