using System.Runtime.InteropServices;

namespace Duologue.EventLoop.Loops;

/// <summary>Which backend runs, if any, and why: the sentence of the log line.</summary>
internal sealed record BackendChoice(EventLoopBackend? Backend, string Reason)
{
    public static BackendChoice For(EventLoopBackend wanted)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture is not (Architecture.X64 or Architecture.Arm64))
        {
            return new(null, $"it needs Linux on x64 or arm64; this is {RuntimeInformation.OSDescription} on {RuntimeInformation.ProcessArchitecture}.");
        }

        if (wanted == EventLoopBackend.Epoll)
        {
            return EpollLoop.FindObstacle() is { } obstacle ? new(null, obstacle) : new(EventLoopBackend.Epoll, "as the options ask.");
        }

        if (UringLoop.FindObstacle() is not { } missing)
        {
            return new(EventLoopBackend.IoUring, wanted == EventLoopBackend.IoUring ? "as the options ask." : "the kernel has all that it needs.");
        }

        // Asked for by name or not: a server that serves a little slower is better than none, and the log tells.
        return EpollLoop.FindObstacle() is { } none ? new(null, $"{missing} {none}") : new(EventLoopBackend.Epoll, $"io_uring cannot run here: {missing}");
    }

    public static string NameOf(EventLoopBackend backend) => backend == EventLoopBackend.IoUring ? "io_uring" : "epoll";
}
