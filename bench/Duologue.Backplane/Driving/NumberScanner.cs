using System.Globalization;

namespace Duologue.Backplane;

/// <summary>
/// Finds the numbers of messages in what a server sends, whatever it wraps them in: each text begins with <c>^</c>, eight digits and <c>^</c>. It costs the client next to nothing, and the same for all servers.
/// </summary>
internal struct NumberScanner
{
    public const int Length = 10;

    private const byte Mark = (byte)'^';

    private byte[]? _rest;

    /// <summary>A text of so many characters, with its number.</summary>
    public static string Text(long number, int length) =>
        string.Create(CultureInfo.InvariantCulture, $"^{number:00000000}^").PadRight(length, 'x');

    /// <summary>Calls back for each number that these bytes complete.</summary>
    public void Feed<T>(ReadOnlySpan<byte> bytes, T handler)
        where T : struct, INumberHandler
    {
        if (_rest is { } rest)
        {
            _rest = null;
            byte[] joined = [.. rest, .. bytes];
            bytes = joined;
        }

        int at;
        while ((at = bytes.IndexOf(Mark)) >= 0)
        {
            bytes = bytes[at..];
            if (bytes.Length < Length)
            {
                _rest = bytes.ToArray();
                return;
            }

            if (bytes[Length - 1] == Mark && int.TryParse(bytes[1..(Length - 1)], NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            {
                handler.OnNumber(number);
                bytes = bytes[Length..];
            }
            else
            {
                bytes = bytes[1..];
            }
        }
    }
}

internal interface INumberHandler
{
    void OnNumber(int number);
}
