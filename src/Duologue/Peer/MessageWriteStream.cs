using System.Buffers;
using Duologue.Protocol;

namespace Duologue.Peer;

/// <summary>
/// A message that is written piecewise: each full buffer leaves as a fragment (RFC 6455 §5.4), disposing sends the last.
/// From its first fragment to its last it holds the connection's turn, so that no other message comes between.
/// Not thread-safe.
/// </summary>
internal sealed class MessageWriteStream(WebSocketConnection connection, MessageType type, MessageFlags flags) : Stream
{
    private const int FirstSize = 16 * 1024;
    private const int LargestSize = 1024 * 1024;

    // Fragments grow with the message, so that one of 4 GiB still has fewer than the 4,096 that peers commonly allow.
    private const int GrowthShift = 8;

    private int _size = FirstSize;
    private byte[]? _buffer;
    private int _count;
    private bool _hasTurn;
    private bool _begun;
    private bool _compressed;
    private bool _ended;
    private bool _cut;
    private long _sent;
    private Utf8Validator _utf8;

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => !_ended;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_ended, this);
        if (_cut)
        {
            throw new InvalidOperationException("An earlier write of this message was cancelled, so that it cannot be finished. Dispose it.");
        }

        if (type == MessageType.Text && !_utf8.Append(buffer.Span))
        {
            Break();
            throw new ArgumentException("The text is not valid UTF-8; the message could not be finished and the connection closes.", nameof(buffer));
        }

        while (!buffer.IsEmpty)
        {
            if (_count == _size)
            {
                await SendPieceAsync(cancellationToken).ConfigureAwait(false);
                Grow();
            }

            _buffer ??= ArrayPool<byte>.Shared.Rent(_size);
            int count = Math.Min(buffer.Length, _size - _count);
            buffer.Span[..count].CopyTo(_buffer.AsSpan(_count));
            _count += count;
            buffer = buffer[count..];
        }
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Sends what is buffered as a fragment.</summary>
    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (_count > 0)
        {
            await SendAsync(fin: false, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Blocks until the carrier has room: only for code that has no other way.</summary>
    public override void Write(byte[] buffer, int offset, int count) =>
        WriteAsync(buffer.AsMemory(offset, count), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <summary>Blocks until the carrier has room: only for code that has no other way.</summary>
    public override void Flush() => FlushAsync(CancellationToken.None).GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Ends the message.</summary>
    /// <exception cref="ConnectionClosedException">The connection closed before the message was sent whole.</exception>
    public override async ValueTask DisposeAsync()
    {
        if (_ended)
        {
            return;
        }

        if (_cut)
        {
            Break();
            return;
        }

        if (type == MessageType.Text && !_utf8.IsComplete)
        {
            Break();
            throw new InvalidOperationException("The text ends within a character; the message could not be finished and the connection closes.");
        }

        try
        {
            await SendAsync(fin: true, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            End();
            await base.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Ends the message, blocking; prefer <see cref="DisposeAsync"/>.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_ended)
        {
            DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        base.Dispose(disposing);
    }

    /// <summary>The message will never be whole: disposing the stream then closes the connection if any of it has left.</summary>
    internal void Cut() => _cut = true;

    private async ValueTask SendPieceAsync(CancellationToken cancellationToken)
    {
        try
        {
            await SendAsync(fin: false, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The caller cannot know how much of its buffer was taken, so the message cannot go on.
            _cut = true;
            throw;
        }
    }

    private async ValueTask SendAsync(bool fin, CancellationToken cancellationToken)
    {
        if (!_hasTurn)
        {
            await connection.EnterTurnAsync(cancellationToken).ConfigureAwait(false);
            _hasTurn = true;
        }

        if (!_begun)
        {
            // What is not the whole message by now is longer than any threshold, as far as anybody knows.
            _compressed = connection.Compresses(fin ? _count : long.MaxValue, flags);
        }

        Opcode opcode = _begun ? Opcode.Continuation : type.ToOpcode();
        long mark = await connection.WriteFragmentAsync(opcode, fin, _compressed, _buffer.AsMemory(0, _count), cancellationToken).ConfigureAwait(false);
        _begun = true;
        _sent += _count;
        _count = 0;
        if (fin)
        {
            connection.OnPiecewiseSent(_sent);
        }

        await connection.WaitUntilTakenAsync(mark, cancellationToken).ConfigureAwait(false);
    }

    private void Grow()
    {
        while (_size < LargestSize && _sent >> GrowthShift > _size)
        {
            _size *= 2;
        }

        if (_buffer!.Length < _size)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = null;
        }
    }

    /// <summary>Half a message cannot be withdrawn (RFC 6455 §5.4): if any of it has left, only closing is honest.</summary>
    private void Break()
    {
        if (_begun)
        {
            connection.BeginClose(CloseFrame.InternalError, "A message could not be finished.", CloseCause.LocalClose);
        }

        End();
    }

    private void End()
    {
        _ended = true;
        if (_hasTurn)
        {
            _hasTurn = false;
            connection.LeaveTurn();
        }

        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
