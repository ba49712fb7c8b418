namespace Duologue.EventLoop.Loops;

/// <summary>
/// The sockets of a loop, by the numbers under which the kernel's events name them. A place that is used anew has another number, so that an event about
/// a socket that was closed since finds nothing. Its loop's thread alone, but for <see cref="Count"/>.
/// </summary>
internal sealed class SocketTable
{
    // Grown by pages, which never move: an array that is copied to twice its size leaves empty places and large dead ones behind.
    private const int PageBits = 8;
    private const int PageSize = 1 << PageBits;
    private const uint GenerationMask = 0xFFFFFF;

    private readonly Stack<int> _free = new();
    private LoopSocket?[][] _sockets = [];
    private uint[][] _generations = [];
    private int _used;
    private int _count;

    /// <summary>How many there are. Any thread.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Takes a socket in and tells it its place. When memory runs out nothing has changed.</summary>
    public void Add(LoopSocket socket)
    {
        if (!_free.TryPop(out int slot))
        {
            slot = _used;
            if (slot == _sockets.Length << PageBits)
            {
                LoopSocket?[][] sockets = [.. _sockets, new LoopSocket?[PageSize]];
                uint[][] generations = [.. _generations, new uint[PageSize]];
                (_sockets, _generations) = (sockets, generations);
            }

            _used++;
        }

        SocketAt(slot) = socket;
        socket.Slot = slot;
        Volatile.Write(ref _count, _count + 1);
    }

    public void Remove(LoopSocket socket)
    {
        SocketAt(socket.Slot) = null;
        GenerationAt(socket.Slot)++;
        _free.Push(socket.Slot);
        Volatile.Write(ref _count, _count - 1);
    }

    /// <summary>The number by which events name a socket.</summary>
    public ulong NameOf(LoopSocket socket) => ((ulong)(GenerationAt(socket.Slot) & GenerationMask) << 32) | (uint)socket.Slot;

    /// <summary>The socket of an event; null if it was closed since.</summary>
    public LoopSocket? Find(ulong name)
    {
        uint slot = (uint)name;
        uint generation = (uint)(name >> 32) & GenerationMask;
        return slot < (uint)_used && (GenerationAt((int)slot) & GenerationMask) == generation ? SocketAt((int)slot) : null;
    }

    /// <summary>Calls for each socket; it may remove the one it is called with.</summary>
    public void ForEach(Action<LoopSocket> action)
    {
        for (int slot = 0; slot < _used; slot++)
        {
            if (SocketAt(slot) is { } socket)
            {
                action(socket);
            }
        }
    }

    private ref LoopSocket? SocketAt(int slot) => ref _sockets[slot >>> PageBits][slot & (PageSize - 1)];

    private ref uint GenerationAt(int slot) => ref _generations[slot >>> PageBits][slot & (PageSize - 1)];
}
