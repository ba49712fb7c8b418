namespace Duologue.Protocol.Deflate;

/// <summary>
/// The compression of what one peer sends: by a compressor of its own if messages may refer to earlier ones, else by one that is borrowed for the
/// message. Its lock is a leaf; it keeps the end of the connection from freeing a compressor that is at work.
/// </summary>
internal sealed class MessageDeflater(DeflateAgreement agreement) : IDisposable
{
    /// <summary>Up to this, room is made for the worst; above, for half of it at first.</summary>
    private const int SmallMessage = 16 * 1024;

    private readonly Lock _lock = new();

    // The connection's own, or the one that is borrowed for a message in fragments.
    private Deflater? _deflater;
    private bool _inMessage;
    private bool _stale;
    private bool _disposed;

    /// <summary>
    /// Whether messages refer to earlier ones: then they must be compressed in the order in which they leave, and only if they do leave.
    /// </summary>
    public bool HasContext => agreement.SendsWithContext;

    /// <summary>How far back messages may refer.</summary>
    public int WindowBits => agreement.SendWindowBits;

    /// <summary>Whether the connection holds a compressor at this moment.</summary>
    public bool HoldsMemory => _deflater is not null;

    /// <summary>Whether a message is to be compressed. One of no bytes cannot become smaller.</summary>
    public bool Wants(long length, MessageFlags flags) =>
        length > 0 && length >= agreement.Threshold && agreement.SendWindowBits != 0 && (flags & MessageFlags.DisableCompression) == 0;

    /// <summary>Compresses a whole message by a borrowed compressor: it refers to nothing before it, and may be sent by and by, or not at all. Any thread.</summary>
    /// <returns>False if it is better sent as it is: it became no smaller, or there is no memory.</returns>
    public static bool TryCompressAlone(ReadOnlySpan<byte> data, int windowBits, ref FrameBuilder into)
    {
        if (SharedStreams.RentDeflater(FittingWindow(data.Length, windowBits)) is not { } deflater)
        {
            return false;
        }

        Compress(deflater, data, ZLib.FullFlush, isLast: true, ref into);
        SharedStreams.Return(deflater);
        return into.PayloadLength < data.Length;
    }

    /// <summary>
    /// The window to compress a message with that refers to itself only: none of its references is longer than the message, so that most need no
    /// smaller one than the largest, and share their compressors and frames.
    /// </summary>
    public static int FittingWindow(int length, int windowBits) => length <= 1 << windowBits ? Compression.LargestWindow : windowBits;

    /// <summary>
    /// Compresses a message, or a fragment of one. For whoever owns the output: what is compressed is what is sent next.
    /// </summary>
    /// <param name="data">The bytes.</param>
    /// <param name="isFirst">They are the message's first.</param>
    /// <param name="isLast">They are its last.</param>
    /// <param name="into">Takes the payload.</param>
    /// <returns>False if it must be sent as it is; then so must the rest of the message.</returns>
    public bool TryCompress(ReadOnlySpan<byte> data, bool isFirst, bool isLast, ref FrameBuilder into)
    {
        lock (_lock)
        {
            if (_disposed || !(isFirst ? Begin() : _inMessage))
            {
                return false;
            }

            _inMessage = !isLast;
            Compress(_deflater!, data, isLast && !HasContext ? ZLib.FullFlush : ZLib.SyncFlush, isLast, ref into);
            if (isLast && !HasContext)
            {
                SharedStreams.Return(_deflater!);
                _deflater = null;

                // Alone and no smaller: nobody will refer to it. With a context it leaves as it is, for the peer's window must follow ours.
                return !isFirst || into.PayloadLength < data.Length;
            }

            return true;
        }
    }

    /// <summary>
    /// The peer was sent a compressed message that this compressor has not seen. Its window is no longer ours: the next message must refer to nothing
    /// before it.
    /// </summary>
    public void LoseContext()
    {
        lock (_lock)
        {
            _stale = true;
        }
    }

    /// <summary>Nothing more will be sent.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            if (_deflater is not { } deflater)
            {
                return;
            }

            _deflater = null;
            if (HasContext)
            {
                deflater.Dispose();
            }
            else
            {
                deflater.Forget();
                SharedStreams.Return(deflater);
            }
        }
    }

    private bool Begin()
    {
        _deflater ??= HasContext ? Deflater.TryCreate(agreement.SendWindowBits) : SharedStreams.RentDeflater(agreement.SendWindowBits);
        if (_stale)
        {
            _stale = false;
            _deflater?.Forget();
        }

        return _deflater is not null;
    }

    private static void Compress(Deflater deflater, ReadOnlySpan<byte> data, int flush, bool isLast, ref FrameBuilder into)
    {
        const int Slack = 64;
        int guess = data.Length <= SmallMessage ? data.Length + (data.Length >> 3) + Slack : data.Length / 2;
        while (true)
        {
            Span<byte> room = into.GetRoom(guess);
            deflater.Deflate(data, room, flush, out int consumed, out int produced);
            into.Advance(produced);
            data = data[consumed..];
            if (produced < room.Length)
            {
                break;
            }

            guess = Math.Max(Slack, data.Length / 2);
        }

        if (!isLast)
        {
            return;
        }

        // RFC 7692 §7.2.1: the empty block of the flush loses its last four bytes; of no bytes at all is left the first of such a block (§7.2.3.6).
        if (into.Payload.EndsWith((ReadOnlySpan<byte>)[0x00, 0x00, 0xFF, 0xFF]))
        {
            into.Advance(-4);
        }

        if (into.PayloadLength == 0)
        {
            into.Append([0x00]);
        }
    }
}
