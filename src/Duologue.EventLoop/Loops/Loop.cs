using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Duologue.Carriers;
using Duologue.EventLoop.Buffers;
using Duologue.EventLoop.Detached;
using Duologue.EventLoop.Diagnostics;
using Duologue.EventLoop.Native;
using Duologue.Peer;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Loops;

/// <summary>
/// One thread that serves its sockets: waits for what the kernel has, hands it to the handlers, takes what other threads asked
/// for, and sends at the end of each turn what was written in it. How it talks to the kernel is the backend's: epoll or io_uring.
/// </summary>
/// <remarks>
/// A socket belongs to its loop for life. Other threads only enqueue and wake: <see cref="Enqueue"/> and <see cref="Post"/>. No lock is
/// held while a handler runs.
/// </remarks>
internal abstract partial class Loop : ISleeper
{
    // How often deadlines are looked at while there are any, and how long an exhausted listener rests at most.
    private const int TickMilliseconds = 200;

    private const int Busy = 0;
    private const int Asleep = 1;
    private const int Woken = 2;
    private const int Ended = 3;

    private readonly ILogger _logger;
    private readonly Thread _thread;
    private readonly ConcurrentQueue<Action> _actions = new();
    private readonly List<LoopSocket> _dirty = [];
    private readonly List<(LoopSocket Socket, long Due)> _deadlines = [];
    private readonly List<LoopListener> _listeners = [];
    private readonly SocketTable _sockets = new();
    private readonly Stock<LoopSocket> _newSockets = new();
    private LoopSocket? _posted;
    private int _sleep;
    private long _nextTick;
    private bool _tickNeeded;
    private volatile bool _stopping;
    private long _turnStarted;
    private long _changes;
    private long _cutShort;

    // Held while somebody wakes the loop, and by the loop's end: the descriptor that a wake writes to must not be closed, and its number another's, meanwhile. A leaf.
    private readonly Lock _wakeLock = new();
    private bool _released;

    private readonly TaskCompletionSource _prepared = new();
    private int _late;
    private volatile LoopSocket? _current;

    protected Loop(int number, ILogger logger)
    {
        Number = number;
        _logger = logger;
        Shared = new SharedFrames(Blocks);
        _thread = new Thread(Run) { IsBackground = true, Name = $"Duologue loop {number}" };
    }

    /// <summary>The first loop is 0.</summary>
    public int Number { get; }

    /// <summary>Whether its descriptors answer EAGAIN (epoll), or block for whoever else would use them (io_uring).</summary>
    public virtual bool WantsNonBlocking => true;

    /// <summary>The blocks that its sockets send from. Thread-safe.</summary>
    public BlockPool Blocks { get; } = new();

    /// <summary>What many of its sockets are sent in this turn. Loop thread.</summary>
    public SharedFrames Shared { get; }

    /// <summary>Where the objects come from of the conversations that its sockets carry.</summary>
    public CarrierStock Carriers { get; } = new();

    /// <summary>What is held back of the descriptors; null for none. Set before the start.</summary>
    public DescriptorReserve? Reserve { get; init; }

    /// <summary>Whether the caller is on the loop's thread.</summary>
    public bool IsCurrentThread => Environment.CurrentManagedThreadId == _thread.ManagedThreadId;

    /// <summary>Whether it is to end, or has ended: it takes no more sockets in. Any thread.</summary>
    public bool IsStopping => _stopping;

    /// <summary>How many sockets it serves. Any thread.</summary>
    public int SocketCount => _sockets.Count;

    /// <summary>How many sockets it has taken in and closed, both counted. Any thread.</summary>
    public long Changes => Volatile.Read(ref _changes);

    /// <summary>How many connections it has reset because their peers did not read the last bytes. Any thread.</summary>
    public long ConnectionsCutShort => Volatile.Read(ref _cutShort);

    /// <summary>When the turn that runs began, as <see cref="Stopwatch.GetTimestamp"/>; 0 while the loop waits. Any thread.</summary>
    public long TurnStarted => Volatile.Read(ref _turnStarted);

    /// <summary>The socket whose handler is running. Any thread; a hint.</summary>
    public LoopSocket? Current => _current;

    protected ILogger Logger => _logger;

    protected IReadOnlyList<LoopListener> Listeners => _listeners;

    /// <summary>Starts the thread. Once.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">The kernel refuses what the loop needs; it has ended.</exception>
    public void Start()
    {
        _thread.Start();
        _prepared.Task.GetAwaiter().GetResult();
    }

    /// <summary>Ends the thread: what is still open is reset. Returns when it has ended. Not from a loop's thread.</summary>
    public void Stop()
    {
        _stopping = true;
        Interrupt();
        if (_thread.ThreadState.HasFlag(System.Threading.ThreadState.Unstarted))
        {
            End();
            return;
        }

        _thread.Join();
    }

    /// <summary>Runs an action on the loop's thread, soon; after the loop's end on the thread pool. Any thread.</summary>
    public void Post(Action action)
    {
        _actions.Enqueue(action);
        Interrupt();
    }

    /// <summary>Puts a socket with requests before the loop. Any thread; by <see cref="LoopSocket.Post"/> alone.</summary>
    public void Enqueue(LoopSocket socket)
    {
        LoopSocket? head = Volatile.Read(ref _posted);
        while (true)
        {
            socket.NextPosted = head;
            LoopSocket? seen = Interlocked.CompareExchange(ref _posted, socket, head);
            if (ReferenceEquals(seen, head))
            {
                break;
            }

            head = seen;
        }

        if (head is null)
        {
            Interrupt();
        }
    }

    /// <summary>Takes a connected socket in. Loop thread.</summary>
    public LoopSocket Add(int descriptor, ISocketHandler handler)
    {
        LoopSocket socket = _newSockets.Take();
        Construct(socket, this, descriptor, handler);
        _sockets.Add(socket);
        Volatile.Write(ref _changes, _changes + 1);
        return socket;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = ".ctor")]
    private static extern void Construct(LoopSocket made, Loop loop, int descriptor, ISocketHandler handler);

    /// <summary>Asks for bytes. Loop thread; nothing happens if it was asked before.</summary>
    public abstract void StartReceiving(LoopSocket socket);

    /// <summary>Asks for no more bytes; a few may still come. Loop thread.</summary>
    public abstract void StopReceiving(LoopSocket socket);

    /// <summary>Sends what the handler has, unless a send is under way. Loop thread.</summary>
    public abstract void Send(LoopSocket socket);

    /// <summary>Closes a socket, by a reset if so wished; the handler is told when the kernel has let go of it. Loop thread. Idempotent.</summary>
    public abstract void Close(LoopSocket socket, bool reset);

    /// <summary>Sends what the handler has when this turn ends. Loop thread.</summary>
    public void MarkDirty(LoopSocket socket)
    {
        if (!socket.Has(SocketActivity.Dirty))
        {
            socket.Set(SocketActivity.Dirty);
            _dirty.Add(socket);
        }
    }

    /// <summary>Calls <see cref="ISocketHandler.OnDeadline"/> after a while, up to 200 ms late. One per socket, the first stays. Loop thread.</summary>
    public void SetDeadline(LoopSocket socket, TimeSpan delay)
    {
        if (!socket.Has(SocketActivity.HasDeadline))
        {
            socket.Set(SocketActivity.HasDeadline);
            _deadlines.Add((socket, Environment.TickCount64 + (long)delay.TotalMilliseconds));
            NeedTick();
        }
    }

    /// <summary>Creates what must be created on the loop's own thread.</summary>
    protected virtual void Prepare()
    {
    }

    /// <summary>Waits for events, at most so many milliseconds (-1: for ever), and dispatches them.</summary>
    protected abstract void Wait(int timeout);

    /// <summary>Makes <see cref="Wait"/> return. Any thread.</summary>
    protected abstract void Wake();

    /// <summary>Gives all of the backend's resources back; after the last turn.</summary>
    protected abstract void Release();

    /// <summary>The number by which the kernel's events name a socket.</summary>
    protected ulong NameOf(LoopSocket socket) => _sockets.NameOf(socket);

    /// <summary>The socket of an event; null if the event is about one that was closed since.</summary>
    protected LoopSocket? Find(ulong name) => _sockets.Find(name);

    /// <summary>The kernel has let go of a socket: closes the descriptor and tells the handler.</summary>
    protected void Closed(LoopSocket socket)
    {
        Debug.Assert(socket.Descriptor >= 0, "A descriptor is closed once: its number may be somebody else's by now.");
        _ = Libc.Close(socket.Descriptor);
        socket.Descriptor = -1;
        _sockets.Remove(socket);
        Volatile.Write(ref _changes, _changes + 1);
        if (Reserve is null)
        {
            TryAcceptAgain();
        }

        try
        {
            socket.Handler.OnClosed();
        }
        catch (Exception e)
        {
            // Observers and log sinks of others run in there: the loop carries more connections than this one.
            Report(e);
        }
    }

    /// <summary>Tells of an exception that others' code threw and that concerns no bytes. Any thread.</summary>
    internal void Report(Exception exception) => LoopLog.CallbackFailed(_logger, Number, exception);

    /// <summary>The wait is over: from here to the end of the turn the loop is at work, and looks at its queues before it waits again.</summary>
    protected void BeginTurn()
    {
        Volatile.Write(ref _sleep, Busy);
        Volatile.Write(ref _turnStarted, Stopwatch.GetTimestamp());
    }

    /// <summary>Marks whose handler runs now, for the watchdog.</summary>
    protected void Enter(LoopSocket socket) => _current = socket;

    /// <summary>What follows is no handler's.</summary>
    private void Leave() => _current = null;

    /// <summary>A handler failed, by a fault of ours: its connection ends, the others go on.</summary>
    internal void Fail(LoopSocket socket, Exception exception)
    {
        LoopLog.HandlerFailed(_logger, Number, exception);
        Close(socket, reset: true);
    }

    /// <summary>A peer has not read the last bytes in the time that it had for them: they are lost, and its connection is reset.</summary>
    internal void CutShort(LoopSocket socket, TimeSpan time)
    {
        Volatile.Write(ref _cutShort, _cutShort + 1);
        LoopLog.LastBytesUnread(_logger, Number, time.TotalSeconds);
        Close(socket, reset: true);
    }

    private void Interrupt()
    {
        int state = Interlocked.CompareExchange(ref _sleep, Woken, Asleep);
        if (state == Ended)
        {
            TurnLate();
        }
        else if (state == Asleep && !HeldWakes.TryTake(this))
        {
            WakeUp();
        }
    }

    void ISleeper.Wake() => WakeUp();

    private void WakeUp()
    {
        lock (_wakeLock)
        {
            if (!_released)
            {
                Wake();
            }
        }
    }

    /// <summary>
    /// What is asked for after the end is answered as well, on the thread pool and one at a time: all sockets are closed, but whoever lets go of
    /// one waits to hear so.
    /// </summary>
    private void TurnLate()
    {
        if (Interlocked.Increment(ref _late) == 1)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static loop => loop.RunLate(), this, preferLocal: false);
        }
    }

    private void RunLate()
    {
        int seen;
        do
        {
            seen = Volatile.Read(ref _late);
            RunActions();
            DispatchPosted();
        }
        while (Interlocked.CompareExchange(ref _late, 0, seen) != seen);
    }

    private void Run()
    {
        Blocks.Own();
        try
        {
            Prepare();
        }
        catch (Exception e)
        {
            _stopping = true;
            End();
            _prepared.SetException(e);
            return;
        }

        _prepared.SetResult();
        while (!_stopping)
        {
            // Announce the sleep before looking for work: whoever brings some in between sees it and wakes us.
            Interlocked.Exchange(ref _sleep, Asleep);
            bool work = _dirty.Count > 0 || Volatile.Read(ref _posted) is not null || !_actions.IsEmpty || _stopping;
            if (work)
            {
                _sleep = Busy;
            }

            Wait(work ? 0 : _tickNeeded ? (int)Math.Max(0, _nextTick - Environment.TickCount64) : -1);
            Volatile.Write(ref _sleep, Busy);
            Turn();
        }

        Shut();
    }

    private void RunActions()
    {
        while (_actions.TryDequeue(out Action? action))
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                // The loop carries all of its connections; no single request is worth them.
                Report(e);
            }
        }
    }

    private void Turn()
    {
        Leave();
        RunActions();
        if (Volatile.Read(ref _posted) is not null)
        {
            DispatchPosted();
            Leave();
        }

        // Sending may write more: the list grows while it is walked.
        for (int i = 0; i < _dirty.Count; i++)
        {
            LoopSocket socket = _dirty[i];
            if (socket.Has(SocketActivity.Dirty))
            {
                SendNow(socket);
            }
        }

        _dirty.Clear();
        Shared.Drop();
        if (Blocks.HasSpare)
        {
            NeedTick();
        }

        if (_tickNeeded && Environment.TickCount64 >= _nextTick)
        {
            Tick();
        }

        Volatile.Write(ref _turnStarted, 0);
    }

    /// <summary>Sends what was written by the handler that has just run.</summary>
    protected void SendNow(LoopSocket socket)
    {
        socket.Clear(SocketActivity.Dirty);
        if (socket.IsClosed)
        {
            return;
        }

        try
        {
            Send(socket);
        }
        catch (Exception exception)
        {
            Fail(socket, exception);
        }
    }

    private void DispatchPosted()
    {
        LoopSocket? socket = Interlocked.Exchange(ref _posted, null);

        // Pushed last is first: turn the list around, so that the first to ask is the first to be served.
        LoopSocket? first = null;
        while (socket is not null)
        {
            LoopSocket? next = socket.NextPosted;
            socket.NextPosted = first;
            first = socket;
            socket = next;
        }

        while (first is not null)
        {
            // The link is the socket's again as soon as its requests are taken.
            LoopSocket? next = first.NextPosted;
            first.NextPosted = null;
            int requests = first.TakePosted();
            Enter(first);
            try
            {
                first.Handler.OnPosted(requests);
            }
            catch (Exception exception)
            {
                Fail(first, exception);
            }

            first = next;
        }
    }

    private void RunDeadline(LoopSocket socket)
    {
        try
        {
            socket.Handler.OnDeadline();
        }
        catch (Exception e)
        {
            Fail(socket, e);
        }
    }

    private void Tick()
    {
        _nextTick = Environment.TickCount64 + TickMilliseconds;
        for (int i = _deadlines.Count - 1; i >= 0; i--)
        {
            (LoopSocket socket, long due) = _deadlines[i];
            bool isDue = Environment.TickCount64 >= due;
            if (isDue || socket.Descriptor < 0)
            {
                _deadlines.RemoveAt(i);
                socket.Clear(SocketActivity.HasDeadline);
                if (isDue && !socket.IsClosed)
                {
                    RunDeadline(socket);
                }
            }
        }

        TryAcceptAgain();

        Blocks.Trim();
        _tickNeeded = _deadlines.Count > 0 || _listeners.Exists(static listener => listener.IsExhausted) || Blocks.HasSpare;
    }

    private void NeedTick()
    {
        if (!_tickNeeded)
        {
            _tickNeeded = true;
            _nextTick = Environment.TickCount64 + TickMilliseconds;
        }
    }

    private void Shut()
    {
        foreach (LoopListener listener in _listeners.ToArray())
        {
            Unlisten(listener);
        }

        // Waits for what is still under way with the kernel. That is bounded: on a socket that was shut down it completes at once.
        for (int turns = 0; _sockets.Count > 0 && turns < 1000; turns++)
        {
            _sockets.ForEach(socket => Close(socket, reset: true));

            Turn();
            if (_sockets.Count > 0)
            {
                Wait(10);
            }
        }

        Turn();
        End();
    }

    private void End()
    {
        Blocks.Disown();
        lock (_wakeLock)
        {
            _released = true;
        }

        Release();

        // Announce the end before looking for what came at the last moment: whoever brings some later sees it.
        Interlocked.Exchange(ref _sleep, Ended);
        TurnLate();
    }
}
