using System.Buffers;
using Duologue.Protocol;

namespace Duologue.Peer;

/// <summary>A whole frame that waits until the carrier is free: rented by the queue, or shared by many receivers of one broadcast.</summary>
internal readonly struct QueuedFrame
{
    // A rented array that is this many times longer than what it holds is exchanged before it waits.
    private const int Wasteful = 4;

    private readonly byte[]? _rented;

    private QueuedFrame(ReadOnlyMemory<byte> bytes, byte[]? rented, int payloadLength)
    {
        Bytes = bytes;
        _rented = rented;
        PayloadLength = payloadLength;
    }

    public ReadOnlyMemory<byte> Bytes { get; }

    public int PayloadLength { get; }

    /// <summary>
    /// Set if the frame is still to be compressed, when it is written: then its last <see cref="PayloadLength"/> bytes are the message, unmasked.
    /// </summary>
    public Opcode? ToCompress { get; private init; }

    /// <summary>Whether the frame is compressed, and not by the connection's own compressor, which then has to forget.</summary>
    public bool IsForeign { get; private init; }

    /// <summary>Whether nobody will write to its memory again, so that many may send from it.</summary>
    public bool IsShared => _rented is null && ToCompress is null;

    /// <summary>How many bytes of payload were saved where a message was compressed by itself; else 0.</summary>
    public int Saved { get; private init; }

    /// <summary>A frame whose memory nobody will write to again.</summary>
    public static QueuedFrame Shared(ReadOnlyMemory<byte> bytes, int payloadLength) => new(bytes, null, payloadLength);

    /// <summary>A frame in an array of the shared pool.</summary>
    public static QueuedFrame Rented(byte[] array, int length, int payloadLength) => new(array.AsMemory(0, length), array, payloadLength);

    /// <summary>A frame that was compressed for one receiver.</summary>
    public static QueuedFrame Compressed(in FrameBuilder frame, int payloadLength) =>
        new(frame.Bytes, frame.Array, payloadLength) { Saved = payloadLength - frame.PayloadLength };

    /// <summary>A frame that was compressed for many; its memory nobody will write to again.</summary>
    public static QueuedFrame SharedCompressed(ReadOnlyMemory<byte> bytes, int payloadLength) => new(bytes, null, payloadLength)
    {
        IsForeign = true,
        Saved = payloadLength - FrameHeader.PayloadOf(bytes.Length, Role.Server),
    };

    /// <summary>A message that is compressed when it is written, so that a compressor with a context sees only what leaves.</summary>
    /// <param name="opcode">Text or binary.</param>
    /// <param name="data">The message.</param>
    /// <param name="size">What it would take without compression, header included: so much of the queue it has.</param>
    public static QueuedFrame Uncompressed(Opcode opcode, ReadOnlySpan<byte> data, int size)
    {
        byte[] array = ArrayPool<byte>.Shared.Rent(size);
        data.CopyTo(array.AsSpan(size - data.Length));
        return new(array.AsMemory(0, size), array, data.Length) { ToCompress = opcode };
    }

    /// <summary>The same in an array that is not much longer than it. This one must not be used again.</summary>
    public QueuedFrame Compact()
    {
        if (_rented is null || _rented.Length < (long)Wasteful * Bytes.Length)
        {
            return this;
        }

        byte[] fitting = ArrayPool<byte>.Shared.Rent(Bytes.Length);
        Bytes.CopyTo(fitting);
        ArrayPool<byte>.Shared.Return(_rented);
        return new(fitting.AsMemory(0, Bytes.Length), fitting, PayloadLength) { IsForeign = IsForeign, Saved = Saved };
    }

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
