using System.Buffers;
using System.Diagnostics;
using System.Threading.Tasks.Sources;
using Duologue.Carriers;
using Duologue.EventLoop.Buffers;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Detached;

/// <summary>
/// Carries a WebSocket over a socket that has left Kestrel: frames are read where the loop received them, and what is written
/// leaves from pooled blocks at the end of the loop's turn. At rest it is this object and the socket's: no buffer, no task, no timer.
/// </summary>
/// <remarks>
/// Frames are written by one thread at a time, the connection sees to that: on the loop's thread straight behind what waits to be sent, on
/// others into a chain of their own that <see cref="FlushAsync"/> hands over. All else belongs to the loop's thread. A flush completes at
/// once while little waits to be sent, so that many writers' frames become one send.
/// </remarks>
internal sealed partial class EventLoopCarrier : Carrier, ISocketHandler, IBufferWriter<byte>
{
    /// <summary>Above it a flush waits until the socket has taken all but <see cref="LowMark"/>.</summary>
    internal const int HighMark = 128 * 1024;

    internal const int LowMark = 32 * 1024;

    /// <summary>On the loop's thread, so much is sent at once rather than at the turn's end.</summary>
    private const int SendAtOnce = 64 * 1024;

    /// <summary>What must be expected of a frame for its payload to be received where the message is put together.</summary>
    private const int DirectMinimum = 16 * 1024;

    /// <summary>How long a peer may take to read our last words.</summary>
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(5);

    private readonly LoopSocket _socket;
    private readonly WebSocketConnection _connection;

    // What few connections need lies apart.
    private Rarities? _rare;

    // Rings of blocks, see OutgoingBlocks. _written is the writer's: what was written since the last flush on another thread than the loop's. The flush, or
    // the end, takes it as a whole. _handedOver is on its way from such a flush to the loop, and is exchanged as a whole.
    private Block? _written;
    private Block? _handedOver;

    // The writer's: how much was put into the loop's own chain since the last flush, and whether the last GetSpan was there.
    private int _placed;
    private bool _places;
    private bool _writesLarge;

    // The loop's: what waits to be sent.
    private OutgoingBlocks _outgoing;

    // Together what waits to be sent: the bytes that other threads have handed over, and those that the loop's thread put into the chain, less all that
    // were sent. Each may wrap around, their sum is right all the same. Each has one writer at a time: to count what it writes costs the loop's thread nothing.
    private uint _handed;
    private uint _onLoop;

    private CarrierState _state;
    private volatile bool _dead;

    public EventLoopCarrier(LoopSocket socket, WebSocketConnection connection)
    {
        _socket = socket;
        _connection = connection;
    }

    [Flags]
    private enum CarrierState : byte
    {
        None = 0,
        Completing = 1,
        ReceiveEnded = 2,
        Ended = 4,
        Gathering = 8,
    }

    /// <inheritdoc/>
    public override IBufferWriter<byte> Output => this;

    /// <inheritdoc/>
    public override bool OutlivesInput => !_dead;

    public string? Endpoint => _connection.Setup.OnThreadPool ? null : _connection.Request?.Path;

    private BlockPool Pool => _socket.Loop.Blocks;

    /// <summary>Bytes written on the loop's thread or flushed on others, and not sent. Any thread.</summary>
    private uint Unsent => Volatile.Read(ref _handed) + Volatile.Read(ref _onLoop);

    private bool HasHandedOver => Volatile.Read(ref _handedOver) is not null;

    // The writer and the loop may need it at the same time.
    private Rarities Rare => Volatile.Read(ref _rare) ?? Interlocked.CompareExchange(ref _rare, new Rarities(), null) ?? _rare;

    private KeptBytes? Kept => _rare?.Kept;

    /// <summary>Takes the socket over. On the loop's thread, once, before anything else.</summary>
    /// <param name="received">What was received behind the handshake.</param>
    /// <param name="receiveEnded">Whether the peer has ended already.</param>
    /// <param name="error">How, if not by FIN.</param>
    public void Begin(in ReadOnlySequence<byte> received, bool receiveEnded, Exception? error)
    {
        Debug.Assert(_socket.Loop.IsCurrentThread || _socket.IsClosed, "The loop starts its own carriers.");
        _connection.Start(this);
        foreach (ReadOnlyMemory<byte> part in received)
        {
            OnReceived(part.Span);
        }

        if (receiveEnded)
        {
            EndReceiving(error);
        }
        else if (Kept is null)
        {
            _socket.Loop.StartReceiving(_socket);
        }
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Block block = Reserve(sizeHint);
        return block.Array.AsMemory(block.End);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Block block = Reserve(sizeHint);
        return block.Array.AsSpan(block.End);
    }

    public void Advance(int count)
    {
        Block block = (_places ? _outgoing.Last : _written)!;
        Debug.Assert(count <= block.Room, "No more is written than there was room for.");
        block.End += count;
        if (_places)
        {
            _placed += count;
            _onLoop += (uint)count;
        }
    }

    /// <inheritdoc/>
    public override void WriteShared(ReadOnlyMemory<byte> frame)
    {
        if (MayPlace())
        {
            TakeHandedOver();
            if (_outgoing.TryShare(frame, _socket.Loop.Shared, Pool))
            {
                _placed += frame.Length;
                _onLoop += (uint)frame.Length;
                return;
            }
        }

        base.WriteShared(frame);
    }

    /// <inheritdoc/>
    public override unsafe int TrySend(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
    {
        if (!_socket.Loop.IsCurrentThread || _socket.IsClosed || _socket.Has(SocketActivity.Sending) || _dead || Unsent != 0)
        {
            return 0;
        }

        fixed (byte* first = header, second = payload)
        {
            // In bounds: the lengths are those of the spans that are pinned here.
            IoVector* vectors = stackalloc IoVector[2];
            vectors[0] = new IoVector { Start = first, Length = (nuint)header.Length };
            vectors[1] = new IoVector { Start = second, Length = (nuint)payload.Length };

            // What goes wrong here goes wrong again when the rest is sent, and is told then.
            return (int)Sockets.Send(_socket.Descriptor, vectors, 2, out _);
        }
    }

    /// <inheritdoc/>
    public override bool TryTake()
    {
        // What was written on another thread must be handed over, and where it is much, sent at once or waited for: a flush does all of that.
        uint unsent = Unsent;
        if (_dead || unsent > HighMark || (unsent >= SendAtOnce && (_state & CarrierState.Gathering) == 0)
            || !_socket.Loop.IsCurrentThread || _written is not null)
        {
            return false;
        }

        if (_placed != 0)
        {
            _writesLarge = _placed > BlockPool.Medium;
            _placed = 0;
            _socket.Loop.MarkDirty(_socket);
        }

        return true;
    }

    /// <inheritdoc/>
    public override ValueTask<bool> FlushAsync()
    {
        Block? written = TakeWritten();
        int placed = _placed;
        _placed = 0;
        if (_dead)
        {
            OutgoingBlocks.Release(written, Pool);
            return new(false);
        }

        long length = placed;
        if (written is not null)
        {
            long handed = OutgoingBlocks.LengthOf(written);
            length += handed;
            Interlocked.Add(ref _handed, (uint)handed);
        }

        if (length == 0)
        {
            return new(true);
        }

        _writesLarge = length > BlockPool.Medium;
        if (!_socket.Loop.IsCurrentThread)
        {
            HandOver(written);
            return Result();
        }

        if (written is not null)
        {
            TakeHandedOver();
            _outgoing.Append(written, Pool);
        }

        if (Unsent >= SendAtOnce && (_state & CarrierState.Gathering) == 0)
        {
            _socket.Loop.Send(_socket);
        }
        else
        {
            _socket.Loop.MarkDirty(_socket);
        }

        return Result();
    }

    /// <inheritdoc/>
    public override void ResumeReading() => _socket.Post((int)SocketRequest.Resume);

    /// <inheritdoc/>
    public override void Complete() => _socket.Post((int)SocketRequest.Complete);

    /// <inheritdoc/>
    public override void Abort() => _socket.Post((int)SocketRequest.Abort);

    public bool TryGetDirect(out Memory<byte> memory)
    {
        if (Kept is null && (_state & CarrierState.Ended) == 0)
        {
            return _connection.TryGetDirectBuffer(DirectMinimum, out memory);
        }

        memory = default;
        return false;
    }

    public void OnReceivedDirect(Memory<byte> memory, int count)
    {
        _connection.OnReceivedDirect(memory, count);
        _connection.OnBatchEnd();
    }

    public void OnReceived(ReadOnlySpan<byte> bytes)
    {
        if ((_state & CarrierState.Ended) != 0)
        {
            return;
        }

        if (Kept is not null)
        {
            // It was under way when reading stopped.
            Keep(bytes);
            return;
        }

        int taken = _connection.OnReceived(bytes);
        _connection.OnBatchEnd();
        if (taken < bytes.Length)
        {
            Keep(bytes[taken..]);
            _socket.Loop.StopReceiving(_socket);
        }
    }

    public void OnReceiveEnded(int error) => EndReceiving(error == 0 ? null : Sockets.ToException(error));

    public int Gather(Span<IoVector> vectors)
    {
        TakeHandedOver();
        int count = _outgoing.Gather(vectors);
        if (count > 0)
        {
            _state |= CarrierState.Gathering;
        }

        return count;
    }

    public void OnSent(long count, int error)
    {
        _state &= ~CarrierState.Gathering;
        _outgoing.Consume(count, Pool);

        // Whoever waits for the socket announces it before looking at this; we look for him after it.
        uint unsent = Interlocked.Add(ref _onLoop, 0 - (uint)count) + Volatile.Read(ref _handed);
        if (error != 0)
        {
            // What was received before stays to be read; its end tells the connection. Whoever flushes is told at once.
            Die();
            DropOutgoing();
            if ((_state & CarrierState.Ended) != 0)
            {
                _connection.OnGone();
            }
        }

        if (unsent <= LowMark || _dead)
        {
            CompleteFlush();
        }

        FinishIfDrained();
    }

    public void OnPosted(int requests)
    {
        if (_socket.IsClosed)
        {
            return;
        }

        if (((SocketRequest)requests & SocketRequest.Abort) != 0)
        {
            _dead = true;
            _socket.Loop.Close(_socket, reset: true);
            return;
        }

        if (((SocketRequest)requests & SocketRequest.Send) != 0)
        {
            _socket.Loop.MarkDirty(_socket);
        }

        if (((SocketRequest)requests & SocketRequest.Resume) != 0)
        {
            Resume();
        }

        if (((SocketRequest)requests & SocketRequest.Complete) != 0 && (_state & CarrierState.Completing) == 0)
        {
            _state |= CarrierState.Completing;
            End(null);
            FinishIfDrained();
        }
    }

    public void OnDeadline()
    {
        if ((_state & CarrierState.Completing) != 0)
        {
            _socket.Loop.CutShort(_socket, DrainTime);
        }
    }

    public void OnClosed()
    {
        Die();
        DropOutgoing();
        CompleteFlush();
        End(null);
        _connection.OnGone();

        // The connection writes nothing more after its end: what was not flushed is nobody's else.
        OutgoingBlocks.Release(TakeWritten(), Pool);
    }

    /// <summary>Nothing more is sent. What others have handed over, and whoever waits, is to be looked for after this.</summary>
    private void Die()
    {
        _dead = true;

        // Whoever hands over or begins to wait announces it and then looks at _dead; we look only after it can be seen.
        Interlocked.MemoryBarrier();
    }

    private void Keep(ReadOnlySpan<byte> bytes) => (Rare.Kept ??= new KeptBytes()).Add(bytes);

    private void Resume()
    {
        if (Kept is not { } kept)
        {
            return;
        }

        kept.Consume(_connection.OnReceived(kept.Bytes));
        _connection.OnBatchEnd();
        if (!kept.Bytes.IsEmpty)
        {
            return;
        }

        DropKept();
        if ((_state & CarrierState.ReceiveEnded) != 0)
        {
            End(kept.EndError);
        }
        else
        {
            _socket.Loop.StartReceiving(_socket);
        }
    }

    private void EndReceiving(Exception? error)
    {
        _state |= CarrierState.ReceiveEnded;
        if (Kept is { } kept)
        {
            kept.EndError = error;
        }
        else
        {
            End(error);
        }
    }

    private void End(Exception? error)
    {
        if ((_state & CarrierState.Ended) == 0)
        {
            _state |= CarrierState.Ended;
            DropKept();

            // It answers with Complete, at once or when it has said what is still due.
            _connection.OnEnd(error);
        }
    }

    private void FinishIfDrained()
    {
        if ((_state & CarrierState.Completing) == 0 || _socket.IsClosed)
        {
            return;
        }

        if (_dead || (Unsent == 0 && !HasHandedOver))
        {
            if (!_dead)
            {
                _ = Libc.Shutdown(_socket.Descriptor, Constants.ShutdownWrite);
            }

            _socket.Loop.Close(_socket, reset: false);
        }
        else
        {
            _socket.Loop.MarkDirty(_socket);
            _socket.Loop.SetDeadline(_socket, DrainTime);
        }
    }

    private void DropOutgoing()
    {
        TakeHandedOver();
        _outgoing.Release(Pool);
    }

    private void DropKept()
    {
        if (_rare is { Kept: { } kept } rare)
        {
            kept.Release();
            rare.Kept = null;
        }
    }

    /// <summary>What a connection has whose peer reads slowly, or sends faster than the application takes.</summary>
    private sealed class Rarities
    {
        // The loop's: bytes that the connection did not take yet; null if there are none.
        public KeptBytes? Kept;

        // The flush that waits for the socket: 1 while somebody must complete it.
        public FlushSource? Flush;
        public int FlushWaits;
    }

    /// <summary>Completes a flush that had to wait; used again and again.</summary>
    private sealed class FlushSource : IValueTaskSource<bool>
    {
        private ManualResetValueTaskSourceCore<bool> _core;

        public short Reset()
        {
            _core.Reset();
            return _core.Version;
        }

        public void SetResult(bool result) => _core.SetResult(result);

        public bool GetResult(short token) => _core.GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
