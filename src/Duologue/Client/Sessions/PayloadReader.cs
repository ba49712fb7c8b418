using Duologue.EngineIo;

namespace Duologue.Client.Sessions;

/// <summary>Cuts a payload into packets while it arrives. Not thread-safe.</summary>
/// <param name="body">The payload.</param>
/// <param name="longest">The longest packet, in bytes.</param>
internal sealed class PayloadReader(Stream body, long longest)
{
    private const int ChunkSize = 16 * 1024;

    private readonly FrameBuffer _buffer = new();
    private int _length;
    private int _searched;
    private bool _taken;
    private bool _isLast;

    /// <summary>The packet that was read; valid until the next call.</summary>
    public ReadOnlySpan<byte> Packet => _buffer.Span[.._length];

    /// <summary>Whether the packet is longer than it may be; then it is not whole.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>Whether another packet, or the end, stands in the buffer already.</summary>
    public bool HasMore => !_isLast && _buffer.Length > _length + 1 && _buffer.Span[(_length + 1)..].Contains(PacketReader.Separator);

    /// <summary>Reads a packet. True if another follows. A payload without a byte has one packet, an empty one.</summary>
    public async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        if (_taken)
        {
            _buffer.Skip(_length + 1);
        }

        _taken = true;
        _searched = 0;
        while (true)
        {
            int found = _buffer.Span[_searched..].IndexOf(PacketReader.Separator);
            if (found >= 0)
            {
                _length = _searched + found;
                IsTooLong = _length > longest;
                return true;
            }

            _searched = _length = _buffer.Length;
            IsTooLong = _length > longest;
            if (IsTooLong)
            {
                return false;
            }

            int count = await body.ReadAsync(_buffer.GetMemory(ChunkSize)[..ChunkSize], cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                _isLast = true;
                return false;
            }

            _buffer.Advance(count);
        }
    }

    public void Release() => _buffer.Release();
}
