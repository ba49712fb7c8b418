namespace Duologue.Conformance.Deflate;

/// <summary>
/// The judge's own inflate (RFC 1951), slow and strict: it knows the window and finds fault with a distance beyond it, which a
/// library with a window of its own would let pass. Keeps its window from message to message (RFC 7692 §7.2.2) until reset.
/// </summary>
internal sealed class Inflater(int windowBits)
{
    private static readonly int[] LengthBase = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
    private static readonly int[] LengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    private static readonly int[] DistanceBase = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];
    private static readonly int[] DistanceExtra = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
    private static readonly int[] CodeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    private static readonly Huffman FixedLiterals = new([.. Enumerable.Range(0, 288).Select(i => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)]);
    private static readonly Huffman FixedDistances = new([.. Enumerable.Repeat(5, 30)]);

    private readonly int _windowSize = 1 << windowBits;

    // The window, then the message being inflated.
    private byte[] _output = new byte[4096];
    private int _windowLength;
    private int _length;

    private byte[] _input = [];
    private int _at;
    private ulong _bitBuffer;
    private int _bitCount;

    /// <summary>The farthest that a distance reached back, ever.</summary>
    public int FarthestDistance { get; private set; }

    /// <summary>Forgets the window: the peer does not take its context over.</summary>
    public void Reset()
    {
        _windowLength = 0;
        _length = 0;
    }

    /// <summary>Inflates one message. Returns what is wrong with it, or null.</summary>
    public string? TryInflate(byte[] compressed, out byte[]? message)
    {
        message = null;

        // RFC 7692 §7.2.2: the four bytes that the sender took off.
        _input = [.. compressed, 0x00, 0x00, 0xFF, 0xFF];
        _at = 0;
        _bitBuffer = 0;
        _bitCount = 0;
        try
        {
            bool final = false;
            while (!final && !AtEnd)
            {
                final = Bits(1) == 1;
                ReadBlock(Bits(2));
            }
        }
        catch (InvalidDataException e)
        {
            return e.Message;
        }

        message = _output.AsSpan(_windowLength, _length - _windowLength).ToArray();
        int keep = Math.Min(_length, _windowSize);
        _output.AsSpan(_length - keep, keep).CopyTo(_output);
        _windowLength = keep;
        _length = keep;
        return null;
    }

    private bool AtEnd => _at == _input.Length && _bitCount < 8;

    private void ReadBlock(int type)
    {
        switch (type)
        {
            case 0:
                ReadStored();
                break;
            case 1:
                ReadCompressed(FixedLiterals, FixedDistances);
                break;
            case 2:
                (Huffman literals, Huffman distances) = ReadTables();
                ReadCompressed(literals, distances);
                break;
            default:
                throw new InvalidDataException("a deflate block of the reserved type (RFC 1951 §3.2.3)");
        }
    }

    private void ReadStored()
    {
        // Whole bytes that were looked at too early go back; what is left of the current one is skipped.
        _at -= _bitCount / 8;
        _bitBuffer = 0;
        _bitCount = 0;
        if (_at + 4 > _input.Length)
        {
            throw new InvalidDataException("a stored block is cut (RFC 1951 §3.2.4)");
        }

        int length = _input[_at] | (_input[_at + 1] << 8);
        int complement = _input[_at + 2] | (_input[_at + 3] << 8);
        _at += 4;
        if ((length ^ complement) != 0xFFFF || _at + length > _input.Length)
        {
            throw new InvalidDataException("a stored block has a wrong length (RFC 1951 §3.2.4)");
        }

        Reserve(length);
        _input.AsSpan(_at, length).CopyTo(_output.AsSpan(_length));
        _length += length;
        _at += length;
    }

    private (Huffman Literals, Huffman Distances) ReadTables()
    {
        int literals = Bits(5) + 257;
        int distances = Bits(5) + 1;
        int count = Bits(4) + 4;
        int[] lengths = new int[19];
        for (int i = 0; i < count; i++)
        {
            lengths[CodeLengthOrder[i]] = Bits(3);
        }

        var codes = new Huffman(lengths);
        int[] all = new int[literals + distances];
        int at = 0;
        while (at < all.Length)
        {
            int symbol = codes.Read(this);
            (int value, int repeat) = symbol switch
            {
                < 16 => (symbol, 1),
                16 when at > 0 => (all[at - 1], 3 + Bits(2)),
                17 => (0, 3 + Bits(3)),
                18 => (0, 11 + Bits(7)),
                _ => throw new InvalidDataException("a code length repeats nothing (RFC 1951 §3.2.7)"),
            };
            if (at + repeat > all.Length)
            {
                throw new InvalidDataException("too many code lengths (RFC 1951 §3.2.7)");
            }

            all.AsSpan(at, repeat).Fill(value);
            at += repeat;
        }

        return (new Huffman(all[..literals]), new Huffman(all[literals..]));
    }

    private void ReadCompressed(Huffman literals, Huffman distances)
    {
        while (true)
        {
            int symbol = literals.Read(this);
            if (symbol < 256)
            {
                Reserve(1);
                _output[_length++] = (byte)symbol;
                continue;
            }

            if (symbol == 256)
            {
                return;
            }

            if (symbol > 285)
            {
                throw new InvalidDataException("a length symbol that does not exist (RFC 1951 §3.2.5)");
            }

            int length = LengthBase[symbol - 257] + Bits(LengthExtra[symbol - 257]);
            int distanceSymbol = distances.Read(this);
            if (distanceSymbol > 29)
            {
                throw new InvalidDataException("a distance symbol that does not exist (RFC 1951 §3.2.5)");
            }

            Copy(length, DistanceBase[distanceSymbol] + Bits(DistanceExtra[distanceSymbol]));
        }
    }

    private void Copy(int length, int distance)
    {
        if (distance > _windowSize)
        {
            throw new InvalidDataException($"a distance of {distance} in a window of {_windowSize} (RFC 7692 §7.1.2)");
        }

        if (distance > _length)
        {
            throw new InvalidDataException($"a distance of {distance} after {_length} bytes: a context that was not to be taken over (RFC 7692 §7.1.1)");
        }

        FarthestDistance = Math.Max(FarthestDistance, distance);
        Reserve(length);
        for (int i = 0; i < length; i++, _length++)
        {
            _output[_length] = _output[_length - distance];
        }
    }

    private void Reserve(int count)
    {
        if (_length + count > _output.Length)
        {
            Array.Resize(ref _output, Math.Max(_output.Length * 2, _length + count));
        }
    }

    private int Bits(int count)
    {
        Fill(count);
        if (_bitCount < count)
        {
            throw new InvalidDataException("the deflate stream is cut (RFC 7692 §7.2.2)");
        }

        int value = (int)(_bitBuffer & ((1UL << count) - 1));
        _bitBuffer >>= count;
        _bitCount -= count;
        return value;
    }

    // As many bits as there are, at least so many if the input has them.
    private void Fill(int count)
    {
        while (_bitCount < count && _at < _input.Length)
        {
            _bitBuffer |= (ulong)_input[_at++] << _bitCount;
            _bitCount += 8;
        }
    }

    /// <summary>A canonical code (RFC 1951 §3.2.2), as a table of all that 15 bits can begin with.</summary>
    private sealed class Huffman
    {
        private const int MaxLength = 15;

        // Symbol and length; 0 where no code begins so.
        private readonly ushort[] _table = new ushort[1 << MaxLength];

        public Huffman(int[] lengths)
        {
            int code = 0;
            for (int length = 1; length <= MaxLength; length++, code <<= 1)
            {
                for (int symbol = 0; symbol < lengths.Length; symbol++)
                {
                    if (lengths[symbol] != length)
                    {
                        continue;
                    }

                    if (code >= 1 << length)
                    {
                        throw new InvalidDataException("more codes than fit (RFC 1951 §3.2.2)");
                    }

                    int reversed = 0;
                    for (int i = 0; i < length; i++)
                    {
                        reversed |= ((code >> i) & 1) << (length - 1 - i);
                    }

                    for (int index = reversed; index < _table.Length; index += 1 << length)
                    {
                        _table[index] = (ushort)((symbol << 4) | length);
                    }

                    code++;
                }
            }
        }

        public int Read(Inflater from)
        {
            from.Fill(MaxLength);
            ushort entry = _table[(int)(from._bitBuffer & ((1 << MaxLength) - 1))];
            int length = entry & 15;
            if (length == 0 || length > from._bitCount)
            {
                throw new InvalidDataException(length == 0 ? "a code that no symbol has (RFC 1951 §3.2.2)" : "the deflate stream is cut (RFC 7692 §7.2.2)");
            }

            from._bitBuffer >>= length;
            from._bitCount -= length;
            return entry >> 4;
        }
    }
}
