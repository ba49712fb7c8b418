namespace Duologue.Protocol.Deflate;

/// <summary>
/// The decompression of what one peer sends: a decompressor of its own if messages refer to earlier ones, else one that is borrowed from a
/// message's first byte to its last. Not thread-safe: it is the carrier's thread's.
/// </summary>
internal sealed class MessageInflater(DeflateAgreement agreement) : IDisposable
{
    // RFC 7692 §7.2.2: what the sender left off.
    private static ReadOnlySpan<byte> Tail => [0x00, 0x00, 0xFF, 0xFF];

    // With a last, empty block behind it: only from between two blocks does that end the stream, so that a message cut short is found out.
    private static ReadOnlySpan<byte> LastTail => [0x00, 0x00, 0xFF, 0xFF, 0x03, 0x00];

    private Inflater? _inflater;

    // Whether the message has had any byte, and whether its last one ended a last block.
    private bool _started;
    private bool _atEnd;

    /// <summary>
    /// Whether the next byte of input has been taken in truth: while there may be more to come of it than there is room for, the carrier is told
    /// that it was not, so that it comes again when there is room.
    /// </summary>
    public bool HoldsByte { get; set; }

    /// <summary>How many bytes the message under way has made so far, less those that came for it.</summary>
    public long Saved { get; private set; }

    /// <summary>Whether the connection holds a decompressor at this moment.</summary>
    public bool HoldsMemory => _inflater is not null;

    /// <summary>Decompresses; see <see cref="Inflater.Inflate"/>. False if the bytes are no DEFLATE.</summary>
    public bool TryInflate(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int produced)
    {
        _inflater ??= Open();
        if (!_started)
        {
            Saved = 0;
        }

        _started |= !input.IsEmpty;
        InflateStatus status = _inflater.Inflate(input, output, out consumed, out produced);
        Saved += produced - consumed;
        switch (status)
        {
            case InflateStatus.Corrupt:
                return false;
            case InflateStatus.End:
                // RFC 7692 §7.2.3.5: a block may say that it is the last, and others follow. A compressor that has ended begins anew, and
                // refers to nothing before it.
                _inflater.Reset();
                _atEnd = true;
                return true;
            default:
                _atEnd &= consumed == 0;
                return true;
        }
    }

    /// <summary>All bytes of a message have been decompressed. False if they break off within a block.</summary>
    public bool TryEnd()
    {
        bool whole = true;
        Saved = _started ? Saved : 0;
        if (_started && !_atEnd)
        {
            // Whatever it makes is too much: all that the message says came before. One byte, so as to see it.
            Span<byte> excess = stackalloc byte[1];
            ReadOnlySpan<byte> tail = agreement.ReceivesWithContext ? Tail : LastTail;
            InflateStatus expected = agreement.ReceivesWithContext ? InflateStatus.Ok : InflateStatus.End;
            whole = _inflater!.Inflate(tail, excess, out int consumed, out int produced) == expected && consumed == tail.Length && produced == 0;
        }

        _started = false;
        _atEnd = false;
        if (!agreement.ReceivesWithContext)
        {
            Release();
        }

        return whole;
    }

    /// <summary>Nothing more will be decompressed.</summary>
    public void Dispose()
    {
        if (agreement.ReceivesWithContext)
        {
            _inflater?.Dispose();
            _inflater = null;
        }
        else
        {
            Release();
        }
    }

    private Inflater Open() =>
        (agreement.ReceivesWithContext ? Inflater.TryCreate(agreement.ReceiveWindowBits) : SharedStreams.RentInflater())
        ?? throw new InsufficientMemoryException("zlib has no memory to inflate a message.");

    private void Release()
    {
        if (_inflater is { } inflater)
        {
            _inflater = null;
            SharedStreams.Return(inflater);
        }
    }
}
