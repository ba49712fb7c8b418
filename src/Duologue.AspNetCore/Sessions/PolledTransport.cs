using System.Threading.Tasks.Sources;
using Duologue.EngineIo;
using Duologue.Peer;

namespace Duologue.AspNetCore;

/// <summary>
/// A session's polled transport: packets leave with the answers to GETs, one at a time. A held GET costs no thread, and no timer of its own: its session
/// wakes it.
/// </summary>
internal sealed class PolledTransport(Session session) : SessionTransport, IValueTaskSource<bool>, ITimeoutTarget, IThreadPoolWorkItem
{
    /// <summary>
    /// How long a GET is held while a WebSocket takes over, and how long a session that its client has closed waits for one last GET: the two
    /// requests may have crossed.
    /// </summary>
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private ManualResetValueTaskSourceCore<bool> _source = new() { RunContinuationsAsynchronously = true };
    private TimeoutLink _link;
    private bool _polling;
    private bool _waiting;
    private bool _signaled;
    private bool _timedOut;
    private bool _hurried;
    private bool _replaced;
    private bool _ended;
    private bool _closedByPeer;
    private bool _lingering;
    private Transport _kind = Transport.LongPolling;

    public override Transport Kind => _kind;

    ref TimeoutLink ITimeoutTarget.Link => ref _link;

    private TimeoutWheel Wheel => session.Carrier.Connection.Setup.Wheel;

    /// <summary>Begins a GET; false if one is under way.</summary>
    public bool TryBegin(TimeSpan? wait)
    {
        lock (_lock)
        {
            if (_polling)
            {
                return false;
            }

            _polling = true;
            _lingering = false;
            _timedOut = wait == TimeSpan.Zero;
            _kind = _timedOut ? Transport.Polling : Transport.LongPolling;
        }

        session.ReportTransport();
        return true;
    }

    /// <summary>Fills the answer to the GET that was begun, as soon as there is something to say.</summary>
    public async ValueTask<PolledPayload> FillAsync(FrameBuffer body, TimeSpan? wait)
    {
        var payload = new PolledPayload(body, session.MaxPayload);
        if (wait > TimeSpan.Zero)
        {
            Wheel.Schedule(this, wait.Value);
        }

        while (true)
        {
            session.Carrier.Take(this, ref payload);
            char? instead = null;
            bool waits = false;
            lock (_lock)
            {
                if (body.Length == 0 || payload.Closing is not null)
                {
                    instead = payload.Closing is not null
                        ? _closedByPeer ? (body.Length == 0 ? '6' : null) : '1'
                        : _ended && !_replaced ? (_closedByPeer ? '6' : '1') : _timedOut || _replaced ? '6' : null;
                    waits = body.Length == 0 && instead is null && !_signaled;
                    if (waits)
                    {
                        _waiting = true;
                        _source.Reset();
                        if (_hurried)
                        {
                            Wheel.Schedule(this, Moment);
                        }
                    }
                }

                _signaled = false;
            }

            if (instead is { } type)
            {
                payload.Add(type);
            }

            if (body.Length > 0)
            {
                return payload;
            }

            if (waits)
            {
                await new ValueTask<bool>(this, _source.Version).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The GET has its answer.</summary>
    public void End()
    {
        Wheel.Cancel(this);
        lock (_lock)
        {
            _polling = false;
        }

        Linger();
    }

    /// <summary>From now on GETs are held for a moment only: the client waits for their end before it changes to a WebSocket.</summary>
    public void Hurry()
    {
        lock (_lock)
        {
            _hurried = true;
            if (_waiting)
            {
                Wheel.Schedule(this, Moment);
            }
        }
    }

    /// <summary>The WebSocket that was to take over did not.</summary>
    public void Relax()
    {
        lock (_lock)
        {
            _hurried = false;
        }
    }

    /// <summary>A WebSocket has taken over.</summary>
    public void Replace()
    {
        lock (_lock)
        {
            _replaced = true;
        }

        Signal();
    }

    /// <summary>The client has closed, by a POST.</summary>
    public void OnClosedByPeer()
    {
        lock (_lock)
        {
            _closedByPeer = true;
        }

        Linger();
    }

    public override void OnPackets()
    {
        Signal();
        Linger();
    }

    public override void OnEnd(bool aborted)
    {
        lock (_lock)
        {
            _ended = true;
        }

        Signal();
        session.OnEnd();
    }

    void ITimeoutTarget.OnTimeout() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    void IThreadPoolWorkItem.Execute()
    {
        bool lingered;
        lock (_lock)
        {
            _timedOut |= _polling;
            _lingering = false;
            lingered = _closedByPeer && !_polling && !_ended;
        }

        if (!lingered)
        {
            Signal();
            return;
        }

        var nobody = default(CloseOnly);
        if (session.Carrier.Take(this, ref nobody))
        {
            session.Carrier.LoseClosed();
        }
    }

    bool IValueTaskSource<bool>.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    /// <summary>A client that has closed may have one GET under way, which is to be answered; then all is over.</summary>
    private void Linger()
    {
        lock (_lock)
        {
            if (_closedByPeer && !_polling && !_ended && !_lingering)
            {
                _lingering = true;
                Wheel.Schedule(this, Moment);
            }
        }
    }

    private void Signal()
    {
        lock (_lock)
        {
            if (!_waiting)
            {
                _signaled = true;
                return;
            }

            _waiting = false;
        }

        _source.SetResult(true);
    }
}
