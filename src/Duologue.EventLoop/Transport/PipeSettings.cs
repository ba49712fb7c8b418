using System.Buffers;
using System.IO.Pipelines;

namespace Duologue.EventLoop.Transport;

/// <summary>How the pipes to Kestrel are made; the limits are those of Kestrel's own sockets.</summary>
internal sealed class PipeSettings(MemoryPool<byte> pool)
{
    private const int ReadLimit = 1024 * 1024;
    private const int WriteLimit = 64 * 1024;

    public MemoryPool<byte> Pool { get; } = pool;

    /// <summary>From the loop to Kestrel, whose code runs on the thread pool, never on the loop.</summary>
    public PipeOptions Input { get; } = new(pool, PipeScheduler.ThreadPool, PipeScheduler.Inline, ReadLimit, ReadLimit / 2, useSynchronizationContext: false);

    /// <summary>From Kestrel to the loop, which is only told.</summary>
    public PipeOptions Output { get; } = new(pool, PipeScheduler.Inline, PipeScheduler.ThreadPool, WriteLimit, WriteLimit / 2, useSynchronizationContext: false);
}
