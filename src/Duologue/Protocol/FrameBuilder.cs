using System.Buffers;
using System.Diagnostics;

namespace Duologue.Protocol;

/// <summary>
/// A frame whose payload is made before its length is known: an array of the shared pool, with room for the header before the payload. A mutable
/// struct; start from <c>default</c>, and either release it or give its array away.
/// </summary>
internal struct FrameBuilder
{
    private const int Start = FrameHeader.MaxSize;

    private byte[]? _array;
    private int _head;
    private int _end;

    /// <summary>The bytes of payload so far.</summary>
    public readonly int PayloadLength => _array is null ? 0 : _end - Start;

    /// <summary>The payload so far.</summary>
    public readonly ReadOnlySpan<byte> Payload => _array.AsSpan(Start, PayloadLength);

    /// <summary>The whole frame; after <see cref="Seal"/>.</summary>
    public readonly ReadOnlyMemory<byte> Bytes => _array.AsMemory(_head, _end - _head);

    /// <summary>The array behind; after <see cref="Seal"/> whoever keeps it returns it to the shared pool.</summary>
    public readonly byte[] Array => _array!;

    /// <summary>Room behind the payload, at least <paramref name="atLeast"/> bytes.</summary>
    public Span<byte> GetRoom(int atLeast)
    {
        if (_array is null)
        {
            _array = ArrayPool<byte>.Shared.Rent(Start + atLeast);
            _end = Start;
        }
        else if (_array.Length - _end < atLeast)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(checked(_end + atLeast), (int)Math.Min(2L * _array.Length, System.Array.MaxLength)));
            _array.AsSpan(0, _end).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_array);
            _array = larger;
        }

        return _array.AsSpan(_end);
    }

    /// <summary>Bytes were written into the room; or, if negative, are to be taken off the end.</summary>
    public void Advance(int count) => _end += count;

    /// <summary>Adds bytes as they are.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetRoom(bytes.Length));
        _end += bytes.Length;
    }

    /// <summary>Forgets the payload.</summary>
    public void Clear() => _end = Start;

    /// <summary>Puts the header before the payload and, on a client, masks it.</summary>
    public void Seal(Opcode opcode, bool fin, bool compressed, Role role)
    {
        Debug.Assert(_array is not null, "Even an empty frame has an array for its header.");
        bool masked = role == Role.Client;
        uint key = masked ? Mask.NewKey() : 0;
        int length = PayloadLength;
        _head = Start - FrameHeader.SizeFor(length, masked);
        FrameHeader.Write(_array.AsSpan(_head), opcode, fin, length, masked, key);
        if (compressed)
        {
            _array[_head] |= FrameHeader.Compressed;
        }

        if (masked)
        {
            Mask.Apply(_array.AsSpan(Start, length), key, 0);
        }
    }

    public void Release()
    {
        if (_array is { } array)
        {
            _array = null;
            ArrayPool<byte>.Shared.Return(array);
        }
    }
}
