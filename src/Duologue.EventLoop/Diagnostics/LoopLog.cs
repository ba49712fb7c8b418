using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Diagnostics;

/// <summary>What the event loop logs. Ids: 6000 the choice of the backend, 6100 accepting, 6200 the loops' threads.</summary>
internal static partial class LoopLog
{
    /// <summary>The category: it stays when types are renamed.</summary>
    public const string Category = "Duologue.EventLoop";

    [LoggerMessage(6000, LogLevel.Information, "The event loop runs on {Backend} with {Loops} loops: {Reason}", EventName = "BackendChosen")]
    public static partial void BackendChosen(ILogger logger, string backend, int loops, string reason);

    [LoggerMessage(6001, LogLevel.Warning, "The event loop does not run; Kestrel's own sockets carry the connections: {Reason}", EventName = "BackendUnavailable")]
    public static partial void BackendUnavailable(ILogger logger, string reason);

    [LoggerMessage(6002, LogLevel.Information, "The event loop does not run; Kestrel's own sockets carry the connections: {Reason}", EventName = "BackendNotThere")]
    public static partial void BackendNotThere(ILogger logger, string reason);

    [LoggerMessage(6100, LogLevel.Warning, "Accepting on {Endpoint} rests on loop {Loop}: errno {Error}, descriptors or memory have run out. It goes on when a connection ends; raise the limit of open files (ulimit -n).", EventName = "AcceptPaused")]
    public static partial void AcceptPaused(ILogger logger, string endpoint, int loop, int error);

    [LoggerMessage(6101, LogLevel.Information, "Accepting on {Endpoint} goes on on loop {Loop}.", EventName = "AcceptResumed")]
    public static partial void AcceptResumed(ILogger logger, string endpoint, int loop);

    [LoggerMessage(6102, LogLevel.Warning, "Accepting on {Endpoint} failed with errno {Error} on loop {Loop}; it is tried again.", EventName = "AcceptFailed")]
    public static partial void AcceptFailed(ILogger logger, string endpoint, int error, int loop);

    [LoggerMessage(6201, LogLevel.Warning, "Loop {Loop} has been at one turn for {Milliseconds:F0} ms: a handler at {Endpoint} blocks it, and all connections of the loop with it. Await instead of blocking, or hand the work to another thread.", EventName = "LoopBlocked")]
    public static partial void LoopBlocked(ILogger logger, int loop, double milliseconds, string endpoint);

    [LoggerMessage(6205, LogLevel.Information, "Loop {Loop} has been at one turn for {Milliseconds:F0} ms, in no handler: the machine is short of CPU, or the process stood still (compilation, collection).", EventName = "LoopHeldUp")]
    public static partial void LoopHeldUp(ILogger logger, int loop, double milliseconds);

    [LoggerMessage(6202, LogLevel.Error, "Loop {Loop}: a callback threw; the loop goes on without it.", EventName = "CallbackFailed")]
    public static partial void CallbackFailed(ILogger logger, int loop, Exception exception);

    [LoggerMessage(6203, LogLevel.Error, "Loop {Loop} has ended, but the kernel has not let go of {Requests} requests: their memory is left as it is.", EventName = "KernelHolds")]
    public static partial void KernelHolds(ILogger logger, int loop, uint requests);

    [LoggerMessage(6204, LogLevel.Debug, "Loop {Loop} reset a connection that was closing: its peer did not read the last bytes within {Seconds:F0} s.", EventName = "LastBytesUnread")]
    public static partial void LastBytesUnread(ILogger logger, int loop, double seconds);

    [LoggerMessage(6200, LogLevel.Error, "Loop {Loop} reset a connection: its transport failed unexpectedly.", EventName = "HandlerFailed")]
    public static partial void HandlerFailed(ILogger logger, int loop, Exception exception);
}
