using System.Collections.Concurrent;
using Duologue.AspNetCore;

namespace Duologue.Redis;

/// <summary>
/// Messages that were heard of, in that order. They are handed out by one thread at a time, as many together as there are, so that a burst leaves for each
/// subscriber in one system call. Nobody waits for more to come. Thread-safe.
/// </summary>
internal sealed class Inbox(Inbox.Receiver handOut) : IThreadPoolWorkItem
{
    /// <summary>The most at once, in number and in bytes of payload: a fraction of what a send queue holds by default, and so little that others soon have their turn.</summary>
    public const int MaxCount = 64;
    public const int MaxBytes = 16 * 1024;

    private readonly ConcurrentQueue<AppendedMessage> _queue = new();
    private readonly AppendedMessage[] _together = new AppendedMessage[MaxCount];
    private int _isScheduled;

    /// <summary>Takes a batch; never throws.</summary>
    public delegate void Receiver(ReadOnlySpan<AppendedMessage> together);

    public void Add(AppendedMessage message)
    {
        _queue.Enqueue(message);
        Schedule();
    }

    public void Add(List<AppendedMessage> messages)
    {
        foreach (AppendedMessage message in messages)
        {
            _queue.Enqueue(message);
        }

        Schedule();
    }

    void IThreadPoolWorkItem.Execute()
    {
        int count = 0;
        for (long bytes = 0; count < MaxCount && _queue.TryPeek(out AppendedMessage next) && (count == 0 || bytes + next.Message.Data.Length <= MaxBytes);)
        {
            _ = _queue.TryDequeue(out _together[count]);
            bytes += next.Message.Data.Length;
            count++;
        }

        handOut(_together.AsSpan(0, count));
        Array.Clear(_together, 0, count);

        // A full fence: were the look at the queue to overtake this write, whoever adds at this moment could take it for scheduled, and nobody would come for it.
        Interlocked.Exchange(ref _isScheduled, 0);
        if (!_queue.IsEmpty)
        {
            Schedule();
        }
    }

    // Behind what the pool has to do already: more of a burst is then there.
    private void Schedule()
    {
        if (Interlocked.Exchange(ref _isScheduled, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }
}
