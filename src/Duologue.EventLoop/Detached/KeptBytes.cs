using System.Buffers;

namespace Duologue.EventLoop.Detached;

/// <summary>Bytes that a connection did not take yet, and what came behind them. The loop's thread alone. There only while reading rests.</summary>
internal sealed class KeptBytes
{
    private byte[] _array = [];
    private int _start;
    private int _end;

    /// <summary>What is left.</summary>
    public ReadOnlySpan<byte> Bytes => _array.AsSpan(_start, _end - _start);

    /// <summary>How the peer ended behind them, if not by FIN.</summary>
    public Exception? EndError { get; set; }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (_array.Length - _end < bytes.Length)
        {
            int length = _end - _start;
            byte[] larger = ArrayPool<byte>.Shared.Rent(length + bytes.Length);
            Bytes.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_array);
            _array = larger;
            _start = 0;
            _end = length;
        }

        bytes.CopyTo(_array.AsSpan(_end));
        _end += bytes.Length;
    }

    /// <summary>So much was taken, unless it was released meanwhile.</summary>
    public void Consume(int count) => _start = Math.Min(_start + count, _end);

    public void Release()
    {
        byte[] array = _array;
        _array = [];
        _start = 0;
        _end = 0;
        ArrayPool<byte>.Shared.Return(array);
    }
}
