using System.Buffers;

namespace Duologue.Protocol;

/// <summary>
/// Where a message is put together: an array from the shared pool that grows with what arrives, never with what a
/// header claims. A mutable struct: pass by reference. At rest it holds nothing.
/// </summary>
internal struct MessageBuffer
{
    private const int FirstSize = 256;

    /// <summary>The most that is reserved on the word of a frame header alone.</summary>
    private const int TrustedSize = 64 * 1024;

    private byte[]? _array;

    /// <summary>The bytes committed.</summary>
    public int Length { get; private set; }

    /// <summary>The committed bytes.</summary>
    public readonly ReadOnlyMemory<byte> Memory => _array.AsMemory(0, Length);

    /// <summary>Room for <paramref name="count"/> bytes behind what is committed.</summary>
    /// <param name="count">Bytes that are at hand.</param>
    /// <param name="expected">Bytes that the frame says will come, these included.</param>
    public Span<byte> GetSpan(int count, long expected)
    {
        Reserve(count, expected);
        return _array.AsSpan(Length, count);
    }

    /// <summary>Room for bytes whose number nobody knows yet: at least one, at most <paramref name="most"/>. It doubles with what has come.</summary>
    /// <param name="guess">How many there may be.</param>
    /// <param name="most">The most that is wanted; at least 1.</param>
    public Span<byte> GetRoom(int guess, long most)
    {
        if (_array is null || _array.Length == Length)
        {
            Reserve(1, Math.Min(Math.Max(guess, Math.Max(FirstSize, Length)), most));
        }

        return _array.AsSpan(Length, (int)Math.Min(most, _array!.Length - Length));
    }

    /// <summary>Room to receive into directly: at least one byte, at most <paramref name="expected"/>.</summary>
    public Memory<byte> GetMemory(long expected)
    {
        Reserve(1, expected);
        return _array.AsMemory(Length, (int)Math.Min(expected, _array!.Length - Length));
    }

    public void Commit(int count) => Length += count;

    /// <summary>Gives the array away: its new owner returns it to the shared pool. Null if nothing was ever written.</summary>
    public byte[]? Detach()
    {
        byte[]? array = _array;
        _array = null;
        Length = 0;
        return array;
    }

    /// <summary>Forgets the content and keeps the array for the next message of the batch.</summary>
    public void Clear() => Length = 0;

    public void Release()
    {
        if (Detach() is { } array)
        {
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    private void Reserve(int count, long expected)
    {
        int needed = checked(Length + count);
        if (needed == 0)
        {
            return;
        }

        if (_array is not null && _array.Length >= needed && (_array.Length - Length >= expected || _array.Length >= TrustedSize))
        {
            return;
        }

        // Double, so that copying stays linear; reserve what the header announces only while it is small.
        long wanted = Math.Min(Length + expected, Math.Max(TrustedSize, 2L * Length));
        int size = (int)Math.Max(Math.Max(needed, FirstSize), Math.Min(wanted, Array.MaxLength));
        if (_array is not null && _array.Length >= size)
        {
            return;
        }

        byte[] larger = ArrayPool<byte>.Shared.Rent(size);
        if (_array is not null)
        {
            _array.AsSpan(0, Length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_array);
        }

        _array = larger;
    }
}
