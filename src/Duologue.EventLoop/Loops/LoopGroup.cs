using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Loops;

/// <summary>The loops of one application, all of one backend.</summary>
internal sealed class LoopGroup : IDisposable
{
    private readonly Loop[] _loops;

    private LoopGroup(Loop[] loops) => _loops = loops;

    public IReadOnlyList<Loop> Loops => _loops;

    public static LoopGroup Start(EventLoopBackend backend, int count, ILogger logger)
    {
        var loops = new Loop[count];
        for (int i = 0; i < count; i++)
        {
            loops[i] = backend == EventLoopBackend.IoUring ? new UringLoop(i, logger) : new EpollLoop(i, logger);
        }

        foreach (Loop loop in loops)
        {
            loop.Start();
        }

        return new LoopGroup(loops);
    }

    /// <summary>Ends all loops; connections that are still open are reset.</summary>
    public void Dispose()
    {
        foreach (Loop loop in _loops)
        {
            loop.Stop();
        }
    }
}
