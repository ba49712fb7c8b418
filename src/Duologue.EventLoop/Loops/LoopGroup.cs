using System.Diagnostics.Metrics;
using Duologue.EventLoop.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Loops;

/// <summary>The loops of one application, all of one backend.</summary>
internal sealed class LoopGroup : IDisposable
{
    private readonly Loop[] _loops;
    private readonly LoopWatchdog _watchdog;
    private readonly DescriptorReserve _reserve;

    private LoopGroup(Loop[] loops, DescriptorReserve reserve, LoopWatchdog watchdog)
    {
        _loops = loops;
        _reserve = reserve;
        _watchdog = watchdog;
    }

    public IReadOnlyList<Loop> Loops => _loops;

    public static LoopGroup Start(EventLoopBackend backend, EventLoopOptions options, ILogger logger, IMeterFactory? meters)
    {
        var loops = new Loop[options.Loops];
        var reserve = new DescriptorReserve();
        try
        {
            for (int i = 0; i < loops.Length; i++)
            {
                loops[i] = backend == EventLoopBackend.IoUring ? new UringLoop(i, logger) { Reserve = reserve } : new EpollLoop(i, logger) { Reserve = reserve };
                reserve.Join(loops[i]);
            }

            foreach (Loop loop in loops)
            {
                loop.Start();
            }
        }
        catch
        {
            // No half of them: what could be had goes back.
            foreach (Loop? loop in loops)
            {
                loop?.Stop();
            }

            reserve.Dispose();
            throw;
        }

        var watchdog = new LoopWatchdog(loops, options.CollectWhenQuiet, logger, meters);
        watchdog.Start();
        return new LoopGroup(loops, reserve, watchdog);
    }

    /// <summary>Ends all loops; connections that are still open are reset.</summary>
    public void Dispose()
    {
        _watchdog.Dispose();
        foreach (Loop loop in _loops)
        {
            loop.Stop();
        }

        _reserve.Dispose();
    }
}
