namespace Duologue.EventLoop.Loops;

/// <summary>
/// The sockets of a loop, by the numbers under which the kernel's events name them. A place that is used anew has another number, so that an event about
/// a socket that was closed since finds nothing. Its loop's thread alone, but for <see cref="Count"/>.
/// </summary>
internal sealed class SocketTable
{
    private const int Smallest = 256;
    private const uint GenerationMask = 0xFFFFFF;

    private readonly Stack<int> _free = new();
    private LoopSocket?[] _sockets = new LoopSocket?[Smallest];
    private uint[] _generations = new uint[Smallest];
    private int _used;
    private int _count;

    /// <summary>How many there are. Any thread.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Takes a socket in and tells it its place. When memory runs out nothing has changed.</summary>
    public void Add(LoopSocket socket)
    {
        if (!_free.TryPop(out int slot))
        {
            // In this order: where there is no memory for one of them, the next try begins anew.
            slot = _used;
            if (slot == _sockets.Length)
            {
                // By a quarter, not to twice: with many sockets at rest the empty places would be seen.
                int size = slot + Math.Max(Smallest, slot / 4);
                Array.Resize(ref _generations, size);
                Array.Resize(ref _sockets, size);
            }

            _used++;
        }

        _sockets[slot] = socket;
        socket.Slot = slot;
        Volatile.Write(ref _count, _count + 1);
    }

    public void Remove(LoopSocket socket)
    {
        _sockets[socket.Slot] = null;
        _generations[socket.Slot]++;
        _free.Push(socket.Slot);
        Volatile.Write(ref _count, _count - 1);
    }

    /// <summary>The number by which events name a socket.</summary>
    public ulong NameOf(LoopSocket socket) => ((ulong)(_generations[socket.Slot] & GenerationMask) << 32) | (uint)socket.Slot;

    /// <summary>The socket of an event; null if it was closed since.</summary>
    public LoopSocket? Find(ulong name)
    {
        uint slot = (uint)name;
        uint generation = (uint)(name >> 32) & GenerationMask;
        return slot < (uint)_used && (_generations[slot] & GenerationMask) == generation ? _sockets[slot] : null;
    }

    /// <summary>Calls for each socket; it may remove the one it is called with.</summary>
    public void ForEach(Action<LoopSocket> action)
    {
        for (int slot = 0; slot < _used; slot++)
        {
            if (_sockets[slot] is { } socket)
            {
                action(socket);
            }
        }
    }
}
