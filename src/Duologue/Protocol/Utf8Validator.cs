using System.Text.Unicode;

namespace Duologue.Protocol;

/// <summary>
/// Validates UTF-8 that comes in pieces (RFC 6455 §8.1, RFC 3629), failing at the first byte that no valid text could
/// have there. Start from <c>default</c>.
/// </summary>
internal struct Utf8Validator
{
    // Within a character: how many continuation bytes are to come, and the range of the next one.
    private byte _needed;
    private byte _lowest;
    private byte _highest;

    /// <summary>Whether the text so far ends between two characters.</summary>
    public readonly bool IsComplete => _needed == 0;

    /// <summary>Takes the next piece. After false the validator must not be used again before a reset.</summary>
    public bool Append(ReadOnlySpan<byte> bytes)
    {
        int start = 0;
        while (_needed != 0 && start < bytes.Length)
        {
            if (!Step(bytes[start++]))
            {
                return false;
            }
        }

        // The vectorised check wants whole characters: what the piece cuts off at its end goes byte by byte.
        int end = bytes.Length - UnfinishedTail(bytes[start..]);
        if (!Utf8.IsValid(bytes[start..end]))
        {
            return false;
        }

        for (; end < bytes.Length; end++)
        {
            if (!Step(bytes[end]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The length of a character that begins but does not end in the last three bytes; 0 if none.</summary>
    private static int UnfinishedTail(ReadOnlySpan<byte> bytes)
    {
        for (int back = 1; back <= 3 && back <= bytes.Length; back++)
        {
            byte candidate = bytes[^back];
            if (candidate < 0x80)
            {
                return 0;
            }

            if (candidate >= 0xC0)
            {
                int length = candidate >= 0xF0 ? 4 : candidate >= 0xE0 ? 3 : 2;
                return length > back ? back : 0;
            }
        }

        return 0;
    }

    private bool Step(byte value)
    {
        if (_needed == 0)
        {
            return Begin(value);
        }

        if (value < _lowest || value > _highest)
        {
            return false;
        }

        _needed--;
        _lowest = 0x80;
        _highest = 0xBF;
        return true;
    }

    // RFC 3629 §4: no overlong forms, no surrogates, nothing above U+10FFFF; all told by the second byte.
    private bool Begin(byte lead)
    {
        (_needed, _lowest, _highest) = lead switch
        {
            < 0x80 => ((byte)0, (byte)0, (byte)0),
            >= 0xC2 and <= 0xDF => ((byte)1, (byte)0x80, (byte)0xBF),
            0xE0 => ((byte)2, (byte)0xA0, (byte)0xBF),
            0xED => ((byte)2, (byte)0x80, (byte)0x9F),
            >= 0xE1 and <= 0xEF => ((byte)2, (byte)0x80, (byte)0xBF),
            0xF0 => ((byte)3, (byte)0x90, (byte)0xBF),
            >= 0xF1 and <= 0xF3 => ((byte)3, (byte)0x80, (byte)0xBF),
            0xF4 => ((byte)3, (byte)0x80, (byte)0x8F),
            _ => ((byte)0, (byte)1, (byte)0),
        };
        return _lowest <= _highest;
    }
}
