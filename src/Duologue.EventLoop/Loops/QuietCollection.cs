using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Loops;

/// <summary>
/// After a burst of connections that came or went, once it has been quiet for a while, collects what it left: a server whose messages
/// cost no allocation would else keep the garbage of a reconnect storm, and the pages under it, until the next one.
/// </summary>
internal sealed class QuietCollection
{
    /// <summary>So many connections, opened and closed ones together, make a burst.</summary>
    public const long Burst = 1000;

    /// <summary>A heap up to this is compacted and its pages are given back: that stops the process for a moment. A larger one is collected in the background.</summary>
    private const long CompactLimit = 64 * 1024 * 1024;

    /// <summary>So many that come or go in that time are none: health checks and scrapes never stop.</summary>
    public const long Trickle = 20;

    /// <summary>How long next to nobody must have come or gone.</summary>
    public static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly Func<long> _count;
    private readonly Action _collect;

    // _settled: up to which count bursts were dealt with. _calm and _since: the count and the time since when there was no more than a trickle.
    private long _settled;
    private long _calm;
    private TimeSpan _since;

    /// <param name="count">Connections that were opened or closed so far.</param>
    /// <param name="collect">Collects.</param>
    public QuietCollection(Func<long> count, Action collect)
    {
        _count = count;
        _collect = collect;
    }

    /// <summary>Looks whether it is time. By one thread, now and then.</summary>
    /// <param name="now">The time since some beginning.</param>
    public void Look(TimeSpan now)
    {
        long count = _count();
        if (count - _calm > Trickle)
        {
            (_calm, _since) = (count, now);
            return;
        }

        if (now - _since < Quiet)
        {
            return;
        }

        if (_calm - _settled >= Burst)
        {
            _settled = count;
            _collect();
        }
        else
        {
            // A trickle does not add up to a burst, however long it lasts.
            _settled += count - _calm;
        }

        (_calm, _since) = (count, now);
    }

    /// <summary>Collects the process's heap, as gently as its size asks for, and gives back what the C library keeps.</summary>
    public static void Collect()
    {
        if (GC.GetTotalMemory(forceFullCollection: false) > CompactLimit)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
        }
        else
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }

        TrimNativeHeap();
    }

    // A burst of requests makes the JIT compiler work. The memory that it frees, glibc keeps, for each thread apart.
    private static void TrimNativeHeap()
    {
        try
        {
            _ = Libc.TrimHeap(0);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library, such as musl, which has no such call.
        }
    }
}
