using System.Buffers;

namespace Duologue.Carriers;

/// <summary>
/// Arrays of the shared pool to write frames into: one that grows up to a block, then more blocks, so that a large
/// frame needs no large array. Holds nothing after <see cref="Release"/>. Not thread-safe.
/// </summary>
internal sealed class RentedWriter : IBufferWriter<byte>
{
    private const int FirstSize = 1024;
    private const int BlockSize = 64 * 1024;

    // Made when first a block is full: most connections never fill one.
    private List<(byte[] Array, int Count)>? _full;
    private byte[]? _array;
    private int _count;

    // What was written last is what will be written next: a stream of large frames grows no chain of arrays for each.
    private int _expected = FirstSize;

    /// <summary>How many pieces were written.</summary>
    public int PieceCount => FullCount + (_array is null ? 0 : 1);

    /// <summary>The pieces, in order.</summary>
    public ReadOnlyMemory<byte> GetPiece(int index) =>
        index < FullCount ? _full![index].Array.AsMemory(0, _full[index].Count) : _array.AsMemory(0, _count);

    public void Advance(int count) => _count += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _array.AsMemory(_count);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _array.AsSpan(_count);
    }

    public void Release()
    {
        _expected = FullCount > 0 ? BlockSize : Math.Clamp(_count, FirstSize, BlockSize);
        if (_full is { } full)
        {
            _full = null;
            foreach ((byte[] array, _) in full)
            {
                ArrayPool<byte>.Shared.Return(array);
            }
        }

        _count = 0;
        if (_array is { } last)
        {
            _array = null;
            ArrayPool<byte>.Shared.Return(last);
        }
    }

    private int FullCount => _full?.Count ?? 0;

    private void Reserve(int count)
    {
        int needed = checked(_count + count);
        if (_array is null)
        {
            _array = ArrayPool<byte>.Shared.Rent(Math.Max(needed, _expected));
        }
        else if (_array.Length < needed && needed <= BlockSize)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, _array.Length * 2));
            _array.AsSpan(0, _count).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_array);
            _array = larger;
        }
        else if (_array.Length < needed)
        {
            (_full ??= []).Add((_array, _count));
            _array = ArrayPool<byte>.Shared.Rent(Math.Max(count, BlockSize));
            _count = 0;
        }
    }
}
