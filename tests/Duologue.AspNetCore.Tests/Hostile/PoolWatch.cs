using System.Buffers;
using System.Diagnostics.Tracing;

namespace Duologue.AspNetCore.Tests.Hostile;

/// <summary>
/// Counts what the process has rented of the shared byte pool and not returned, as the pool itself reports it. An array that is
/// lost to the garbage collector counts for ever; one that is returned to a full pool and dropped there counts as returned.
/// </summary>
/// <remarks>Kestrel's own buffers are of another pool and show in the managed memory.</remarks>
internal sealed class PoolWatch : EventListener
{
    private const int Rented = 1;
    private const int Returned = 3;

    // The pool calls itself by its hash code.
    private static readonly int BytePool = ArrayPool<byte>.Shared.GetHashCode();

    private long _outstanding;

    /// <summary>Rented less returned since the watch began.</summary>
    public long Outstanding => Interlocked.Read(ref _outstanding);

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
        if (eventData.EventId is Rented or Returned && eventData.Payload is [_, _, int pool, ..] && pool == BytePool)
        {
            Interlocked.Add(ref _outstanding, eventData.EventId == Rented ? 1 : -1);
        }
    }
}
