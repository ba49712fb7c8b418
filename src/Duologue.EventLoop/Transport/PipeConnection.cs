using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net;
using System.Runtime.CompilerServices;
using Duologue.AspNetCore;
using Duologue.EventLoop.Detached;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Native;
using Microsoft.AspNetCore.Connections;

namespace Duologue.EventLoop.Transport;

/// <summary>
/// A connection as Kestrel sees it: two pipes, filled and emptied by the loop. Every HTTP request, TLS record and HTTP/2 frame travels so;
/// a WebSocket over plain HTTP/1.1 only until its handshake is done, then its socket goes to an <see cref="EventLoopCarrier"/>.
/// </summary>
internal sealed class PipeConnection : TransportConnection, ISocketHandler, IConnectionDetachFeature, IDuplexPipe, IThreadPoolWorkItem
{
    private readonly Pipe _input;
    private readonly Pipe _output;
    private readonly KeptReader _reader;
    private readonly CancellationTokenSource _closed = new();

    // Completed on the pool: whoever waits goes on there.
    private readonly TaskCompletionSource _released = new();
    private readonly Action _onOutputReady;
    private Action? _onInputFlushed;
    private LoopSocket _socket = null!;

    // The loop's thread alone, from here to the next blank line.
    private ValueTaskAwaiter<FlushResult> _inputFlush;
    private bool _inputFlushing;
    private bool _inputUnflushed;
    private ValueTaskAwaiter<ReadResult> _outputRead;
    private bool _outputWaiting;
    private bool _outputEnded;
    private ReadOnlySequence<byte> _sending;
    private bool _isSending;
    private MemoryHandle _pin;
    private MemoryHandle[]? _morePins;
    private int _pinCount;
    private bool _receiveEnded;
    private bool _releasing;
    private Exception? _receiveError;

    private ConnectionAbortedException? _abortReason;
    private WebSocketConnection? _detached;
    private bool _isExpected;

    public PipeConnection(EndPoint? local, EndPoint? remote, PipeSettings settings)
    {
        LocalEndPoint = local;
        RemoteEndPoint = remote;
        MemoryPool = settings.Pool;
        _input = new Pipe(settings.Input);
        _output = new Pipe(settings.Output);
        _reader = new KeptReader(_input.Reader);
        _onOutputReady = OnOutputReady;
        ConnectionClosed = _closed.Token;
        Transport = this;
    }

    public PipeReader Input => _reader;

    public PipeWriter Output => _output.Writer;

    // Kestrel's code, and what it calls, runs on the thread pool.
    string? ISocketHandler.Endpoint => null;

    /// <summary>Whether the socket has left Kestrel, or will as soon as the request has ended.</summary>
    private bool IsDetached => Volatile.Read(ref _detached) is not null;

    /// <summary>Begins to read. On the loop's thread, once.</summary>
    public void Begin(LoopSocket socket)
    {
        _socket = socket;
        PumpOutput();
        socket.Loop.StartReceiving(socket);
    }

    ConnectionStock IConnectionDetachFeature.Stock => _socket.Loop.Carriers.Connections;

    void IConnectionDetachFeature.Expect() => Volatile.Write(ref _isExpected, ReferenceEquals(Transport, this));

    void IConnectionDetachFeature.GiveUp() => GiveUp();

    bool IConnectionDetachFeature.TryDetach(WebSocketConnection connection)
    {
        // Middleware that changes the bytes puts pipes of its own before ours: then the socket's bytes are not the conversation's.
        if (!ReferenceEquals(Transport, this))
        {
            GiveUp();
            return false;
        }

        Volatile.Write(ref _detached, connection);
        return true;
    }

    public override void Abort(ConnectionAbortedException abortReason)
    {
        if (!IsDetached)
        {
            // Kestrel gives no reason where the peer has ended: that is no cause for a reset.
            Interlocked.CompareExchange(ref _abortReason, abortReason, null);
            _socket.Post((int)SocketRequest.AbortPipes);
        }
    }

    /// <summary>Kestrel is done with the connection: it ends, or goes on without Kestrel.</summary>
#pragma warning disable CA2215 // The base has nothing to dispose of.
    public override ValueTask DisposeAsync()
#pragma warning restore CA2215
    {
        if (!IsDetached)
        {
            _input.Reader.Complete();
        }

        _output.Writer.Complete();
        _socket.Post((int)SocketRequest.Release);
        return new(_released.Task);
    }

    /// <summary>The loop has released it.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        CancelClosed();
        _closed.Dispose();
        _released.TrySetResult();
    }

    bool ISocketHandler.TryGetDirect(out Memory<byte> memory)
    {
        memory = default;
        return false;
    }

    void ISocketHandler.OnReceivedDirect(Memory<byte> memory, int count) => throw new InvalidOperationException("Pipes are filled from the loop's buffer.");

    void ISocketHandler.OnReceived(ReadOnlySpan<byte> bytes)
    {
        if (_receiveEnded)
        {
            return;
        }

        _input.Writer.Write(bytes);
        _inputUnflushed = true;
        FlushInput();
    }

    void ISocketHandler.OnReceiveEnded(int error)
    {
        EndReceiving(error == 0 ? null
            : Errno.IsGone(error) ? new ConnectionResetException("The peer reset the connection.", Sockets.ToException(error))
            : Sockets.ToException(error));
        ReleaseIfDone();
    }

    unsafe int ISocketHandler.Gather(Span<IoVector> vectors)
    {
        if (!_isSending || _sending.IsEmpty)
        {
            return 0;
        }

        int count = 0;
        foreach (ReadOnlyMemory<byte> part in _sending)
        {
            if (part.IsEmpty)
            {
                continue;
            }

            if (count == vectors.Length)
            {
                break;
            }

            // In bounds: the memory is pinned until OnSent, and its own length is told.
            MemoryHandle handle = part.Pin();
            Keep(handle);
            vectors[count].Start = (byte*)handle.Pointer;
            vectors[count].Length = (nuint)part.Length;
            count++;
        }

        return count;
    }

    void ISocketHandler.OnSent(long count, int error)
    {
        Unpin();
        if (error != 0)
        {
            EndOutput(new ConnectionResetException("The connection failed while it was sent to.", Sockets.ToException(error)));
            ReleaseIfDone();
            return;
        }

        _sending = _sending.Slice(count);
        if (_sending.IsEmpty)
        {
            _isSending = false;
            _output.Reader.AdvanceTo(_sending.End);
            PumpOutput();
            ReleaseIfDone();
        }
    }

    // Most that is sent is one piece: only who sends more has room for more.
    private void Keep(MemoryHandle handle)
    {
        if (_pinCount == 0)
        {
            _pin = handle;
        }
        else
        {
            (_morePins ??= new MemoryHandle[Constants.MaxVectors - 1])[_pinCount - 1] = handle;
        }

        _pinCount++;
    }

    private void Unpin()
    {
        _pin.Dispose();
        for (int i = 0; i < _pinCount - 1; i++)
        {
            _morePins![i].Dispose();
        }

        _pinCount = 0;
    }

    void ISocketHandler.OnPosted(int requests)
    {
        try
        {
            Attend((SocketRequest)requests);
        }
        finally
        {
            // Also if that failed: the release is asked for only once.
            _releasing |= ((SocketRequest)requests & SocketRequest.Release) != 0;
            ReleaseIfDone();
        }
    }

    private void Attend(SocketRequest requests)
    {
        if ((requests & SocketRequest.AbortPipes) != 0 && !_socket.IsClosed)
        {
            _socket.Loop.Close(_socket, reset: Volatile.Read(ref _abortReason) is not null);
        }

        if ((requests & SocketRequest.OutputReady) != 0)
        {
            _outputWaiting = false;
            ValueTaskAwaiter<ReadResult> read = _outputRead;
            _outputRead = default;
            if (TakeOutput(read))
            {
                PumpOutput();
            }
        }

        if ((requests & SocketRequest.InputRead) != 0)
        {
            EndInputFlush();
        }
    }

    void ISocketHandler.OnDeadline()
    {
    }

    void ISocketHandler.OnClosed()
    {
        EndReceiving(Volatile.Read(ref _abortReason));
        EndOutput(_receiveError);
        ReleaseIfDone();
    }

    private void FlushInput()
    {
        while (_inputUnflushed && !_inputFlushing)
        {
            _inputUnflushed = false;
#pragma warning disable CA2012 // The awaiter is consumed exactly once: here, or when the loop is told that it has completed.
            ValueTaskAwaiter<FlushResult> flush = _input.Writer.FlushAsync().GetAwaiter();
#pragma warning restore CA2012
            if (flush.IsCompleted)
            {
                StopIfUnread(flush.GetResult());
                continue;
            }

            // The application is slower than the peer: TCP tells it when the kernel's buffer is full.
            _inputFlushing = true;
            _inputFlush = flush;
            _socket.Loop.StopReceiving(_socket);
            flush.UnsafeOnCompleted(_onInputFlushed ??= OnInputFlushed);
        }
    }

    // On whatever thread has read.
    private void OnInputFlushed() => _socket.Post((int)SocketRequest.InputRead);

    private void EndInputFlush()
    {
        _inputFlushing = false;
        StopIfUnread(_inputFlush.GetResult());
        _inputFlush = default;
        FlushInput();
        if (_receiveEnded)
        {
            CompleteInput();
        }
        else if (!_inputFlushing && !_socket.IsClosed)
        {
            _socket.Loop.StartReceiving(_socket);
        }
    }

    private void StopIfUnread(FlushResult result)
    {
        if (result.IsCompleted && !_receiveEnded)
        {
            // Nobody reads any more: what the peer still sends is not wanted.
            _socket.Loop.StopReceiving(_socket);
            EndReceiving(null);
        }
    }

    private void EndReceiving(Exception? error)
    {
        if (_receiveEnded)
        {
            return;
        }

        _receiveEnded = true;
        _receiveError = error;
        if (!_inputFlushing)
        {
            CompleteInput();
        }

        // GiveUp, on another thread, writes and looks the other way round: one of the two sees what the other has written, and tells Kestrel.
        Interlocked.MemoryBarrier();
        if (!IsDetached && (error is not null || !Volatile.Read(ref _isExpected)))
        {
            FireClosed();
        }
    }

    private void GiveUp()
    {
        if (Volatile.Read(ref _isExpected))
        {
            Volatile.Write(ref _isExpected, false);
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _receiveEnded))
            {
                FireClosed();
            }
        }
    }

    private void CompleteInput() => _input.Writer.Complete(_receiveError);

    private void FireClosed()
    {
        // Who registered with the token is not to run here: it may take its time.
        ThreadPool.UnsafeQueueUserWorkItem(static connection => connection.CancelClosed(), this, preferLocal: false);
    }

    private void CancelClosed()
    {
        try
        {
            _closed.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Kestrel has let go of the connection meanwhile: nobody listens any more.
        }
        catch (AggregateException e)
        {
            // Somebody who registered with the token has thrown. On this thread nobody would catch it, and the process would end.
            _socket.Loop.Report(e);
        }
    }

    /// <summary>Takes what was written and sends it at the end of the turn; if there is nothing, waits for it.</summary>
    private void PumpOutput()
    {
        while (!_isSending && !_outputWaiting && !_outputEnded)
        {
#pragma warning disable CA2012 // The awaiter is consumed exactly once: here, or when the loop is told that it has completed.
            ValueTaskAwaiter<ReadResult> read = _output.Reader.ReadAsync().GetAwaiter();
#pragma warning restore CA2012
            if (!read.IsCompleted)
            {
                _outputWaiting = true;
                _outputRead = read;
                read.UnsafeOnCompleted(_onOutputReady);
                return;
            }

            if (!TakeOutput(read))
            {
                return;
            }
        }
    }

    /// <returns>Whether to go on reading.</returns>
    private bool TakeOutput(ValueTaskAwaiter<ReadResult> read)
    {
        ReadResult result;
        try
        {
            result = read.GetResult();
        }
        catch (Exception error)
        {
            // The writer ended with an error: what it had written is not to be sent.
            EndOutput(error);
            return false;
        }

        if (_outputEnded)
        {
            // The socket ended while there was nothing to send.
            _output.Reader.Complete();
            return false;
        }

        if (!result.Buffer.IsEmpty)
        {
            _sending = result.Buffer;
            _isSending = true;
            _socket.Loop.MarkDirty(_socket);
            return false;
        }

        _output.Reader.AdvanceTo(result.Buffer.End);
        if (result.IsCompleted)
        {
            EndOutput(null);
            return false;
        }

        return true;
    }

    // On the thread that has written.
    private void OnOutputReady() => _socket.Post((int)SocketRequest.OutputReady);

    /// <summary>Nothing more is sent: all has left, or it cannot.</summary>
    private void EndOutput(Exception? error)
    {
        if (_outputEnded)
        {
            return;
        }

        _outputEnded = true;
        _isSending = false;
        _sending = default;
        if (IsDetached && error is null && !_socket.IsClosed)
        {
            // All that Kestrel wrote has left; the socket goes on.
            return;
        }

        // Whoever waits for room learns that there will be none. A read under way ends first.
        if (_outputWaiting)
        {
            _output.Reader.CancelPendingRead();
        }
        else
        {
            // Without the error: Kestrel takes what a flush throws for a fault, and logs it with its stack. That a peer has gone is none.
            _output.Reader.Complete();
        }

        if (!_socket.IsClosed)
        {
            _ = Libc.Shutdown(_socket.Descriptor, Constants.ShutdownBoth);
            _socket.Loop.Close(_socket, reset: false);
        }
    }

    /// <summary>Kestrel has let go, and nothing is under way: the socket is closed, or is the conversation's now.</summary>
    private void ReleaseIfDone()
    {
        if (!_releasing || _outputWaiting || _isSending || !_outputEnded)
        {
            return;
        }

        if (_socket.Descriptor < 0)
        {
            _releasing = false;
            if (_detached is { } lost)
            {
                LoseDetached(lost);
            }
        }
        else if (_detached is { } connection && !_socket.IsClosed)
        {
            _releasing = false;
            try
            {
                HandOver(connection);
            }
            catch (Exception e)
            {
                _socket.Loop.Fail(_socket, e);
            }
        }
        else
        {
            return;
        }

        _input.Reader.Complete();
        _output.Reader.Complete();
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private void HandOver(WebSocketConnection connection)
    {
        Debug.Assert(!_isSending, "What Kestrel wrote has left.");
        EventLoopCarrier carrier = _socket.Loop.Carriers.Take(_socket, connection);
        _socket.Handler = carrier;
        bool ended = _receiveEnded;

        // Ending the pipe makes visible what was not flushed yet.
        EndReceiving(null);
        _input.Writer.Complete();
        carrier.Begin(TakeUnread(), ended, _receiveError);
    }

    private ReadOnlySequence<byte> TakeUnread()
    {
        try
        {
            return _input.Reader.TryRead(out ReadResult rest) ? rest.Buffer : default;
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or System.Net.Sockets.SocketException)
        {
            // The connection had failed before it was taken over: the pipe answers with that, and not with what came before.
            return default;
        }
    }

    /// <summary>The socket ended between the answer and the hand-over: the conversation begins and ends.</summary>
    private void LoseDetached(WebSocketConnection connection)
    {
        var carrier = new EventLoopCarrier(_socket, connection);
        _socket.Handler = carrier;
        carrier.Begin(default, true, _receiveError);
        carrier.OnClosed();
    }

    /// <summary>Kestrel completes its reader when the request ends; what was received behind a handshake must outlive that.</summary>
    private sealed class KeptReader(PipeReader inner) : PipeReader
    {
        public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override void Complete(Exception? exception = null)
        {
            // The connection completes it, when Kestrel gives it back.
        }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => inner.ReadAsync(cancellationToken);

        public override bool TryRead(out ReadResult result) => inner.TryRead(out result);
    }
}
