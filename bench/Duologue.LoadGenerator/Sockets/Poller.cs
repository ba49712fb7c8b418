using System.Runtime.InteropServices;

namespace Duologue.LoadGenerator;

/// <summary>Waits for many sockets on the one thread of the load, edge-triggered, and calls whoever has one.</summary>
internal sealed unsafe class Poller : IDisposable
{
    private const int Room = 1024;
    private const long NanosecondsPerSecond = 1_000_000_000;

    private readonly int _epoll = Libc.Check(Libc.EpollCreate(0x80000), "epoll_create1");
    private readonly byte* _events = (byte*)NativeMemory.AllocZeroed(Room, (nuint)Libc.EventSize);
    private readonly List<IPolled?> _polled = [];
    private readonly Stack<int> _free = [];
    private readonly List<int> _freed = [];

    public Poller()
    {
        // PR_SET_TIMERSLACK: a wait ends when it should, not up to 50 us later.
        _ = Libc.ProcessControl(29, 1);
    }

    /// <returns>What <see cref="Remove"/> wants.</returns>
    public int Add(int socket, IPolled polled)
    {
        if (!_free.TryPop(out int place))
        {
            place = _polled.Count;
            _polled.Add(null);
        }

        _polled[place] = polled;
        byte* change = stackalloc byte[16];
        *(uint*)change = Libc.Readable | Libc.Writable | Libc.EdgeTriggered;
        *(long*)(change + Libc.EventDataOffset) = place;
        Libc.Check(Libc.EpollControl(_epoll, 1, socket, change), "epoll_ctl");
        return place;
    }

    /// <summary>Before the socket is closed.</summary>
    public void Remove(int place)
    {
        // Events of this turn may still name the place; nobody else gets it before the next.
        _polled[place] = null;
        _freed.Add(place);
    }

    /// <summary>Waits so long for the next events, and has them handled; how many there were.</summary>
    public int Turn(TimeSpan wait)
    {
        _freed.ForEach(_free.Push);
        _freed.Clear();
        long nanoseconds = Math.Max(0, wait.Ticks) * 100;
        long* timeout = stackalloc long[2] { nanoseconds / NanosecondsPerSecond, nanoseconds % NanosecondsPerSecond };
        int count = Libc.EpollWait(_epoll, _events, Room, timeout, null);
        if (count < 0 && Marshal.GetLastSystemError() != Libc.Interrupted)
        {
            Libc.Check(count, "epoll_pwait2");
        }

        for (int i = 0; i < count; i++)
        {
            byte* one = _events + ((nint)i * Libc.EventSize);
            _polled[(int)*(long*)(one + Libc.EventDataOffset)]?.OnEvents(*(uint*)one);
        }

        return Math.Max(0, count);
    }

    public void Dispose()
    {
        _ = Libc.Close(_epoll);
        NativeMemory.Free(_events);
    }
}

internal interface IPolled
{
    void OnEvents(uint events);
}
