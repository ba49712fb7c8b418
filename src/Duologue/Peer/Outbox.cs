using System.Buffers;

namespace Duologue.Peer;

/// <summary>A whole frame that waits until the carrier is free: rented by the queue, or shared by many receivers of one broadcast.</summary>
internal readonly struct QueuedFrame
{
    private readonly byte[]? _rented;

    private QueuedFrame(ReadOnlyMemory<byte> bytes, byte[]? rented, int payloadLength)
    {
        Bytes = bytes;
        _rented = rented;
        PayloadLength = payloadLength;
    }

    public ReadOnlyMemory<byte> Bytes { get; }

    public int PayloadLength { get; }

    /// <summary>A frame whose memory nobody will write to again.</summary>
    public static QueuedFrame Shared(ReadOnlyMemory<byte> bytes, int payloadLength) => new(bytes, null, payloadLength);

    /// <summary>A frame in an array of the shared pool.</summary>
    public static QueuedFrame Rented(byte[] array, int length, int payloadLength) => new(array.AsMemory(0, length), array, payloadLength);

    public void Release()
    {
        if (_rented is not null)
        {
            ArrayPool<byte>.Shared.Return(_rented);
        }
    }
}

/// <summary>
/// The frames that wait behind a busy carrier, oldest first. Not thread-safe: its connection's lock guards it. The bound is
/// the connection's send-queue limit, kept by the connection's policy.
/// </summary>
internal struct Outbox
{
    private PooledQueue<QueuedFrame> _frames;

    /// <summary>The bytes that wait, frame headers included.</summary>
    public long Bytes { get; private set; }

    public readonly int Count => _frames.Count;

    public void Add(QueuedFrame frame)
    {
        _frames.Enqueue(frame);
        Bytes += frame.Bytes.Length;
    }

    public QueuedFrame Take()
    {
        if (!_frames.TryDequeue(out QueuedFrame frame))
        {
            throw new InvalidOperationException("Nothing waits.");
        }

        Bytes -= frame.Bytes.Length;
        return frame;
    }

    /// <summary>Releases the oldest frames until <paramref name="room"/> bytes are free below <paramref name="limit"/>.</summary>
    /// <returns>How many were dropped.</returns>
    public int DropOldest(long otherBytes, long room, long limit)
    {
        int dropped = 0;
        while (Count > 0 && otherBytes + Bytes + room > limit)
        {
            Take().Release();
            dropped++;
        }

        return dropped;
    }

    /// <summary>Releases everything. Returns how many frames that were.</summary>
    public int Clear()
    {
        int count = Count;
        while (Count > 0)
        {
            Take().Release();
        }

        return count;
    }
}
