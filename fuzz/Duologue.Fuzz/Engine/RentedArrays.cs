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

    private long _outstanding;
    private int _largest;

    private RentedArrays()
    {
    }

    public static RentedArrays Instance { get; } = new();

    /// <summary>Rented less returned.</summary>
    public long Outstanding => Interlocked.Read(ref _outstanding);

    /// <summary>The largest array rented since <see cref="ResetLargest"/>, in bytes.</summary>
    public int Largest => Volatile.Read(ref _largest);

    public void ResetLargest() => Volatile.Write(ref _largest, 0);

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
            if (size > _largest)
            {
                _largest = size;
            }
        }
        else
        {
            Interlocked.Decrement(ref _outstanding);
        }
    }
}
