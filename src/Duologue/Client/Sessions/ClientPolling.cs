using System.Diagnostics.CodeAnalysis;
using System.Net;
using Duologue.Carriers;
using Duologue.EngineIo;

namespace Duologue.Client.Sessions;

/// <summary>
/// A session's polling, from the client's side: one GET at a time brings packets, one POST at a time takes them. It can be paused, for a WebSocket to
/// take over with nothing under way.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The cancellation source has neither a timer nor a wait handle: there is nothing to dispose.")]
internal sealed class ClientPolling : SessionTransport
{
    // However little time a server gives: a client that asks without rest serves nobody.
    private static readonly TimeSpan ShortestInterval = TimeSpan.FromMilliseconds(10);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SessionRequests _requests;
    private readonly ConnectOptions _options;
    private readonly OpenPacket _open;
    private readonly TimeSpan _longestRest;
    private readonly TimeSpan _held;
    private readonly TimeSpan? _interval;
    private readonly byte[] _first;
    private SessionCarrier _carrier = null!;

    // Guarded by the lock. A pause and the end let no request begin.
    private bool _receiving;
    private bool _getting;
    private bool _posting;
    private bool _due;
    private bool _paused;
    private bool _ended;
    private volatile bool _closed;
    private TaskCompletionSource? _quiet;
    private TaskCompletionSource? _waiting;

    /// <param name="requests">The requests of the session that was opened; this transport's own from now on.</param>
    /// <param name="open">What the server said.</param>
    /// <param name="first">The packets that came behind it.</param>
    /// <param name="kind">Long polling, or polling by the interval of the options.</param>
    /// <param name="options">The options of the connect call.</param>
    public ClientPolling(SessionRequests requests, OpenPacket open, byte[] first, Transport kind, ConnectOptions options)
    {
        _requests = requests;
        _open = open;
        _first = first;
        _options = options;
        Kind = kind;

        // A server ends the session of a client whose pong is late, and its ping waits for the next request.
        _longestRest = TimeSpan.FromTicks(Math.Clamp(open.Timeout.Ticks / 2, ShortestInterval.Ticks, options.PollingInterval.Ticks));
        _interval = kind == Transport.Polling ? _longestRest : null;

        // What is held in vain ends with the server's ping.
        _held = Min(_longestRest, open.Interval / 2);
    }

    public override Transport Kind { get; }

    /// <summary>Cancelled when the session ends, or goes on without polling.</summary>
    public CancellationToken Stopped => _stop.Token;

    /// <summary>Why a request was held in vain, so that a held one is not tried again; null if none was.</summary>
    public Action? HeldInVain { get; init; }

    /// <summary>Begins to ask.</summary>
    public void Begin(SessionCarrier carrier)
    {
        _carrier = carrier;
        _receiving = true;

        // No pause before what came behind the opening has been brought.
        _getting = true;
        _ = ReceiveAsync(_first);
    }

    public override void OnPackets()
    {
        lock (_lock)
        {
            _due = true;
            if (_posting || _paused || _ended)
            {
                return;
            }

            _posting = true;
        }

        _ = SendAsync();
    }

    public override void OnEnd(bool aborted) => Stop();

    /// <summary>Completes when no request is under way; none begins until <see cref="Resume"/>.</summary>
    public Task PauseAsync()
    {
        lock (_lock)
        {
            _paused = true;
            _waiting?.TrySetResult();
            if (!_getting && !_posting)
            {
                return Task.CompletedTask;
            }

            _quiet ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _quiet.Task;
        }
    }

    /// <summary>Goes on after a pause.</summary>
    public void Resume()
    {
        bool receives;
        bool sends;
        lock (_lock)
        {
            _paused = false;
            receives = !_receiving && !_ended;
            sends = _due && !_posting && !_ended;
            _receiving |= receives;
            _posting |= sends;
        }

        if (receives)
        {
            _ = AskAsync();
        }

        if (sends)
        {
            _ = SendAsync();
        }
    }

    /// <summary>Asks no more: the session has ended, or a WebSocket carries it.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            if (_ended)
            {
                return;
            }

            _ended = true;
            _waiting?.TrySetResult();
        }

        // Elsewhere: what the cancellation sets off is not for the thread that ends the session.
        _ = Task.Run(async () =>
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            _requests.Dispose();
        });
    }

    private async Task ReceiveAsync(byte[] first)
    {
        // Off the thread that connects, and that a server which sends without end would keep.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            if (first.Length > 0)
            {
                var stream = new MemoryStream(first, writable: false);
                await using (stream.ConfigureAwait(false))
                {
                    await BringAsync(stream).ConfigureAwait(false);
                }
            }
        }
#pragma warning disable CA1031 // As of what is asked for.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Fail(error);
        }
        finally
        {
            EndGet();
        }

        await AskAsync().ConfigureAwait(false);
    }

    private async Task AskAsync()
    {
        try
        {
            TimeSpan rest = TimeSpan.Zero;
            while (TryBeginGet())
            {
                bool isEarly = await GetAsync().ConfigureAwait(false);
                EndGet();

                // An answer without a message that was not held comes from who does not hold them: asked without rest, it would be asked thousands of times a second.
                rest = _interval ?? (isEarly ? Min(Max(rest * 2, ShortestInterval), _longestRest) : TimeSpan.Zero);
                if (rest > TimeSpan.Zero)
                {
                    await WaitAsync(rest).ConfigureAwait(false);
                }
            }
        }
#pragma warning disable CA1031 // Whatever it is, the session ends with it: nobody else asks, and nobody would be told.
        catch (Exception error)
#pragma warning restore CA1031
        {
            // Before the request counts as ended: a pause that waits for it must not let a WebSocket take over a session that may have lost what the answer had.
            try
            {
                FailGet(error);
            }
            finally
            {
                EndGet();
            }
        }
    }

    /// <summary>Asks once, and gives the session what comes. True if the answer had no message, and was not held.</summary>
    private async ValueTask<bool> GetAsync()
    {
        long start = _options.TimeProvider.GetTimestamp();
        using HttpResponseMessage response = await _requests.GetAsync(_interval is not null, _stop.Token).ConfigureAwait(false);
        await SessionRequests.ThrowIfRefusedAsync(response, _stop.Token).ConfigureAwait(false);
        Stream body = await response.Content.ReadAsStreamAsync(_stop.Token).ConfigureAwait(false);
        return !await BringAsync(body).ConfigureAwait(false) && _options.TimeProvider.GetElapsedTime(start) < _held;
    }

    private void FailGet(Exception error)
    {
        if (!IsFailure(error))
        {
            _carrier.Lose(error);
            return;
        }

        if (_closed)
        {
            // The close, or its answer, is on its way: what the last request came to changes nothing.
            return;
        }

        if (_interval is null && !_stop.IsCancellationRequested && error is not SessionRequestException { Status: HttpStatusCode.BadRequest or HttpStatusCode.Gone or HttpStatusCode.ServiceUnavailable })
        {
            HeldInVain?.Invoke();
        }

        Fail(error);
    }

    private bool TryBeginGet()
    {
        lock (_lock)
        {
            if (_paused || _ended || _closed)
            {
                _receiving = false;
                return false;
            }

            return _getting = true;
        }
    }

    private void EndGet()
    {
        lock (_lock)
        {
            _getting = false;
            TellIfQuiet();
        }
    }

    /// <summary>Waits until it is time to ask again, or until it is known that nothing will be asked.</summary>
    private async Task WaitAsync(TimeSpan interval)
    {
        TaskCompletionSource waiting;
        lock (_lock)
        {
            if (_paused || _ended)
            {
                return;
            }

            _waiting = waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        using var enough = new CancellationTokenSource();
        await Task.WhenAny(waiting.Task, Task.Delay(interval, _options.TimeProvider, enough.Token)).ConfigureAwait(false);
        await enough.CancelAsync().ConfigureAwait(false);
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    /// <summary>Gives the session the packets of a payload as they arrive. True if there was a message, or the end, among them.</summary>
    private async ValueTask<bool> BringAsync(Stream body)
    {
        // Base64 makes four bytes of three.
        var packets = new PayloadReader(body, 8 + (_options.MaxMessageSize * 4L / 3));
        bool hasMessage = false;
        int share = StreamCarrier.Share;
        try
        {
            while (true)
            {
                ValueTask<bool> read = packets.ReadAsync(_stop.Token);
                share = read.IsCompleted ? share : StreamCarrier.Share;
                bool more = await read.ConfigureAwait(false);
                if (packets.IsTooLong)
                {
                    _carrier.Violate(ProtocolViolation.MessageTooBig);
                    return true;
                }

                PacketKind kind = PacketReader.BringToClient(packets.Packet, _carrier);
                if (kind == PacketKind.Invalid)
                {
                    await _carrier.DispatchAsync().ConfigureAwait(false);
                    _carrier.Violate(ProtocolViolation.InvalidPacket);
                    return true;
                }

                // Pings and noops have nothing for the application.
                hasMessage |= packets.Packet[0] is not ((byte)'2' or (byte)'6');
                share -= packets.Packet.Length + 1;
                if (kind == PacketKind.Close)
                {
                    AskNoMore();
                }

                if (!more || kind == PacketKind.Close || !packets.HasMore)
                {
                    await _carrier.DispatchAsync().ConfigureAwait(false);
                }

                if (!more || kind == PacketKind.Close)
                {
                    return hasMessage;
                }

                if (share <= 0)
                {
                    // As in the carriers: who sends faster than it is handled would keep a thread of the pool.
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                    share = StreamCarrier.Share;
                }
            }
        }
        finally
        {
            packets.Release();
        }
    }

    /// <summary>One side has closed: the request under way may end, and none begins behind it.</summary>
    private void AskNoMore()
    {
        lock (_lock)
        {
            _closed = true;
            _waiting?.TrySetResult();
        }
    }

    private async Task SendAsync()
    {
        var body = new FrameBuffer();
        try
        {
            while (TryContinuePosting())
            {
                if (_closed)
                {
                    TakeLast();
                    continue;
                }

                var payload = new PolledPayload(body, (int)Math.Min(_open.MaxPayload, int.MaxValue));
                if (_carrier.Take(this, ref payload))
                {
                    lock (_lock)
                    {
                        _due = true;
                    }
                }

                if (payload.Closing is not null)
                {
                    // The server forgets a session that has closed: a request that comes behind would be refused.
                    AskNoMore();
                    payload.Add('1');
                }

                if (body.Length > 0)
                {
                    await _requests.PostAsync(body.Memory, _stop.Token).ConfigureAwait(false);
                    body.Release();
                }

                if (payload.Closing is { } closing)
                {
                    await ConcludeAsync(closing.Code, closing.Reason).ConfigureAwait(false);
                }
            }
        }
#pragma warning disable CA1031 // As of a GET.
        catch (Exception error)
#pragma warning restore CA1031
        {
            try
            {
                if (error is SessionRequestException { Status: HttpStatusCode.RequestEntityTooLarge })
                {
                    _carrier.Connection.RefuseForSize("The server, or a proxy before it, refused a request for its size (MaxSessionPayload; 413).");
                }

                // First, as of a GET.
                Fail(error);
            }
            finally
            {
                EndPosting();
            }
        }
        finally
        {
            body.Release();
        }
    }

    private bool TryContinuePosting()
    {
        lock (_lock)
        {
            if (_due && !_paused && !_ended)
            {
                _due = false;
                return true;
            }

            _posting = false;
            TellIfQuiet();
            return false;
        }
    }

    private void EndPosting()
    {
        lock (_lock)
        {
            _posting = false;
            TellIfQuiet();
        }
    }

    /// <summary>The server has closed and takes nothing any more: what waits is reported as not sent, and a close has nobody to go to.</summary>
    private void TakeLast()
    {
        var nobody = default(CloseOnly);
        if (_carrier.Take(this, ref nobody))
        {
            _carrier.LoseClosed();
        }
    }

    /// <summary>
    /// The server has the client's close, which it does not answer: having it is its answer. What it said before comes first, with the GET that it ends.
    /// </summary>
    private async ValueTask ConcludeAsync(ushort code, string reason)
    {
        Task quiet;
        lock (_lock)
        {
            if (_getting)
            {
                _quiet ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            quiet = _getting ? _quiet!.Task : Task.CompletedTask;

            // This POST is done.
            _posting = false;
        }

        await quiet.WaitAsync(_stop.Token).ConfigureAwait(false);
        _carrier.OnClose(code, reason);
        await _carrier.DispatchAsync().ConfigureAwait(false);
    }

    /// <summary>Under the lock.</summary>
    private void TellIfQuiet()
    {
        if (!_getting && !_posting)
        {
            _quiet?.TrySetResult();
            _quiet = null;
        }
    }

    private static bool IsFailure(Exception error) => error is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException;

    private void Fail(Exception error)
    {
        // What the stop brings about is no news.
        if (!_stop.IsCancellationRequested || !IsFailure(error))
        {
            _carrier.Lose(error);
        }
    }
}
