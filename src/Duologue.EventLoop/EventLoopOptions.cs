namespace Duologue.EventLoop;

/// <summary>How the event loop talks to the kernel.</summary>
public enum EventLoopBackend
{
    /// <summary>io_uring where the kernel has all that it needs and the sandbox allows it, else epoll.</summary>
    Auto,

    /// <summary>io_uring, or epoll where it cannot run; the log says so.</summary>
    IoUring,

    /// <summary>epoll.</summary>
    Epoll,
}

/// <summary>Options of the event loop. Read once, when the server starts.</summary>
public sealed class EventLoopOptions
{
    /// <summary>The most loops there can be.</summary>
    internal const int MaxLoops = 1024;

    private int _loops = Environment.ProcessorCount;

    /// <summary>How the loops talk to the kernel. Default: <see cref="EventLoopBackend.Auto"/>.</summary>
    public EventLoopBackend Backend { get; set; } = EventLoopBackend.Auto;

    /// <summary>How many loops there are, each with a thread and listeners of its own; 1 to 1,024. Default: one per core (<see cref="Environment.ProcessorCount"/>).</summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than 1, or more than 1,024.</exception>
    public int Loops
    {
        get => _loops;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1, nameof(Loops));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, MaxLoops, nameof(Loops));
            _loops = value;
        }
    }

    /// <summary>
    /// Whether the process's heap is collected once after a burst of 1,000 connections or more that came or went, when no more than 20 have done so in ten
    /// seconds: what the burst left goes back to the system. A heap of up to 64 MiB is compacted, which stops the process for a
    /// moment; a larger one is collected in the background. Default: true.
    /// </summary>
    public bool CollectWhenQuiet { get; set; } = true;
}
