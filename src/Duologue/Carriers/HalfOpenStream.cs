using System.Net.Security;
using System.Runtime.CompilerServices;

namespace Duologue.Carriers;

/// <summary>
/// The bytes of a WebSocket of its own, below .NET's HTTP client: passes all through, but for the end. The HTTP client ends a connection as a
/// whole, and at once, when it has read the peer's end; here that end is kept from it, so that answers that are due still leave. And
/// where the bytes are a TLS session, the peer is told when it ends (<see cref="TlsEnd"/>).
/// </summary>
internal sealed class HalfOpenStream(Stream inner) : Stream
{
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Action? _onEnd;
    private int _ending;

    public override bool CanRead => inner.CanRead;

    public override bool CanWrite => inner.CanWrite;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>
    /// From now on the peer's end does not complete a read: it is told by a call, from within that read, which then waits until the stream is
    /// disposed. Before the first read behind the handshake.
    /// </summary>
    public void KeepOpen(Action onEnd) => _onEnd = onEnd;

    public override int Read(Span<byte> buffer) => inner.Read(buffer);

    public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ValueTask<int> read = inner.ReadAsync(buffer, cancellationToken);

        // A read of no bytes only waits for some.
        return _onEnd is null || buffer.IsEmpty ? read : WatchAsync(read);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(ReadOnlySpan<byte> buffer) => inner.Write(buffer);

    public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(buffer, cancellationToken);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        inner.WriteAsync(buffer, offset, count, cancellationToken);

    public override void Flush() => inner.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await EndAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            // Never throws, and does not wait here: whoever disposes may be a timer.
            _ = EndAsync();
        }

        base.Dispose(disposing);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> WatchAsync(ValueTask<int> read)
    {
        int count = await read.ConfigureAwait(false);
        if (count == 0)
        {
            _onEnd!();
            await _disposed.Task.ConfigureAwait(false);
        }

        return count;
    }

    private async Task EndAsync()
    {
        if (Interlocked.Exchange(ref _ending, 1) != 0)
        {
            return;
        }

        _disposed.TrySetResult();
        if (inner is SslStream tls)
        {
            await TlsEnd.SendAsync(tls).ConfigureAwait(false);
        }

        await inner.DisposeAsync().ConfigureAwait(false);
    }
}
