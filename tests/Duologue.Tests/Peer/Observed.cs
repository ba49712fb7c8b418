using System.Collections.Concurrent;

namespace Duologue.Tests.Peer;

/// <summary>What a connection reported to be counted.</summary>
internal sealed class Observed : ConnectionObserver
{
    private int _received;
    private int _pauses;
    private int _sent;
    private int _closed;
    private int _handlerFailures;
    private long _receivedBytes;
    private int _compressed;
    private int _inflated;
    private long _savedSending;
    private long _savedReceiving;

    public int Received => Volatile.Read(ref _received);

    public long ReceivedBytes => Interlocked.Read(ref _receivedBytes);

    /// <summary>How many times reading stopped: all that is read ahead has been.</summary>
    public int Pauses => Volatile.Read(ref _pauses);

    public int Sent => Volatile.Read(ref _sent);

    /// <summary>How many messages were compressed for sending, and the payload that this saved.</summary>
    public (int Count, long Saved) Compressed => (Volatile.Read(ref _compressed), Interlocked.Read(ref _savedSending));

    /// <summary>How many messages came compressed, and the payload that this saved.</summary>
    public (int Count, long Saved) Inflated => (Volatile.Read(ref _inflated), Interlocked.Read(ref _savedReceiving));

    /// <summary>How many times the end was reported: never more than once.</summary>
    public int Closings => Volatile.Read(ref _closed);

    public int HandlerFailures => Volatile.Read(ref _handlerFailures);

    public ConcurrentDictionary<DropReason, int> Drops { get; } = [];

    public int Dropped(DropReason reason) => Drops.GetValueOrDefault(reason);

    public override void MessageReceived(WebSocketConnection connection, int bytes)
    {
        Interlocked.Increment(ref _received);
        Interlocked.Add(ref _receivedBytes, bytes);
    }

    public override void ReadingPaused(WebSocketConnection connection) => Interlocked.Increment(ref _pauses);

    public override void MessageSent(WebSocketConnection connection, int bytes) => Interlocked.Increment(ref _sent);

    public override void MessageCompressed(WebSocketConnection connection, long saved)
    {
        Interlocked.Add(ref _savedSending, saved);
        Interlocked.Increment(ref _compressed);
    }

    public override void MessageInflated(WebSocketConnection connection, long saved)
    {
        Interlocked.Add(ref _savedReceiving, saved);
        Interlocked.Increment(ref _inflated);
    }

    public override void MessagesDropped(WebSocketConnection connection, DropReason reason, int count) =>
        Drops.AddOrUpdate(reason, count, (_, before) => before + count);

    public override void HandlerFailed(WebSocketConnection connection, Exception exception) => Interlocked.Increment(ref _handlerFailures);

    public override void Closed(WebSocketConnection connection, CloseInfo info) => Interlocked.Increment(ref _closed);
}
