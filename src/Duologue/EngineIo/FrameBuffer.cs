using System.Buffers;

namespace Duologue.EngineIo;

/// <summary>Bytes that wait, in one piece in an array of the shared pool; empty, it holds none. Not thread-safe.</summary>
internal sealed class FrameBuffer : IBufferWriter<byte>
{
    private const int FirstSize = 256;

    private byte[]? _array;
    private int _start;
    private int _end;

    public int Length => _end - _start;

    public Span<byte> Span => _array.AsSpan(_start, Length);

    /// <summary>Valid until the next call that changes it.</summary>
    public ReadOnlyMemory<byte> Memory => _array.AsMemory(_start, Length);

    public void Advance(int count) => _end += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _array.AsMemory(_end);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _array.AsSpan(_end);
    }

    /// <summary>The first bytes are dealt with.</summary>
    public void Skip(int count)
    {
        _start += count;
        if (_start == _end)
        {
            Release();
        }
    }

    public void Release()
    {
        if (_array is { } array)
        {
            _array = null;
            ArrayPool<byte>.Shared.Return(array);
        }

        _start = _end = 0;
    }

    private void Reserve(int count)
    {
        if (_array is not null && _array.Length - _end >= count)
        {
            return;
        }

        int needed = checked(Length + count);
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, Math.Max(FirstSize, Length * 2)));
        Span.CopyTo(larger);
        int length = Length;
        Release();
        _array = larger;
        _end = length;
    }
}
