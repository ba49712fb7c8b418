using System.Buffers;

namespace Duologue.Peer;

/// <summary>
/// A message in the pieces in which it arrived: filled by the carrier's thread, read as a stream, or joined for who wants
/// it whole. Thread-safe for one writer and one reader; its lock is a leaf.
/// </summary>
internal sealed class IncomingMessage(WebSocketConnection connection, MessageType type) : MessageStream
{
    private readonly Lock _lock = new();
    private readonly Queue<Piece> _pieces = new();
    private Piece? _last;
    private int _offset;
    private bool _complete;
    private bool _failed;
    private bool _disposed;
    private TaskCompletionSource? _arrived;

    /// <inheritdoc/>
    public override MessageType Type => type;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>In how many arrays the unread bytes lie.</summary>
    public int PieceCount
    {
        get
        {
            lock (_lock)
            {
                return _pieces.Count;
            }
        }
    }

    /// <summary>All bytes that came so far.</summary>
    public long Total { get; private set; }

    public static IncomingMessage FromWhole(WebSocketConnection connection, MessageType type, byte[]? array, int length)
    {
        var message = new IncomingMessage(connection, type);
        if (array is not null)
        {
            message.Append(array, length);
        }

        message.Complete();
        return message;
    }

    /// <summary>Adds a piece; the array, of the shared pool, becomes the message's own.</summary>
    public void Append(byte[] array, int length)
    {
        TaskCompletionSource? arrived;
        lock (_lock)
        {
            if (_disposed)
            {
                ArrayPool<byte>.Shared.Return(array);
                return;
            }

            Total += length;
            if (_last is { } last && last.Array.Length - last.Length >= length)
            {
                // A peer that sends byte by byte must not make each byte cost an array.
                array.AsSpan(0, length).CopyTo(last.Array.AsSpan(last.Length));
                last.Length += length;
                ArrayPool<byte>.Shared.Return(array);
            }
            else
            {
                _last = new Piece(array) { Length = length };
                _pieces.Enqueue(_last);
            }

            connection.OnPieceAdded(length);
            (arrived, _arrived) = (_arrived, null);
        }

        arrived?.TrySetResult();
    }

    public void Complete() => Finish(failed: false);

    /// <summary>The connection ended before the message did.</summary>
    public void Fail() => Finish(failed: true);

    /// <summary>The whole of a complete message in one array of the shared pool.</summary>
    public byte[]? Join()
    {
        if (Total == 0)
        {
            return null;
        }

        byte[] whole = ArrayPool<byte>.Shared.Rent((int)Total);
        int at = 0;
        _last = null;
        while (_pieces.TryDequeue(out Piece? piece))
        {
            piece.Array.AsSpan(0, piece.Length).CopyTo(whole.AsSpan(at));
            at += piece.Length;
            ArrayPool<byte>.Shared.Return(piece.Array);
        }

        connection.OnPieceTaken(at);
        return whole;
    }

    /// <summary>Lets go of what was not read, and of what still comes. A read that waits ends.</summary>
    public void ReleaseAll()
    {
        int held = 0;
        TaskCompletionSource? arrived;
        lock (_lock)
        {
            _disposed = true;
            _last = null;
            (arrived, _arrived) = (_arrived, null);
            while (_pieces.TryDequeue(out Piece? piece))
            {
                held += piece.Length;
                ArrayPool<byte>.Shared.Return(piece.Array);
            }

            held -= _offset;
            _offset = 0;
        }

        arrived?.TrySetResult();
        if (held > 0)
        {
            connection.OnPieceTaken(held);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Task arrived;
            int taken = 0;
            bool ended = false;
            bool failed = false;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                while (taken < buffer.Length && _pieces.TryPeek(out Piece? piece))
                {
                    int count = Math.Min(piece.Length - _offset, buffer.Length - taken);
                    piece.Array.AsSpan(_offset, count).CopyTo(buffer.Span[taken..]);
                    taken += count;
                    _offset += count;
                    if (_offset == piece.Length)
                    {
                        _pieces.Dequeue();
                        _offset = 0;
                        _last = _pieces.Count == 0 ? null : _last;
                        ArrayPool<byte>.Shared.Return(piece.Array);
                    }
                }

                if (taken == 0 && buffer.Length > 0)
                {
                    ended = _complete;
                    failed = _failed;
                }

                arrived = taken > 0 || ended || failed || buffer.Length == 0
                    ? Task.CompletedTask
                    : (_arrived ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            if (taken > 0)
            {
                connection.OnPieceTaken(taken);
                return taken;
            }

            if (failed)
            {
                throw connection.ClosedException();
            }

            if (ended)
            {
                connection.OnStreamDone(this);
            }

            if (ended || buffer.Length == 0)
            {
                return 0;
            }

            await arrived.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Blocks until bytes have come: only for code that has no other way.</summary>
    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer.AsMemory(offset, count), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>Skips what was not read.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            connection.OnStreamDone(this);
            ReleaseAll();
        }

        base.Dispose(disposing);
    }

    private void Finish(bool failed)
    {
        TaskCompletionSource? arrived;
        lock (_lock)
        {
            _complete = !failed;
            _failed = failed;
            (arrived, _arrived) = (_arrived, null);
        }

        arrived?.TrySetResult();
    }

    /// <summary>An array of the shared pool, filled up to its length.</summary>
    private sealed class Piece(byte[] array)
    {
        public byte[] Array => array;

        public int Length { get; set; }
    }
}
