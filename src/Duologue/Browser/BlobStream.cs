namespace Duologue.Browser;

/// <summary>Reads a blob's segments one after the other. Forward only; a position is not needed, a slice is.</summary>
internal sealed class BlobStream(IReadOnlyList<BlobSegment> segments, long length) : Stream
{
    private int _next;
    private IBlobSource? _current;
    private long _position;
    private bool _disposed;

    public override bool CanRead => !_disposed;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException("The stream of a Blob does not seek; slice the Blob instead.");
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        while (!buffer.IsEmpty && MoveToSegment())
        {
            int count = _current!.Read(buffer);
            if (count > 0)
            {
                _position += count;
                return count;
            }

            EndSegment();
        }

        return 0;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        while (!buffer.IsEmpty && MoveToSegment())
        {
            int count = await _current!.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (count > 0)
            {
                _position += count;
                return count;
            }

            EndSegment();
        }

        return 0;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("The stream of a Blob does not seek; slice the Blob instead.");

    public override void SetLength(long value) => throw new NotSupportedException("A Blob is immutable.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("A Blob is immutable.");

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            EndSegment();
        }

        base.Dispose(disposing);
    }

    private bool MoveToSegment()
    {
        if (_current is null && _next < segments.Count)
        {
            _current = segments[_next++].Open();
        }

        return _current is not null;
    }

    private void EndSegment()
    {
        _current?.Dispose();
        _current = null;
    }
}
