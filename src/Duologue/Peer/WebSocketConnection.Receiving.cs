using System.Buffers;
using System.Runtime.CompilerServices;
using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue;

// Receiving: bytes from the carrier through the reader to whoever receives, and the read-ahead behind a handler at work.
internal sealed partial class WebSocketConnection
{
    /// <summary>
    /// How much is read behind a handler that has not finished, so that pings, pongs and a Close are seen. Each message
    /// weighs <see cref="MessageWeight"/> more than its bytes.
    /// </summary>
    internal const int ReadAhead = 64 * 1024;

    private const int MessageWeight = 64;

    // The carrier's thread alone.
    private FrameReader _reader;

    // Set where the reader had to stop; whoever makes room clears it and wakes the carrier.
    private volatile bool _paused;

    // How many messages arrived while the application was busy and wait. Written under Gate.
    private int _inboxCount;

    /// <summary>Takes bytes from the carrier.</summary>
    /// <returns>
    /// How many were taken. If fewer than given, the carrier keeps the rest, reads no more and calls again with it after
    /// <see cref="Carriers.Carrier.ResumeReading"/>.
    /// </returns>
    public int OnReceived(ReadOnlySpan<byte> bytes)
    {
        _alive = true;
        _corkThread = Environment.CurrentManagedThreadId;
        var sink = new FrameSink(this);
        int taken = 0;
        while (true)
        {
            try
            {
                taken += _reader.Receive(bytes[taken..], ref sink);
            }
            finally
            {
                EndRun();
            }

            HandOver();
            if (taken == bytes.Length)
            {
                if (_reader.IsFinished)
                {
                    PassOver(taken);
                }

                return taken;
            }

            // Announce the stop before looking again: whoever makes room in between must see one or the other.
            _paused = true;
            Interlocked.MemoryBarrier();
            if (Allowance(_reader.Body.Length) <= 0 || !Interlocked.Exchange(ref _paused, false))
            {
                _setup.Observer.ReadingPaused(this);
                return taken;
            }
        }
    }

    /// <summary>Where the carrier may receive large payloads itself; see <see cref="FrameReader.TryGetDirect"/>.</summary>
    public bool TryGetDirectBuffer(int atLeast, out Memory<byte> memory)
    {
        var sink = new FrameSink(this);
        return _reader.TryGetDirect(atLeast, ref sink, out memory);
    }

    /// <summary>The carrier has put bytes into the memory of <see cref="TryGetDirectBuffer"/>.</summary>
    public void OnReceivedDirect(Memory<byte> memory, int count)
    {
        _alive = true;
        _corkThread = Environment.CurrentManagedThreadId;
        var sink = new FrameSink(this);
        try
        {
            _reader.CommitDirect(memory, count, ref sink);
        }
        finally
        {
            EndRun();
        }

        HandOver();
    }

    /// <summary>No more bytes are at hand: what was sent meanwhile leaves now, in one flush.</summary>
    public void OnBatchEnd()
    {
        _corkThread = 0;
        DeliverBatch();
        if (!_reader.InMessage)
        {
            // At rest a connection holds no receive buffer.
            _reader.Body.Release();
        }

        bool flush;
        lock (Gate)
        {
            WatchMessage();
            flush = !_flushing && _carrier is not null && (_written > _taken || MayRefill) && TryBeginFlush();
        }

        if (flush)
        {
            Flush();
        }
    }

    private long Allowance(int buffered)
    {
        if (Options.SendQueuePolicy == SendQueuePolicy.Wait && BufferedAmount > Options.SendQueueLimit && !_closeSent)
        {
            return 0;
        }

        bool unlimited = _setup.Handler is not null
            ? ((_holdsClaim || !IsHandling) && (!_setup.OnThreadPool || Volatile.Read(ref _inboxCount) == 0)) || _closeSent
            : _pull.Waiter == Waiter.Whole || _pull.Discards || (_closeSent && !IsReadPiecewise);
        if (unlimited)
        {
            return long.MaxValue;
        }

        return ReadAhead - buffered - InboxBytes;
    }

    private void ResumeIfPaused()
    {
        if (!_paused)
        {
            return;
        }

        // What has come meanwhile is not read yet: keep-alive gives the peer another period, and its message begins anew to take time.
        _alive = true;
        MessageSince = 0;
        if (Interlocked.Exchange(ref _paused, false))
        {
            _carrier!.ResumeReading();
        }
    }

    private void OnMessage(MessageType type, ref MessageBuffer body)
    {
        _setup.Observer.MessageReceived(this, (int)Math.Min(body.Length + (_pull.Open?.Total ?? 0), int.MaxValue));
        if (_reader.Inflated is { } inflater)
        {
            _setup.Observer.MessageInflated(this, inflater.Saved);
        }

        if (_setup.Handler is null)
        {
            PullMessage(type, ref body);
        }
        else
        {
            PushMessage(type, ref body);
        }
    }

    /// <summary>Puts a message behind those that wait. Under the lock. False if it had to be discarded.</summary>
    private bool Enqueue(InboxItem item)
    {
        // While open, the reader stops when the read-ahead is full. While closing it goes on, to see the peer's Close. What
        // arrives behind the end, while the carrier has not learned of it, comes too late for everybody.
        // One that waits for nothing but its hop to the pool is not held up by anybody.
        bool isNext = _setup.OnThreadPool && _inboxCount == 0 && !IsHandling;
        bool useless = _pull.ReceiverEnded || Ending is not null || (_closeSent && !isNext && InboxBytes + item.Length > ReadAhead);
        if (item.Kind == InboxKind.Message && useless)
        {
            item.Release();
            return false;
        }

        Rarities rare = Rare;
        rare.Inbox.Enqueue(item);
        Interlocked.Add(ref rare.InboxBytes, item.Weight);
        Volatile.Write(ref _inboxCount, rare.Inbox.Count);
        return true;
    }

    /// <summary>Under the lock.</summary>
    private bool TryDequeue(out InboxItem item)
    {
        item = default;
        if (_rare is not { } rare || !rare.Inbox.TryDequeue(out item))
        {
            return false;
        }

        Interlocked.Add(ref rare.InboxBytes, -item.Weight);
        Volatile.Write(ref _inboxCount, rare.Inbox.Count);
        return true;
    }

    /// <summary>Under the lock: gives back all that waits. Returns how many messages that were.</summary>
    private int ReleaseInbox()
    {
        int count = 0;
        while (TryDequeue(out InboxItem item))
        {
            item.Release();
            count++;
        }

        return count;
    }

    private enum InboxKind : byte
    {
        Message,
        End,
    }

    /// <summary>A message that waits: in an array of the shared pool, or in the pieces in which it arrived.</summary>
    private readonly record struct InboxItem(InboxKind Kind, MessageType Type, byte[]? Array, int Length, IncomingMessage? Pieces)
    {
        /// <summary>How long the message is; one in pieces may be longer than <see cref="Length"/> can say.</summary>
        public long Total => Pieces?.Total ?? Length;

        public long Weight => (Pieces is null ? Length : 0) + MessageWeight;

        public void Release()
        {
            if (Array is not null)
            {
                ArrayPool<byte>.Shared.Return(Array);
            }

            Pieces?.ReleaseAll();
        }
    }

    /// <summary>Lets the compiler inline the way from the reader into the connection.</summary>
    private readonly struct FrameSink(WebSocketConnection connection) : IFrameHandler
    {
        public long MessageLimit => connection.MessageLimit;

        public bool LimitsFragments => !connection.IsReadPiecewise;

        public bool Discards => connection._pull.Discards;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public long Allowance(int buffered) => connection.Allowance(buffered);

        public ProtocolViolation? OnSmallFragment() => connection.CountSmallFragment();

        public ProtocolViolation? OnMessageStart(MessageType type) => connection.OnMessageStart(type);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void OnMessage(MessageType type, ref MessageBuffer body) => connection.OnMessage(type, ref body);

        public ProtocolViolation? OnControl(Opcode opcode, ReadOnlySpan<byte> payload)
        {
            connection.EndRun();
            return connection.OnControl(opcode, payload);
        }

        public void OnClose(ushort code, string reason)
        {
            connection.EndRun();
            connection.OnClose(code, reason);
        }

        public void OnViolation(ProtocolViolation violation)
        {
            connection.EndRun();
            connection.CutOpenMessage();
            connection.Rare.HasCut = true;
            connection.OnViolation(violation);
        }

        public void OnClosedAfterViolation() => connection.OnClosedAfterViolation();
    }
}
