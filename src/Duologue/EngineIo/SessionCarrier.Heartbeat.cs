using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.EngineIo;

// Heartbeat, as Engine.IO v4 has it: the server pings an interval after the handshake and after each pong, one ping at a time; the client answers,
// and each side ends a session whose other side is silent. Only pings and pongs count, since the peer counts no more either.
internal sealed partial class SessionCarrier : ITimeoutTarget
{
    private const int PingPayload = sizeof(long);

    private readonly TimeSpan _pingInterval;
    private readonly TimeSpan _pingTimeout;
    private TimeoutLink _link;

    // Guarded by the lock. Timestamps of the connection's clock; 0 for none.
    private long _pingDue;
    private long _silenceDue;

    // The server's ping that the client has, and one that was asked for meanwhile.
    private long? _ping;
    private long? _nextPing;

    // The client has the server's ping to answer.
    private bool _owesPong;
    private bool _checking;
    private bool _beats;

    // Whether the connection took no more at some time of this wait for the other side.
    private bool _hasStopped;

    ref TimeoutLink ITimeoutTarget.Link => ref _link;

    /// <summary>The peer's pong (to a server). One that nobody waits for is harmless.</summary>
    public void OnPong()
    {
        long? next;
        lock (_lock)
        {
            if (_ping is not { } number)
            {
                return;
            }

            (next, _nextPing) = (_nextPing, null);
            _ping = null;
            _silenceDue = 0;
            _pingDue = Later(Now(), _pingInterval);
            Rearm();
            Span<byte> payload = stackalloc byte[PingPayload];
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(payload, number);
            Feed(Opcode.Pong, payload);
        }

        if (next is not null)
        {
            // Somebody waits for the answer to a ping of his own, that came while this one was on its way.
            _connection.BeginPing();
        }
    }

    /// <summary>The peer's ping (to a client), which the next packets answer.</summary>
    public void OnPing()
    {
        lock (_lock)
        {
            _owesPong = true;
            _hasStopped = _stopped;
            _silenceDue = Later(Now(), _pingInterval + _pingTimeout);
            Rearm();
        }

        Volatile.Read(ref _transport).OnPackets();
    }

    /// <summary>
    /// Compares the clock with the deadlines: by the wheel, and with each request, as a wheel is coarse and a session that is over must not be
    /// found by a request that comes right after. May end the connection.
    /// </summary>
    public void CheckClock()
    {
        bool ping = false;
        bool dead = false;
        lock (_lock)
        {
            _checking = false;
            if (!_beats)
            {
                return;
            }

            long now = Now();
            if (_pingDue != 0 && now >= _pingDue)
            {
                // It counts from when it was due: what comes late here must not lengthen the client's time.
                _silenceDue = Later(_pingDue, _pingTimeout);
                _pingDue = 0;
                _hasStopped = _stopped;
                ping = true;
            }

            if (_silenceDue != 0 && now >= _silenceDue)
            {
                // While the application takes nothing, the heartbeat waits behind what it does not take: no verdict. Nor right behind that, where it is just going on.
                dead = !_hasStopped;
                _hasStopped = _stopped;
                _silenceDue = dead ? 0 : Later(now, _pingTimeout);
            }

            Rearm();
        }

        if (dead)
        {
            _connection.EndForSilence(_pingTimeout);
        }
        else if (ping)
        {
            _connection.BeginPing();
        }
    }

    void ITimeoutTarget.OnTimeout()
    {
        lock (_lock)
        {
            if (_checking || !_beats)
            {
                return;
            }

            _checking = true;
        }

        // What follows may run the application's code, which must not hold up the timeouts of others.
        ThreadPool.UnsafeQueueUserWorkItem(static carrier => carrier.CheckClock(), this, preferLocal: false);
    }

    private void StartHeartbeat()
    {
        lock (_lock)
        {
            _beats = true;
            if (Role == Role.Server)
            {
                _pingDue = Later(Now(), _pingInterval);
            }
            else
            {
                _silenceDue = Later(Now(), _pingInterval + _pingTimeout);
            }

            Rearm();
        }
    }

    private void StopHeartbeat()
    {
        lock (_lock)
        {
            _beats = false;
            _connection.Setup.Wheel.Cancel(this);
        }
    }

    /// <summary>Under the lock: a change of the way ends a wait for a pong, and the interval goes on.</summary>
    private void OnSwitched()
    {
        if (Role == Role.Server && _beats)
        {
            _ping = null;
            _nextPing = null;
            _silenceDue = 0;
            _pingDue = _pingDue == 0 ? Later(Now(), _pingInterval) : _pingDue;
            Rearm();
        }
    }

    /// <summary>Under the lock: a ping of the connection's leaves, unless one is on its way.</summary>
    private bool TakePing<TSink>(ReadOnlySpan<byte> payload, ref TSink sink)
        where TSink : IPacketSink
    {
        long number = System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(payload);
        if (_ping is not null)
        {
            _nextPing = number;
            return true;
        }

        if (!sink.Ping())
        {
            return false;
        }

        _ping = number;
        _pingDue = 0;
        if (_silenceDue == 0 && _beats)
        {
            _hasStopped = _stopped;
            _silenceDue = Later(Now(), _pingTimeout);
            Rearm();
        }

        return true;
    }

    /// <summary>Under the lock.</summary>
    private void Rearm()
    {
        long due = _pingDue == 0 ? _silenceDue : _silenceDue == 0 ? _pingDue : Math.Min(_pingDue, _silenceDue);
        if (due == 0 || !_beats)
        {
            _connection.Setup.Wheel.Cancel(this);
            return;
        }

        double seconds = Math.Max(0, due - Now()) / (double)_connection.Setup.Options.TimeProvider.TimestampFrequency;
        _connection.Setup.Wheel.Schedule(this, TimeSpan.FromSeconds(seconds));
    }

    private long Now() => _connection.Setup.Options.TimeProvider.GetTimestamp();

    private long Later(long timestamp, TimeSpan delay) => _connection.Later(timestamp, delay);
}
