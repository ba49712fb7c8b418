namespace Duologue.AspNetCore;

/// <summary>Where an endpoint's handler runs. The meaning of all else is the same: one call at a time, in order, with control frames answered behind it.</summary>
public enum HandlerScheduling
{
    /// <summary>
    /// On the thread that received the message: on the event loop that loop's own, whose other connections wait meanwhile; on Kestrel's sockets one of
    /// the thread pool, that reads this connection only. The fastest. A handler must not block.
    /// </summary>
    Inline,

    /// <summary>
    /// On the thread pool, with one hop for all messages of a batch. A handler may block, at the price of a thread: no other connection waits for it, and
    /// its own goes on answering pings. It costs a copy and a hop.
    /// </summary>
    ThreadPool,
}
