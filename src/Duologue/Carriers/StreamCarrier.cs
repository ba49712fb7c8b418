using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Duologue.Carriers;

/// <summary>
/// Carries a WebSocket over a stream: the client's upgraded HTTP stream, plain, TLS or HTTP/2. At rest it holds no buffer: it waits
/// with a read of no bytes.
/// </summary>
internal sealed class StreamCarrier : Carrier
{
    /// <summary>What is handled of one peer before others have their turn, as in <see cref="PipeCarrier"/>.</summary>
    internal const int Share = 64 * 1024;

    private const int ReceiveSize = 16 * 1024;

    private readonly Stream _stream;
    private readonly WebSocketConnection _connection;
    private readonly ReadGate _gate = new();
    private readonly RentedWriter _output = new();
    private readonly HalfOpenStream? _below;
    private volatile bool _completed;
    private volatile bool _inputEnded;
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private int _share = Share;

    public StreamCarrier(Stream stream, WebSocketConnection connection)
    {
        _stream = stream;
        _connection = connection;
    }

    /// <param name="stream">Where the bytes are read and written.</param>
    /// <param name="connection">The connection that this carrier will start.</param>
    /// <param name="below">What lies under a stream that would end as a whole when its input has ended, and keeps that from it.</param>
    public StreamCarrier(Stream stream, WebSocketConnection connection, HalfOpenStream below)
        : this(stream, connection)
    {
        _below = below;
    }

    public override IBufferWriter<byte> Output => _output;

    /// <summary>Starts the connection and pumps until all is over; then disposes the stream. Throws only what is a fault of our own.</summary>
    public async Task RunAsync()
    {
        _connection.Start(this);
        _below?.KeepOpen(OnInputEnded);
        Exception? error = null;
        ExceptionDispatchInfo? fault = null;
        try
        {
            while (!_completed && await FillAsync().ConfigureAwait(false))
            {
                if (!Push())
                {
                    await _gate.WaitAsync().ConfigureAwait(false);
                }
                else if (_share <= 0)
                {
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                    _share = Share;
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException or ObjectDisposedException)
        {
            // How streams report that they are gone.
            error = _completed ? null : e;
        }
        catch (Exception e)
        {
            // A fault of our own or no memory: all ends as it does else, and then whoever runs it hears of it.
            error = e;
            fault = ExceptionDispatchInfo.Capture(e);
        }

        ReturnBuffer();
        if (!_inputEnded)
        {
            _connection.OnEnd(error);
        }

        while (!_completed)
        {
            await _gate.WaitAsync().ConfigureAwait(false);
        }

        await _stream.DisposeAsync().ConfigureAwait(false);
        fault?.Throw();
    }

    // Called within the pump's read, which stays pending until the stream is disposed: nothing else of the pump runs.
    private void OnInputEnded()
    {
        _inputEnded = true;
        _connection.OnEnd(null);
    }

    // Pooled: a flush that has to wait allocates nothing.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<bool> FlushAsync()
    {
        try
        {
            for (int i = 0; i < _output.PieceCount; i++)
            {
                await _stream.WriteAsync(_output.GetPiece(i)).ConfigureAwait(false);
            }

            await _stream.FlushAsync().ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException or ObjectDisposedException)
        {
            // The pump learns the same from its read and tells the connection why.
            return false;
        }
        finally
        {
            _output.Release();
        }
    }

    public override void ResumeReading() => _gate.Open();

    public override void Complete()
    {
        _completed = true;
        _gate.Open();

        // A stream's pending read can be ended only so. Our Close has left: the flush completed when the socket had it.
        _stream.Dispose();
    }

    public override void Abort() => Complete();

    /// <summary>Waits for bytes, unless some are left over. False at the end of the stream.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> FillAsync()
    {
        if (_start < _end)
        {
            return true;
        }

        // Large payloads go straight to where the message is put together.
        if (_connection.TryGetDirectBuffer(ReceiveSize / 4, out Memory<byte> direct))
        {
            int received = await Watch(_stream.ReadAsync(direct)).ConfigureAwait(false);
            if (received > 0)
            {
                _connection.OnReceivedDirect(direct, received);
                _share -= received;
            }

            return received > 0;
        }

        if (_buffer is null)
        {
            await Watch(_stream.ReadAsync(Memory<byte>.Empty)).ConfigureAwait(false);
            _buffer = ArrayPool<byte>.Shared.Rent(ReceiveSize);
        }

        _start = 0;
        _end = 0;
        _end = await Watch(_stream.ReadAsync(_buffer.AsMemory(0, ReceiveSize))).ConfigureAwait(false);
        _share -= _end;
        return _end > 0;
    }

    // A read that waits has given others their turn.
    private ValueTask<int> Watch(ValueTask<int> read)
    {
        _share = read.IsCompleted ? _share : Share;
        return read;
    }

    /// <summary>False if the connection left some.</summary>
    private bool Push()
    {
        int count = _end - _start;
        if (count > 0)
        {
            _start += _connection.OnReceived(_buffer.AsSpan(_start, count));
        }

        _connection.OnBatchEnd();
        if (_start < _end)
        {
            return false;
        }

        // A full buffer means that more is at hand: keep it for the next read.
        if (count < ReceiveSize)
        {
            ReturnBuffer();
        }

        return true;
    }

    private void ReturnBuffer()
    {
        _start = 0;
        _end = 0;
        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
