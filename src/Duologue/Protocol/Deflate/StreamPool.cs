using System.Runtime.InteropServices;

namespace Duologue.Protocol.Deflate;

/// <summary>
/// Native streams that connections borrow for a message. Bounds what rests in it, not what is borrowed: who finds it empty makes a new one.
/// Thread-safe, without a lock: each processor begins at a place of its own.
/// </summary>
/// <typeparam name="T">A stream that is as good as new when it is given back.</typeparam>
internal sealed class StreamPool<T> : IDisposable
    where T : SafeHandle
{
    private readonly T?[] _places;
    private readonly Func<T?> _create;

    // Set by each borrowing, cleared by each trim: a pool that nobody used in between gives its memory back.
    private volatile bool _used;

    /// <param name="size">The most that rest in it.</param>
    /// <param name="create">Makes one; null where there is no memory.</param>
    public StreamPool(int size, Func<T?> create)
    {
        _places = new T?[size];
        _create = create;
    }

    /// <summary>How many rest in it.</summary>
    public int Count
    {
        get
        {
            int count = 0;
            foreach (T? place in _places)
            {
                count += place is null ? 0 : 1;
            }

            return count;
        }
    }

    /// <summary>Borrows one; null if there is none and no memory for one.</summary>
    public T? Rent()
    {
        _used = true;
        int start = Start();
        for (int i = 0; i < _places.Length; i++)
        {
            ref T? place = ref _places[(start + i) % _places.Length];
            if (place is not null && Interlocked.Exchange(ref place, null) is { } stream)
            {
                return stream;
            }
        }

        return _create();
    }

    /// <summary>Gives one back; one too many is freed.</summary>
    public void Return(T stream)
    {
        int start = Start();
        for (int i = 0; i < _places.Length; i++)
        {
            ref T? place = ref _places[(start + i) % _places.Length];
            if (place is null && Interlocked.CompareExchange(ref place, stream, null) is null)
            {
                return;
            }
        }

        stream.Dispose();
    }

    /// <summary>Frees what rests if nobody borrowed since the last call.</summary>
    public void Trim()
    {
        if (_used)
        {
            _used = false;
            return;
        }

        Dispose();
    }

    /// <summary>Frees what rests.</summary>
    public void Dispose()
    {
        for (int i = 0; i < _places.Length; i++)
        {
            Interlocked.Exchange(ref _places[i], null)?.Dispose();
        }
    }

    private int Start() => Thread.GetCurrentProcessorId() % _places.Length;
}
