namespace Duologue.EventLoop.Loops;

/// <summary>
/// One socket on its loop: the descriptor, what the loop is doing with it, and who its bytes are for. It stays the same when
/// the handler changes. All but <see cref="Post"/> belongs to the loop's thread.
/// </summary>
internal sealed class LoopSocket(Loop loop, int descriptor, ISocketHandler handler)
{
    // Requests of other threads that the loop has not seen yet.
    private int _posted;

    public Loop Loop { get; } = loop;

    /// <summary>The file descriptor; -1 when closed.</summary>
    public int Descriptor { get; set; } = descriptor;

    public ISocketHandler Handler { get; set; } = handler;

    /// <summary>Its place in the loop's table.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>What the loop is doing with it.</summary>
    public SocketActivity Activity { get; set; }

    /// <summary>How many receives in a row brought little, while <see cref="SocketActivity.Bulk"/> holds.</summary>
    public byte SmallReceives { get; set; }

    /// <summary>The loop's own link of the sockets with requests; nobody else touches it.</summary>
    public LoopSocket? NextPosted { get; set; }

    public bool IsClosed => Descriptor < 0 || Has(SocketActivity.Closing);

    public bool Has(SocketActivity activity) => (Activity & activity) != 0;

    public void Set(SocketActivity activity) => Activity |= activity;

    public void Clear(SocketActivity activity) => Activity &= ~activity;

    /// <summary>Asks the handler for something, on the loop's thread, soon. Any thread. Several requests until then become one call.</summary>
    /// <param name="requests">Bits, the handler's own.</param>
    public void Post(int requests)
    {
        if (Interlocked.Or(ref _posted, requests) == 0)
        {
            Loop.Enqueue(this);
        }
    }

    /// <summary>The loop takes the requests.</summary>
    public int TakePosted() => Interlocked.Exchange(ref _posted, 0);
}

/// <summary>What is under way with a socket. Which of these a backend uses is its own affair.</summary>
[Flags]
internal enum SocketActivity : ushort
{
    None = 0,

    /// <summary>The handler wants bytes.</summary>
    Receiving = 1,

    /// <summary>The kernel has been asked for bytes and will answer.</summary>
    ReceiveArmed = 2,

    /// <summary>A send is with the kernel, or waits until the socket takes bytes again.</summary>
    Sending = 4,

    /// <summary>There is something to send at the end of the turn.</summary>
    Dirty = 8,

    /// <summary>The descriptor is known to epoll.</summary>
    Registered = 16,

    /// <summary>It will be closed when the kernel has let go of it.</summary>
    Closing = 32,

    /// <summary>A request to stop receiving is with the kernel.</summary>
    Cancelling = 64,

    /// <summary>A time was set for it.</summary>
    HasDeadline = 128,

    /// <summary>Much comes at once: it is received and sent by plain calls, into and from where the bytes belong.</summary>
    Bulk = 256,

    /// <summary>The kernel was asked to say when there are bytes, not to bring them.</summary>
    Polling = 512,
}

/// <summary>What other threads ask of a socket's handler. One numbering for all handlers: a request may outlive a change of the handler.</summary>
[Flags]
internal enum SocketRequest
{
    None = 0,

    /// <summary>Kestrel has written.</summary>
    OutputReady = 1,

    /// <summary>Kestrel has read, so that there is room again.</summary>
    InputRead = 2,

    /// <summary>Kestrel ends the connection by force.</summary>
    AbortPipes = 4,

    /// <summary>Kestrel has let go of the connection.</summary>
    Release = 8,

    /// <summary>Frames were handed over.</summary>
    Send = 16,

    /// <summary>The conversation takes bytes again.</summary>
    Resume = 32,

    /// <summary>The conversation has said its last.</summary>
    Complete = 64,

    /// <summary>The conversation ends by force.</summary>
    Abort = 128,
}
