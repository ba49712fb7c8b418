using System.Buffers.Binary;
using Duologue.Protocol;

namespace Duologue;

// Keep-alive, round trips, and the rates of what the peer sends.
internal sealed partial class WebSocketConnection
{
    // Above it a PingAsync shares the latest ping on its way: pings are bounded whatever the application does.
    private const int MaxOutstandingPings = 16;

    private const int PingPayload = sizeof(long);

    // Guarded by Gate. A deadline in the clock's timestamps; 0 for none.
    private long _keepAliveDue;
    private bool _awaitingSign;
    private int _lastPing;
    private List<Ping>? _pings;

    // Set by each batch of bytes, cleared by each keep-alive ping.
    private volatile bool _alive;

    private int _latencyMicroseconds = -1;

    // When the second that is being counted began, in milliseconds of the clock that wrap around; and what came in it.
    private uint _rateWindow;
    private int _controlFrames;
    private int _messages;

    /// <inheritdoc/>
    public override TimeSpan? Latency => Volatile.Read(ref _latencyMicroseconds) is >= 0 and var latency ? TimeSpan.FromMicroseconds(latency) : null;

    /// <inheritdoc/>
    public override ValueTask<TimeSpan> PingAsync(CancellationToken cancellationToken) => PingAsync(mayShare: true, cancellationToken);

    /// <summary>
    /// Pings behind all that has left by now, and waits for the pong: a ping that is shared may have left before. For one caller at a time, so that pings stay bounded.
    /// </summary>
    public ValueTask<TimeSpan> PingAnewAsync() => PingAsync(mayShare: false, CancellationToken.None);

    private async ValueTask<TimeSpan> PingAsync(bool mayShare, CancellationToken cancellationToken)
    {
        ThrowIfSessionCannot(Role == Role.Client, "be pinged by the client: the server pings, and measures");
        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource<TimeSpan> source;
        bool flush = false;
        lock (Gate)
        {
            if (CannotSend)
            {
                throw ClosedException();
            }

            _pings ??= [];
            if (!mayShare || _pings.Count < MaxOutstandingPings)
            {
                flush = SendPing();
            }

            Ping latest = _pings[^1];
            source = latest.Source ?? new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
            _pings[^1] = latest with { Source = source };
        }

        if (flush)
        {
            Flush();
        }

        return await source.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Under the lock, when the keep-alive deadline has passed.</summary>
    private Overdue KeepAlive()
    {
        if (_awaitingSign)
        {
            // While nobody reads, a pong could not have been seen: no verdict.
            if (!_alive && !_paused)
            {
                return Overdue.Dead;
            }

            _awaitingSign = false;
            TimeSpan rest = Options.KeepAliveInterval - Options.KeepAliveTimeout;
            if (rest > TimeSpan.Zero)
            {
                _keepAliveDue = After(rest);
                return Overdue.None;
            }
        }

        if (_closeSent)
        {
            _keepAliveDue = 0;
            return Overdue.None;
        }

        _alive = false;
        bool judged = Options.KeepAliveTimeout != Timeout.InfiniteTimeSpan;
        _awaitingSign = judged;
        _keepAliveDue = After(judged ? Options.KeepAliveTimeout : Options.KeepAliveInterval);
        _pings ??= new List<Ping>(1);
        return _pings.Count < MaxOutstandingPings && SendPing() ? Overdue.Flush : Overdue.None;
    }

    private void StartKeepAlive()
    {
        if (Options.KeepAliveInterval != Timeout.InfiniteTimeSpan)
        {
            _keepAliveDue = After(Options.KeepAliveInterval);
            Rearm();
        }
    }

    /// <summary>Under the lock. Returns whether the caller must flush.</summary>
    private bool SendPing()
    {
        long number = ++_lastPing;
        _pings!.Add(new Ping(number, Now(), null));
        if (_flushing)
        {
            // A newer ping says all that an older one would: its pong answers both.
            PendingPing = number;
            return false;
        }

        WritePing(number);
        return TryBeginFlush();
    }

    private void WritePing(long number)
    {
        Span<byte> payload = stackalloc byte[PingPayload];
        BinaryPrimitives.WriteInt64BigEndian(payload, number);
        WriteControl(Opcode.Ping, payload);
    }

    private ProtocolViolation? OnControl(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        if (Options.MaxControlFramesPerSecond != 0)
        {
            OpenRateWindow();
            if (++_controlFrames > Options.MaxControlFramesPerSecond)
            {
                return ProtocolViolation.TooManyControlFrames;
            }
        }

        if (opcode == Opcode.Ping)
        {
            OnPing(payload);
        }
        else
        {
            OnPong(payload);
        }

        return null;
    }

    private ProtocolViolation? CountMessage()
    {
        if (Options.MaxMessagesPerSecond == 0)
        {
            return null;
        }

        OpenRateWindow();
        return ++_messages > Options.MaxMessagesPerSecond ? ProtocolViolation.TooManyMessages : null;
    }

    private ProtocolViolation? CountSmallFragment()
    {
        if (Options.MaxSmallFragmentsPerSecond == 0)
        {
            return null;
        }

        OpenRateWindow();
        return ++SmallFragments > Options.MaxSmallFragmentsPerSecond ? ProtocolViolation.TooManySmallFragments : null;
    }

    /// <summary>Begins to count anew when the second that is being counted has passed.</summary>
    private void OpenRateWindow()
    {
        uint now = (uint)(Options.TimeProvider.GetElapsedTime(0, Now()).Ticks / TimeSpan.TicksPerMillisecond);
        if (now - _rateWindow >= 1000)
        {
            _rateWindow = now;
            _controlFrames = 0;
            _messages = 0;
            SmallFragments = 0;
        }
    }

    // RFC 6455 §5.5.2 and §5.5.3: a pong with the ping's payload, "as soon as is practical"; for several unanswered
    // pings one to the latest is enough.
    private void OnPing(ReadOnlySpan<byte> payload)
    {
        bool flush = false;
        lock (Gate)
        {
            if (CannotSend)
            {
                return;
            }

            if (_flushing)
            {
                PendingPong = payload.ToArray();
            }
            else
            {
                WriteControl(Opcode.Pong, payload);
                flush = TryBeginFlush();
            }
        }

        if (flush)
        {
            Flush();
        }
    }

    // RFC 6455 §5.5.3: an unsolicited pong is no error; one of ours also answers all pings before it.
    private void OnPong(ReadOnlySpan<byte> payload)
    {
        if (payload.Length != PingPayload)
        {
            return;
        }

        long number = BinaryPrimitives.ReadInt64BigEndian(payload);
        long now = Now();
        List<(TaskCompletionSource<TimeSpan> Source, TimeSpan Time)>? answered = null;
        TimeSpan? latest = null;
        lock (Gate)
        {
            if (_pings is null)
            {
                return;
            }

            int count = 0;
            while (count < _pings.Count && _pings[count].Number <= number)
            {
                Ping ping = _pings[count++];
                TimeSpan time = Options.TimeProvider.GetElapsedTime(ping.SentAt, now);
                if (ping.Number == number)
                {
                    latest = time;
                }

                if (ping.Source is { } source)
                {
                    (answered ??= []).Add((source, time));
                }
            }

            if (latest is null)
            {
                return;
            }

            _pings.RemoveRange(0, count);
            if (_pings.Count == 0)
            {
                _pings = null;
            }
        }

        Volatile.Write(ref _latencyMicroseconds, (int)Math.Min(latest.Value.TotalMicroseconds, int.MaxValue));
        _setup.Observer.RoundTrip(this, latest.Value);
        answered?.ForEach(static pair => pair.Source.TrySetResult(pair.Time));
    }

    private void FailPings()
    {
        List<Ping>? pings;
        lock (Gate)
        {
            (pings, _pings) = (_pings, null);
        }

        foreach (Ping ping in pings ?? [])
        {
            if (ping.Source is { } source && source.TrySetException(ClosedException()))
            {
                // Whoever asked may wait no more.
                _ = source.Task.Exception;
            }
        }
    }

    private readonly record struct Ping(long Number, long SentAt, TaskCompletionSource<TimeSpan>? Source);
}
