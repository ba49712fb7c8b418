using System.Buffers;
using System.Diagnostics.Tracing;

namespace Duologue.Fuzz.Engine;

/// <summary>
/// Counts what the process has rented of the shared byte pool and not returned, as the pool itself reports it. One per
/// process: it is the same pool for all.
/// </summary>
internal sealed class RentedArrays : EventListener
{
    private const int Rented = 1;
    private const int Returned = 3;

    // The pool calls itself by its hash code.
    private static readonly int BytePool = ArrayPool<byte>.Shared.GetHashCode();

    // The pool reports on the thread that rents or returns.
    [ThreadStatic]
    private static long OutstandingHere;

    [ThreadStatic]
    private static int LargestHere;

    private long _outstanding;

    private RentedArrays()
    {
    }

    public static RentedArrays Instance { get; } = new();

    /// <summary>Rented less returned, by all threads; others than those of the target are among them.</summary>
    public long Outstanding => Interlocked.Read(ref _outstanding);

    /// <summary>Rented less returned, by this thread since the last <see cref="BeginHere"/>.</summary>
    public static long MissingHere => OutstandingHere;

    /// <summary>The largest array that this thread rented since the last <see cref="BeginHere"/>, in bytes.</summary>
    public static int LargestRentedHere => LargestHere;

    /// <summary>Begins to count what this thread does.</summary>
    public static void BeginHere()
    {
        // Nobody listens before the one instance is there.
        _ = Instance;
        OutstandingHere = 0;
        LargestHere = 0;
    }

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "System.Buffers.ArrayPoolEventSource")
        {
            EnableEvents(eventSource, EventLevel.Verbose);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        // The payload of both begins with the buffer's id, its size and the pool's id.
        if (eventData.EventId is not (Rented or Returned) || eventData.Payload is not [_, int size, int pool, ..] || pool != BytePool)
        {
            return;
        }

        if (eventData.EventId == Rented)
        {
            Interlocked.Increment(ref _outstanding);
            OutstandingHere++;
            LargestHere = Math.Max(LargestHere, size);
        }
        else
        {
            Interlocked.Decrement(ref _outstanding);
            OutstandingHere--;
        }
    }
}
