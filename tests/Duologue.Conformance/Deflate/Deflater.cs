namespace Duologue.Conformance.Deflate;

/// <summary>
/// The judge's own deflate (RFC 1951): LZ77 with fixed Huffman codes, which uses its window to the last byte. It takes its context over from
/// message to message (RFC 7692 §7.2.1) until reset.
/// </summary>
internal sealed class Deflater(int windowBits)
{
    private const int HashBits = 15;
    private const int MaxChain = 8;
    private const int MaxMatch = 258;
    private const int MinMatch = 3;

    private static readonly (int Symbol, int Bits, int Base)[] Lengths = MakeLengths();
    private static readonly (int Bits, int Base)[] Distances = [.. Enumerable.Range(0, 30).Select(i => i < 4 ? (0, i + 1) : ((i / 2) - 1, ((2 + (i & 1)) << ((i / 2) - 1)) + 1))];

    private readonly int _windowSize = 1 << windowBits;
    private readonly int[] _heads = new int[1 << HashBits];
    private int[] _previous = [];

    // The window, then the message being compressed.
    private byte[] _data = [];
    private int _windowLength;

    private readonly List<byte> _output = [];
    private ulong _bits;
    private int _bitCount;

    /// <summary>Forgets the window: this peer does not take its context over.</summary>
    public void Reset() => _windowLength = 0;

    /// <summary>One message, without the four bytes at its end (RFC 7692 §7.2.1).</summary>
    public byte[] Compress(ReadOnlySpan<byte> message)
    {
        Begin(message);
        Put(0, 1);
        Put(1, 2);
        WriteSymbols(message.Length);

        // An empty stored block to the byte border; of it only the header stays.
        Put(0, 1);
        Put(0, 2);
        Align();
        Keep(message.Length);
        return [.. _output];
    }

    private void Begin(ReadOnlySpan<byte> message)
    {
        _output.Clear();
        _bits = 0;
        _bitCount = 0;
        byte[] data = new byte[_windowLength + message.Length];
        _data.AsSpan(0, _windowLength).CopyTo(data);
        message.CopyTo(data.AsSpan(_windowLength));
        _data = data;
        _heads.AsSpan().Fill(-1);
        if (_previous.Length < data.Length)
        {
            _previous = new int[data.Length];
        }

        for (int i = 0; i < _windowLength; i++)
        {
            Remember(i);
        }
    }

    private void WriteSymbols(int length)
    {
        int at = _windowLength;
        int end = at + length;
        while (at < end)
        {
            (int match, int distance) = FindMatch(at, end);
            if (match < MinMatch)
            {
                PutLiteral(_data[at]);
                Remember(at++);
                continue;
            }

            PutMatch(match, distance);
            for (int last = at + match; at < last; at++)
            {
                Remember(at);
            }
        }

        PutLiteral(256);
    }

    private (int Length, int Distance) FindMatch(int at, int end)
    {
        if (at + MinMatch > end)
        {
            return (0, 0);
        }

        int most = Math.Min(MaxMatch, end - at);
        int best = 0, distance = 0;
        int candidate = _heads[Hash(at)];
        for (int tries = 0; tries < MaxChain && candidate >= 0 && at - candidate <= _windowSize; tries++, candidate = _previous[candidate])
        {
            int length = _data.AsSpan(candidate, most).CommonPrefixLength(_data.AsSpan(at, most));
            if (length > best)
            {
                (best, distance) = (length, at - candidate);
            }
        }

        return (best, distance);
    }

    private void Remember(int at)
    {
        if (at + MinMatch <= _data.Length)
        {
            int hash = Hash(at);
            _previous[at] = _heads[hash];
            _heads[hash] = at;
        }
    }

    private int Hash(int at) => (int)(((uint)(_data[at] | (_data[at + 1] << 8) | (_data[at + 2] << 16)) * 2654435761u) >> (32 - HashBits));

    private void Keep(int length)
    {
        int total = _windowLength + length;
        int keep = Math.Min(total, _windowSize);
        _data.AsSpan(total - keep, keep).CopyTo(_data);
        _windowLength = keep;
    }

    // RFC 1951 §3.2.6; Huffman codes go most significant bit first, all else least.
    private void PutLiteral(int symbol)
    {
        (int code, int bits) = symbol switch
        {
            < 144 => (0x30 + symbol, 8),
            < 256 => (0x190 + symbol - 144, 9),
            < 280 => (symbol - 256, 7),
            _ => (0xC0 + symbol - 280, 8),
        };
        PutReversed(code, bits);
    }

    private void PutMatch(int length, int distance)
    {
        (int symbol, int bits, int start) = Lengths[length];
        PutLiteral(symbol);
        Put(length - start, bits);
        int code = Distances.Length - 1;
        while (Distances[code].Base > distance)
        {
            code--;
        }

        PutReversed(code, 5);
        Put(distance - Distances[code].Base, Distances[code].Bits);
    }

    private void PutReversed(int code, int count)
    {
        int reversed = 0;
        for (int i = 0; i < count; i++)
        {
            reversed |= ((code >> i) & 1) << (count - 1 - i);
        }

        Put(reversed, count);
    }

    private void Put(int value, int count)
    {
        _bits |= (ulong)(uint)value << _bitCount;
        _bitCount += count;
        while (_bitCount >= 8)
        {
            _output.Add((byte)_bits);
            _bits >>= 8;
            _bitCount -= 8;
        }
    }

    private void Align()
    {
        if (_bitCount > 0)
        {
            Put(0, 8 - _bitCount);
        }
    }

    private static (int Symbol, int Bits, int Base)[] MakeLengths()
    {
        var table = new (int, int, int)[MaxMatch + 1];
        int start = MinMatch;
        for (int symbol = 257; symbol < 285; symbol++)
        {
            int bits = symbol < 265 ? 0 : (symbol - 261) / 4;
            for (int length = start; length < start + (1 << bits) && length < MaxMatch; length++)
            {
                table[length] = (symbol, bits, start);
            }

            start += 1 << bits;
        }

        table[MaxMatch] = (285, 0, MaxMatch);
        return table;
    }
}
