using System.Buffers.Binary;
using Duologue.Protocol;
using Microsoft.Extensions.Logging;

namespace Duologue;

// Time: keep-alive, round trips, and the deadlines of closing, all on one place of the shared wheel.
internal sealed partial class WebSocketConnection
{
    // Above it a PingAsync shares the latest ping on its way: pings are bounded whatever the application does.
    private const int MaxOutstandingPings = 16;

    private const int PingPayload = sizeof(long);

    // Guarded by _gate. Deadlines in the clock's timestamps; 0 for none.
    private long _keepAliveDue;
    private long _closeDue;
    private long _lingerDue;
    private bool _awaitingSign;
    private long _lastPing;
    private List<Ping>? _pings;

    // Set by each batch of bytes, cleared by each keep-alive ping.
    private volatile bool _alive;

    private long _latencyTicks = -1;
    private long _rateWindow;
    private int _controlFrames;
    private int _messages;

    /// <inheritdoc/>
    public override TimeSpan? Latency => Interlocked.Read(ref _latencyTicks) is >= 0 and var ticks ? TimeSpan.FromTicks(ticks) : null;

    /// <inheritdoc/>
    public override async ValueTask<TimeSpan> PingAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource<TimeSpan> source;
        bool flush = false;
        lock (_gate)
        {
            if (CannotSend)
            {
                throw ClosedException();
            }

            _pings ??= [];
            if (_pings.Count < MaxOutstandingPings)
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

    void Peer.ITimeoutTarget.OnTimeout()
    {
        bool flush = false;
        bool closeDeferred = false;
        bool closeTimedOut = false;
        bool dead = false;
        bool lingered = false;
        lock (_gate)
        {
            long now = Now();
            if (_closeInfo is not null)
            {
                lingered = _lingerDue != 0 && now >= _lingerDue;
                if (lingered)
                {
                    _lingerDue = 0;
                }
            }
            else if (_closeDue != 0 && now >= _closeDue)
            {
                closeDeferred = _closeDeferred;
                closeTimedOut = !closeDeferred;
            }
            else if (_keepAliveDue != 0 && now >= _keepAliveDue)
            {
                (dead, flush) = KeepAlive();
            }

            Rearm();
        }

        if (lingered)
        {
            _carrier!.Complete();
        }
        else if (closeDeferred)
        {
            CloseDeferred();
        }
        else if (closeTimedOut)
        {
            End(CloseCause.CloseTimeout);
        }
        else if (dead)
        {
            if (_setup.Logger.IsEnabled(LogLevel.Information))
            {
                _setup.Logger.KeepAliveTimedOut(Id, _options.KeepAliveTimeout);
            }

            End(CloseCause.KeepAliveTimeout);
        }
        else if (flush)
        {
            Flush();
        }
    }

    /// <summary>Under the lock, when the keep-alive deadline has passed.</summary>
    private (bool Dead, bool Flush) KeepAlive()
    {
        if (_awaitingSign)
        {
            // While nobody reads, a pong could not have been seen: no verdict.
            if (!_alive && !_paused)
            {
                return (true, false);
            }

            _awaitingSign = false;
            TimeSpan rest = _options.KeepAliveInterval - _options.KeepAliveTimeout;
            if (rest > TimeSpan.Zero)
            {
                _keepAliveDue = After(rest);
                return (false, false);
            }
        }

        if (_closeSent)
        {
            _keepAliveDue = 0;
            return (false, false);
        }

        _alive = false;
        bool judged = _options.KeepAliveTimeout != Timeout.InfiniteTimeSpan;
        _awaitingSign = judged;
        _keepAliveDue = After(judged ? _options.KeepAliveTimeout : _options.KeepAliveInterval);
        _pings ??= [];
        return (false, _pings.Count < MaxOutstandingPings && SendPing());
    }

    private void StartKeepAlive()
    {
        if (_options.KeepAliveInterval != Timeout.InfiniteTimeSpan)
        {
            _keepAliveDue = After(_options.KeepAliveInterval);
            Rearm();
        }
    }

    private void ArmClose(TimeSpan delay)
    {
        _closeDue = delay == Timeout.InfiniteTimeSpan ? 0 : After(delay);
        Rearm();
    }

    private void ArmLinger(TimeSpan delay)
    {
        _lingerDue = After(delay);
        Rearm();
    }

    /// <summary>Under the lock: puts the earliest deadline on the wheel.</summary>
    private void Rearm()
    {
        long due = _closeInfo is not null ? _lingerDue : Earliest(_closeDue, _keepAliveDue);
        if (due == 0)
        {
            _wheel.Cancel(this);
            return;
        }

        // A deadline that has passed since it was set is one all the same: the wheel calls at its next tick.
        double seconds = Math.Max(0, due - Now()) / (double)_options.TimeProvider.TimestampFrequency;
        _wheel.Schedule(this, TimeSpan.FromSeconds(seconds));
    }

    private static long Earliest(long left, long right) => left == 0 ? right : right == 0 ? left : Math.Min(left, right);

    /// <summary>Under the lock. Returns whether the caller must flush.</summary>
    private bool SendPing()
    {
        long number = ++_lastPing;
        _pings!.Add(new Ping(number, Now(), null));
        if (_flushing)
        {
            // A newer ping says all that an older one would: its pong answers both.
            _pendingPing = number;
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
        if (_options.MaxControlFramesPerSecond != 0)
        {
            OpenRateWindow();
            if (++_controlFrames > _options.MaxControlFramesPerSecond)
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
        if (_options.MaxMessagesPerSecond == 0)
        {
            return null;
        }

        OpenRateWindow();
        return ++_messages > _options.MaxMessagesPerSecond ? ProtocolViolation.TooManyMessages : null;
    }

    /// <summary>Begins to count anew when the second that is being counted has passed.</summary>
    private void OpenRateWindow()
    {
        long now = Now();
        if (_rateWindow == 0 || _options.TimeProvider.GetElapsedTime(_rateWindow, now) >= TimeSpan.FromSeconds(1))
        {
            _rateWindow = now;
            _controlFrames = 0;
            _messages = 0;
        }
    }

    // RFC 6455 §5.5.2 and §5.5.3: a pong with the ping's payload, "as soon as is practical"; for several unanswered
    // pings one to the latest is enough.
    private void OnPing(ReadOnlySpan<byte> payload)
    {
        bool flush = false;
        lock (_gate)
        {
            if (CannotSend)
            {
                return;
            }

            if (_flushing)
            {
                _pendingPong = payload.ToArray();
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
        lock (_gate)
        {
            if (_pings is null)
            {
                return;
            }

            int count = 0;
            while (count < _pings.Count && _pings[count].Number <= number)
            {
                Ping ping = _pings[count++];
                TimeSpan time = _options.TimeProvider.GetElapsedTime(ping.SentAt, now);
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

        Interlocked.Exchange(ref _latencyTicks, latest.Value.Ticks);
        _setup.Observer.RoundTrip(this, latest.Value);
        answered?.ForEach(static pair => pair.Source.TrySetResult(pair.Time));
    }

    private void FailPings()
    {
        List<Ping>? pings;
        lock (_gate)
        {
            (pings, _pings) = (_pings, null);
        }

        pings?.ForEach(ping => ping.Source?.TrySetException(ClosedException()));
    }

    private readonly record struct Ping(long Number, long SentAt, TaskCompletionSource<TimeSpan>? Source);
}
