using System.Threading.Tasks.Sources;
using Duologue.EngineIo;
using Duologue.Peer;

namespace Duologue.AspNetCore;

/// <summary>
/// A session's polled transport: packets leave with the answers to GETs, one at a time. A held GET costs no thread, and no timer of its own: its session
/// wakes it.
/// </summary>
/// <remarks>
/// The answer to a GET that has a name of its own is kept until the client asks for the next. A proxy that loses the connection which the answer
/// went into repeats the GET, and is given the same again: that loses nothing, and costs no session, for the memory of one answer.
/// </remarks>
internal sealed class PolledTransport(Session session) : SessionTransport, IValueTaskSource<bool>, ITimeoutTarget, IThreadPoolWorkItem
{
    /// <summary>
    /// How long a GET is held while a WebSocket takes over, and how long a session that its client has closed waits for one last GET: the two
    /// requests may have crossed.
    /// </summary>
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();

    // The last answer and the name of its GET. They belong to the GET that is under way; while there is none, the lock guards them.
    private readonly FrameBuffer _body = new();
    private PolledPayload? _answer;
    private string? _name;

    private ManualResetValueTaskSourceCore<bool> _source = new() { RunContinuationsAsynchronously = true };
    private TimeoutLink _link;
    private Transport _kind = Transport.LongPolling;

    // Guarded by the lock. A repeat of the GET that is under way waits for its turn.
    private TaskCompletionSource<bool>? _repeat;

    // Of the GET: whether one is under way, waits for something to say, has been told of something since it looked, and is to be answered whatever there is.
    private bool _polling;
    private bool _waiting;
    private bool _signaled;
    private bool _timedOut;

    // Of the session: whether a WebSocket is being tried, has taken over; whether the conversation has ended; whether the client has closed, and is given a moment for its last GET.
    private bool _hurried;
    private bool _replaced;
    private bool _ended;
    private bool _closedByPeer;
    private bool _lingering;

    public override Transport Kind => _kind;

    ref TimeoutLink ITimeoutTarget.Link => ref _link;

    private TimeoutWheel Wheel => session.Carrier.Connection.Setup.Wheel;

    /// <summary>
    /// Begins a GET; false if another is under way. If that is the same, the repeat takes its place: who asks again has lost the connection of the first.
    /// </summary>
    /// <param name="name">What tells it from the client's others; null if nothing does.</param>
    /// <param name="wait">How long it may be held.</param>
    public ValueTask<bool> BeginAsync(string? name, TimeSpan? wait)
    {
        TaskCompletionSource<bool>? turn = null;
        lock (_lock)
        {
            bool isRepeat = name is not null && name == _name;
            if (_polling)
            {
                if (!isRepeat || _repeat is not null)
                {
                    return new(false);
                }

                _repeat = turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
            else
            {
                if (!isRepeat)
                {
                    Forget();
                }

                _name = name;
                _polling = true;
                _lingering = false;
                _timedOut = wait == TimeSpan.Zero;
                _kind = _timedOut ? Transport.Polling : Transport.LongPolling;
            }
        }

        if (turn is not null)
        {
            Signal();
            return new(turn.Task);
        }

        session.ReportTransport();
        return new(true);
    }

    /// <summary>
    /// The answer to the GET that was begun, as soon as there is something to say: the one that it had before, if it is a repeat. Empty if a repeat of
    /// it is to have the answer.
    /// </summary>
    public async ValueTask<PolledPayload> FillAsync(TimeSpan? wait)
    {
        if (_answer is { } given)
        {
            return given;
        }

        var payload = new PolledPayload(_body, session.MaxPayload);
        if (wait > TimeSpan.Zero)
        {
            Wheel.Schedule(this, wait.Value);
        }

        while (true)
        {
            session.Carrier.Take(this, ref payload);
            char? instead = null;
            bool waits = false;
            bool yields = false;
            lock (_lock)
            {
                if (_body.Length == 0 || payload.Closing is not null)
                {
                    instead = payload.Closing is not null
                        ? _closedByPeer ? (_body.Length == 0 ? '6' : null) : '1'
                        : _ended && !_replaced ? (_closedByPeer ? '6' : '1') : _timedOut || _replaced ? '6' : null;
                    yields = _body.Length == 0 && instead is null && _repeat is not null;
                    waits = _body.Length == 0 && instead is null && !yields && !_signaled;
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

            if (_body.Length > 0)
            {
                _answer = payload;
                return payload;
            }

            if (yields)
            {
                return payload;
            }

            if (waits)
            {
                await new ValueTask<bool>(this, _source.Version).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The GET has its answer, of which nothing is needed any more.</summary>
    /// <returns>False if a repeat of it gives the answer instead.</returns>
    public bool End()
    {
        Wheel.Cancel(this);
        TaskCompletionSource<bool>? repeat;
        lock (_lock)
        {
            (repeat, _repeat) = (_repeat, null);
            _polling = repeat is not null;
            if (_name is null || _ended || _replaced)
            {
                ForgetUnlessPolling();
            }
        }

        repeat?.SetResult(true);
        Linger();
        return repeat is null;
    }

    /// <summary>The client of the GET that is under way has gone, and with it the session, unless it has asked again.</summary>
    public void OnGone()
    {
        lock (_lock)
        {
            if (_repeat is not null)
            {
                return;
            }
        }

        session.Carrier.Lose();
    }

    /// <summary>The GET that is under way is held no longer.</summary>
    public void TimeOut()
    {
        lock (_lock)
        {
            _timedOut |= _polling;
        }

        Signal();
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
            ForgetUnlessPolling();
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
            ForgetUnlessPolling();
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

    /// <summary>Under the lock: nobody can repeat a GET any more.</summary>
    private void ForgetUnlessPolling()
    {
        if (!_polling)
        {
            Forget();
        }
    }

    /// <summary>Under the lock.</summary>
    private void Forget()
    {
        _answer = null;
        _body.Release();
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
