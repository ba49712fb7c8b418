using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Duologue.Peer;

/// <summary>
/// A queue in an array of the shared pool: while it is empty it holds nothing, and filling it again allocates nothing. A
/// mutable struct: pass by reference. Not thread-safe.
/// </summary>
internal struct PooledQueue<T>
{
    private const int FirstSize = 8;

    private T[]? _array;
    private int _head;

    public int Count { get; private set; }

    public void Enqueue(T item)
    {
        if (_array is null || Count == _array.Length)
        {
            Grow();
        }

        int tail = _head + Count;
        _array![tail < _array.Length ? tail : tail - _array.Length] = item;
        Count++;
    }

    public bool TryDequeue([MaybeNullWhen(false)] out T item)
    {
        if (Count == 0)
        {
            item = default;
            return false;
        }

        ref T slot = ref _array![_head];
        item = slot;

        // The pool must not keep alive what has left.
        slot = default!;
        _head = _head + 1 < _array.Length ? _head + 1 : 0;
        if (--Count == 0)
        {
            ArrayPool<T>.Shared.Return(_array);
            _array = null;
            _head = 0;
        }

        return true;
    }

    private void Grow()
    {
        T[] larger = ArrayPool<T>.Shared.Rent(_array is null ? FirstSize : _array.Length * 2);
        if (_array is not null)
        {
            int first = Math.Min(Count, _array.Length - _head);
            Array.Copy(_array, _head, larger, 0, first);
            Array.Copy(_array, 0, larger, first, Count - first);
            ArrayPool<T>.Shared.Return(_array, clearArray: true);
        }

        _array = larger;
        _head = 0;
    }
}
