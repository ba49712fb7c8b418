using System.Buffers;
using System.Threading.Tasks.Sources;
using Duologue.Carriers;
using Duologue.Protocol;

namespace Duologue.EngineIo;

/// <summary>
/// Carries a connection as a session of Engine.IO v4. To the connection it is a carrier like the others, so that queue, policies, limits, handlers and
/// the end mean the same and are written once; the frames that the connection writes leave as packets, and packets that arrive come to it as
/// frames. How the packets travel is a <see cref="SessionTransport"/>'s, which may be exchanged meanwhile: what is due waits here, in order, until
/// the transport of that moment takes it.
/// </summary>
/// <remarks>Its lock is a leaf: the connection and the transport are called without it. Only packet sinks run under it, and encode.</remarks>
internal sealed partial class SessionCarrier : Carrier, IValueTaskSource<bool>
{
    private readonly Lock _lock = new();
    private readonly WebSocketConnection _connection;

    // The frames that the connection has written. Its own until it flushes, the takers' until all of them are taken.
    private readonly FrameBuffer _output = new();

    // The message under way that the connection writes in fragments: a packet is a whole message.
    private readonly FrameBuffer _partial = new();
    private MessageType _partialType;
    private bool _isPartialWhole;

    private SessionTransport _transport;
    private ManualResetValueTaskSourceCore<bool> _flush;
    private bool _flushing;
    private bool _taking;
    private bool _dead;
    private bool _isHeadUnmasked;

    /// <param name="connection">The connection, whose own keep-alive is off: Engine.IO has another.</param>
    /// <param name="transport">How the packets travel at first.</param>
    /// <param name="pingInterval">The server pings so long after the handshake, and after each pong.</param>
    /// <param name="pingTimeout">How long the client may take for its pong.</param>
    public SessionCarrier(WebSocketConnection connection, SessionTransport transport, TimeSpan pingInterval, TimeSpan pingTimeout)
    {
        _connection = connection;
        _transport = transport;
        _pingInterval = pingInterval;
        _pingTimeout = pingTimeout;
    }

    public WebSocketConnection Connection => _connection;

    public override IBufferWriter<byte> Output => _output;

    public override Transport Transport => Volatile.Read(ref _transport).Kind;

    // A session has no half: a transport that is gone takes nothing any more.
    public override bool OutlivesInput => false;

    private Role Role => _connection.Setup.Role;

    /// <summary>Begins the conversation. Once.</summary>
    public void Start()
    {
        StartHeartbeat();
        _connection.Start(this);
    }

    public override ValueTask<bool> FlushAsync()
    {
        bool tell;
        lock (_lock)
        {
            if (_dead)
            {
                _output.Release();
                return new(false);
            }

            if (_output.Length == 0)
            {
                return new(true);
            }

            _flush.Reset();
            _flushing = true;

            // Whoever takes right now looks again before it ends.
            tell = !_taking;
        }

        short version = _flush.Version;
        if (tell)
        {
            _transport.OnPackets();
        }

        return new ValueTask<bool>(this, version);
    }

    /// <summary>Gives the transport what is due, in order, until nothing is or the sink takes no more.</summary>
    /// <param name="taker">Who asks: it gets nothing once another transport has its place.</param>
    /// <param name="sink">Where the packets go.</param>
    /// <returns>Whether something is left that the sink did not take.</returns>
    public bool Take<TSink>(SessionTransport taker, ref TSink sink)
        where TSink : IPacketSink
    {
        lock (_lock)
        {
            if (_taking || taker != _transport)
            {
                return false;
            }

            _taking = true;
        }

        SessionTransport other;
        while (true)
        {
            lock (_lock)
            {
                if (taker != _transport)
                {
                    _taking = false;
                    other = _transport;
                    break;
                }

                bool left = !TakeAll(ref sink);
                if (left || !_flushing)
                {
                    _taking = false;
                    return left;
                }

                _flushing = false;
            }

            // The connection goes on in this call and writes what waited behind, which then goes the same way.
            _flush.SetResult(true);
        }

        // When it was told that something is due, this was still taking.
        other.OnPackets();
        return false;
    }

    /// <summary>
    /// Lets another transport carry the session from now on. What is due goes there, before all that is newer. If the session has ended meanwhile, the other is told so: nobody else knows of it.
    /// </summary>
    /// <returns>Whether it has taken over; false if the session has ended.</returns>
    public bool Switch(SessionTransport transport)
    {
        bool hasEnded;
        lock (_lock)
        {
            hasEnded = _dead;
            if (!hasEnded)
            {
                _transport = transport;
                OnSwitched();
            }
        }

        if (hasEnded)
        {
            transport.OnEnd(aborted: true);
            return false;
        }

        transport.OnPackets();
        return true;
    }

    /// <summary>The way to the peer is gone: the session ends, and what was not taken is lost, which the connection reports.</summary>
    public void Lose() => Lose(null);

    /// <inheritdoc cref="Lose()"/>
    /// <param name="error">Why.</param>
    public void Lose(Exception? error)
    {
        Die();
        EndArrival(error);
    }

    /// <summary>The peer has closed and takes nothing any more. What was not taken is lost, which the connection reports; its close was a clean one all the same.</summary>
    public void LoseClosed()
    {
        _connection.ForgoAnswer();
        Lose();
    }

    /// <summary>The peer broke a rule: the connection ends because of it, at once.</summary>
    public void Violate(ProtocolViolation violation)
    {
        _connection.Violate(violation);
        Lose();
    }

    public override void Complete()
    {
        StopHeartbeat();
        Die();
        Volatile.Read(ref _transport).OnEnd(aborted: false);
        EndArrival(null);
    }

    public override void Abort()
    {
        StopHeartbeat();
        Die();
        Volatile.Read(ref _transport).OnEnd(aborted: true);
        EndArrival(null);
    }

    bool IValueTaskSource<bool>.GetResult(short token) => _flush.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _flush.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _flush.OnCompleted(continuation, state, token, flags);

    private void Die()
    {
        bool pending;
        lock (_lock)
        {
            _dead = true;
            (pending, _flushing) = (_flushing, false);
            if (pending)
            {
                _output.Release();
            }

            _partial.Release();
        }

        if (pending)
        {
            _flush.SetResult(false);
        }
    }

    /// <summary>Under the lock. False if the sink took not all.</summary>
    private bool TakeAll<TSink>(ref TSink sink)
        where TSink : IPacketSink
    {
        if (_owesPong)
        {
            if (!sink.Pong())
            {
                return false;
            }

            _owesPong = false;
        }

        while (_flushing && _output.Length > 0)
        {
            Span<byte> bytes = _output.Span;
            _ = FrameHeader.TryRead(bytes, out FrameHeader header, out int size);
            Span<byte> payload = bytes.Slice(size, (int)header.Length);
            if (header.Masked && !_isHeadUnmasked)
            {
                // A client's frames are masked for the network, where these never get to.
                Mask.Apply(payload, payload, header.MaskKey, 0);
                _isHeadUnmasked = true;
            }

            if (!TakeFrame(header, payload, ref sink))
            {
                return false;
            }

            _isHeadUnmasked = false;
            _output.Skip(size + payload.Length);
        }

        return true;
    }

    private bool TakeFrame<TSink>(in FrameHeader header, ReadOnlySpan<byte> payload, ref TSink sink)
        where TSink : IPacketSink
    {
        switch (header.Opcode)
        {
            case Opcode.Close:
                _ = CloseFrame.Read(payload, out ushort code, out string reason);
                return sink.Close(code, reason);
            case Opcode.Ping:
                return TakePing(payload, ref sink);
            case Opcode.Pong:
                // The connection is never given a ping to answer.
                return true;
            case Opcode.Text or Opcode.Binary when header.Fin:
                return sink.Message(TypeOf(header.Opcode), payload);
            default:
                return TakeFragment(header, payload, ref sink);
        }
    }

    private bool TakeFragment<TSink>(in FrameHeader header, ReadOnlySpan<byte> payload, ref TSink sink)
        where TSink : IPacketSink
    {
        if (!_isPartialWhole)
        {
            if (header.Opcode != Opcode.Continuation)
            {
                _partialType = TypeOf(header.Opcode);
            }

            _partial.Write(payload);
            if (!header.Fin)
            {
                return true;
            }
        }

        _isPartialWhole = !sink.Message(_partialType, _partial.Span);
        if (_isPartialWhole)
        {
            return false;
        }

        _partial.Release();
        return true;
    }

    private static MessageType TypeOf(Opcode opcode) => opcode == Opcode.Text ? MessageType.Text : MessageType.Binary;
}
