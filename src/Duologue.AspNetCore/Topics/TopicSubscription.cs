using System.Threading.Tasks.Sources;
using Duologue.Peer;

namespace Duologue.AspNetCore;

/// <summary>
/// Reads a topic from a place on, at the reader's own pace: what was missed, then what comes, without a gap and without a double. It holds no messages: a reader that
/// is too slow for the history is told so by <see cref="TopicPage.IsReset"/>. Dispose of it when done. Not thread-safe.
/// </summary>
public sealed class TopicSubscription : IDisposable, IValueTaskSource<WaitEnd>, ITimeoutTarget, IThreadPoolWorkItem
{
    private const int PageCount = 100;
    private const int PageBytes = 256 * 1024;

    private readonly TopicHub _hub;
    private readonly Topic _topic;
    private readonly TopicStart _start;
    private ManualResetValueTaskSourceCore<WaitEnd> _source = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _cancellation;
    private TimeoutLink _link;
    private TopicPosition _position;
    private bool _hasPosition;
    private int _waiting;
    private bool _reading;
    private volatile bool _disposed;

    internal TopicSubscription(TopicHub hub, Topic topic, TopicStart start, TopicSubscriber? presentAs)
    {
        _hub = hub;
        _topic = topic;
        _start = start;
        PresentAs = presentAs;
    }

    /// <summary>The topic's name.</summary>
    public string Topic => _topic.Name;

    /// <summary>Behind what was read last: whoever continues after it misses nothing.</summary>
    public TopicPosition Position => _position;

    /// <summary>As whom it stands in the topic's list of subscribers; null if it does not.</summary>
    internal TopicSubscriber? PresentAs { get; }

    /// <summary>What this process has of the topic.</summary>
    internal Topic LocalTopic => _topic;

    // The topic's list of those who wait; guarded by the lock of its publishing.
    internal TopicSubscription? Previous { get; set; }

    internal TopicSubscription? Next { get; set; }

    internal bool IsLinked { get; set; }

    ref TimeoutLink ITimeoutTarget.Link => ref _link;

    /// <summary>Gives what comes next; waits until there is something.</summary>
    /// <param name="cancellationToken">Stops the waiting; nothing is lost by it.</param>
    /// <returns>At least one message, or a reset.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled, or the server stops.</exception>
    /// <exception cref="InvalidOperationException">Another read of this subscription is pending.</exception>
    /// <exception cref="ObjectDisposedException">The subscription is disposed of, perhaps while this waited.</exception>
    public async ValueTask<TopicPage> ReadAsync(CancellationToken cancellationToken)
    {
        // Two would stand in one place of the topic's list, and whoever waits behind it would be lost.
        if (Interlocked.Exchange(ref _reading, true))
        {
            throw new InvalidOperationException("Another read of this subscription is pending. Await it first.");
        }

        try
        {
            while (true)
            {
                TopicPage page = await ReadAvailableAsync(PageCount, PageBytes, cancellationToken).ConfigureAwait(false);
                if (!page.IsEmpty)
                {
                    return page;
                }

                if (await WaitAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false) == WaitEnd.Stopped)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    throw new OperationCanceledException("The server is shutting down.");
                }
            }
        }
        finally
        {
            Volatile.Write(ref _reading, false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _hub.Close(this);

            // Nobody would tell it of anything any more: it looks again, and sees why.
            Wake(WaitEnd.Arrived);
        }
    }

    /// <summary>Gives what is there, perhaps nothing.</summary>
    internal async ValueTask<TopicPage> ReadAvailableAsync(int maxCount, int maxBytes, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        TopicStart from = _hasPosition ? TopicStart.After(_position) : _start;
        if (from.Kind == TopicStartKind.After && _topic.TryReadHere(from.Position, maxCount, maxBytes) is { } here)
        {
            MoveTo(here.Next);
            return here;
        }

        TopicPage page = await _hub.Broker.ReadAsync(Topic, from, maxCount, maxBytes, cancellationToken).ConfigureAwait(false);
        if (page.IsReset)
        {
            _hub.Recovered(Topic, page);
        }

        MoveTo(page.Next);
        return page;
    }

    internal void MoveTo(TopicPosition position) => (_position, _hasPosition) = (position, true);

    /// <summary>Waits until there is something behind <see cref="Position"/>, perhaps.</summary>
    internal ValueTask<WaitEnd> WaitAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        _source.Reset();
        Volatile.Write(ref _waiting, 1);

        // First what ends the waiting, then the waiting: what is set up after it began might outlast it.
        if (timeout != Timeout.InfiniteTimeSpan)
        {
            _hub.Wheel.Schedule(this, timeout);
        }

        _cancellation = cancellationToken.UnsafeRegister(static me => ((TopicSubscription)me!).Wake(WaitEnd.Stopped), this);
        if (!_topic.TryWait(this, out WaitEnd end) || _disposed)
        {
            Wake(end);
        }

        return new ValueTask<WaitEnd>(this, _source.Version);
    }

    /// <summary>Ends the waiting, if it has not ended. What waits runs elsewhere.</summary>
    internal void Wake(WaitEnd end)
    {
        if (Interlocked.Exchange(ref _waiting, 0) == 1)
        {
            _source.SetResult(end);
        }
    }

    // The wheel's thread must not wait for a lock, which what follows may have to.
    void ITimeoutTarget.OnTimeout() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    void IThreadPoolWorkItem.Execute() => Wake(WaitEnd.TimedOut);

    WaitEnd IValueTaskSource<WaitEnd>.GetResult(short token)
    {
        WaitEnd end = _source.GetResult(token);
        _topic.StopWaiting(this);
        _hub.Wheel.Cancel(this);
        _cancellation.Dispose();
        _cancellation = default;
        return end;
    }

    ValueTaskSourceStatus IValueTaskSource<WaitEnd>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<WaitEnd>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}

/// <summary>Why a wait for messages ended.</summary>
internal enum WaitEnd
{
    /// <summary>There may be something to read.</summary>
    Arrived,

    /// <summary>The time is over.</summary>
    TimedOut,

    /// <summary>The waiting was cancelled, or the server stops.</summary>
    Stopped,
}
