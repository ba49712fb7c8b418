using Duologue.Protocol;
using Duologue.Protocol.Handshake;
using Microsoft.Extensions.Logging;

namespace Duologue;

// Closing: the close handshake from either side and crossing, and the one end of every connection.
internal sealed partial class WebSocketConnection
{
    /// <summary>How long a failed connection goes on reading, so that the peer gets our Close and a FIN rather than a reset.</summary>
    private static readonly TimeSpan LingerAfterViolation = TimeSpan.FromSeconds(2);

    /// <summary>How much of it goes on being read meanwhile: a peer that does not stop has had its time, and what it sends costs ours.</summary>
    internal const long LingerBytes = 64 * 1024 * 1024;

    /// <summary>How long a client leaves ending the TCP connection to the server (RFC 6455 §7.1.1).</summary>
    private static readonly TimeSpan LingerForServer = TimeSpan.FromSeconds(1);

    // Guarded by Gate: whether we sent a Close or put it behind the queue, and whether the peer's came.
    private bool _closeSent;
    private bool _closeQueued;
    private bool _closeReceived;

    // Guarded by Gate: the peer sends nothing more, for its Close, or the end of its stream, was seen.
    private bool _peerIsDone;

    // A Close that the peer caused waits until the handler has answered what came before it.
    private volatile bool _closeDeferred;

    // Closed completes only when the observer was told: who awaits it finds the connection in no registry and no topic.
    private bool _endTold;

    /// <summary>The peer's Close frame, if it came: what a browser reports.</summary>
    public (ushort Code, string Reason)? ReceivedClose
    {
        get
        {
            lock (Gate)
            {
                return _closeReceived ? (ReceivedCode, ReceivedReason) : null;
            }
        }
    }

    /// <summary>
    /// Whether the peer's Close answers ours, as far as can be seen: RFC 6455 §5.5.1, an answer "typically echos the status code". One that was on its way when ours was sent has mostly another.
    /// </summary>
    public bool IsCloseEchoed
    {
        get
        {
            lock (Gate)
            {
                return _closeSent && _closeReceived && ReceivedCode == SentCode;
            }
        }
    }

    /// <summary>Whether nothing can be sent any more: a Close is on its way, or the connection has ended.</summary>
    public bool IsEnding
    {
        get
        {
            lock (Gate)
            {
                return CannotSend;
            }
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<CloseInfo> CloseAsync(ushort code, string reason)
    {
        CloseFrame.ThrowIfUnsendable(code, reason, Role);
        BeginClose(code, reason, CloseCause.LocalClose);
        if (_setup.Handler is not null && IsHandling)
        {
            // Waiting here for the peer could be waiting for ourselves: its Close may stand behind messages for this very handler.
            lock (Gate)
            {
                return Ending ?? Describe(Cause ?? CloseCause.LocalClose, clean: false);
            }
        }

        return await Closed.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override void Abort() => End(CloseCause.Aborted);

    /// <summary>
    /// Sends a Close frame behind what is queued, if none was sent, and arms the close timeout. Does not wait. Code 1005
    /// sends an empty body.
    /// </summary>
    public void BeginClose(ushort code, string reason, CloseCause cause)
    {
        bool flush;
        int dropped;
        lock (Gate)
        {
            if (_closeSent || Ending is not null)
            {
                return;
            }

            Cause ??= cause;
            dropped = QueueClose(code, reason);
            flush = TryBeginFlush();
        }

        if (dropped != 0)
        {
            ReportDropped(DropReason.Unsent, dropped);
        }

        if (flush)
        {
            Flush();
        }

        // Nobody may be receiving: what the peer still sends must not keep its Close from being seen.
        ResumeIfPaused();
    }

    /// <summary>Under the lock. Returns how many queued messages could not go before it.</summary>
    private int QueueClose(ushort code, string reason)
    {
        _closeSent = true;
        _closeDeferred = false;
        SentCode = code;
        SentReason = reason;
        _reserved = false;
        EndTurns();
        int dropped = 0;
        if (_fragmenting)
        {
            // A message is being written piecewise and will not be finished: what waits behind it cannot leave.
            dropped = (_rare?.Outbox.Clear() ?? 0);
            _fragmenting = false;
        }

        Span<byte> body = stackalloc byte[FrameHeader.MaxControlPayload];
        int length = CloseFrame.Write(body, code, reason);
        if (_flushing || Waiting > 0)
        {
            _closeQueued = true;
            Rare.Outbox.Add(Encode(body[..length], Opcode.Close, FrameWriter.SizeOf(length, Role)));
        }
        else
        {
            WriteControl(Opcode.Close, body[..length]);
            CloseMark = _written;
        }

        ArmClose(_halfClosed ? Grace : Options.CloseTimeout);
        return dropped;
    }

    /// <summary>The peer's Close arrived (RFC 6455 §5.5.1: answer it, unless ours was first).</summary>
    private void OnClose(ushort code, string reason)
    {
        CutOpenMessage();
        bool both;
        lock (Gate)
        {
            _closeReceived = true;
            ReceivedCode = code;
            ReceivedReason = reason;
            both = _closeSent;
            if (!both)
            {
                Cause ??= CloseCause.PeerClosed;
                DeferClose();
            }
        }

        if (both)
        {
            OnCloseTaken();
        }
        else
        {
            CloseIfIdle();
        }
    }

    private void OnViolation(ProtocolViolation violation)
    {
        string sentence = Violations.Sentence(violation, Options);
        _setup.Observer.ProtocolViolated(this, violation);
        if (_setup.Logger.IsEnabled(LogLevel.Information))
        {
            _setup.Logger.ProtocolViolated(Id, violation, sentence);
        }

        lock (Gate)
        {
            if (Ending is not null)
            {
                return;
            }

            Violation = violation;
            Cause ??= Violations.Cause(violation);
            if (!_closeSent)
            {
                SentCode = Violations.CloseCode(violation);
                SentReason = sentence;
                DeferClose();
            }
        }

        if (_closeSent)
        {
            // Ours was on its way already: the peer broke the rules instead of answering.
            OnCloseTaken();
        }
        else
        {
            CloseIfIdle();
        }
    }

    private void OnClosedAfterViolation()
    {
        bool ended;
        lock (Gate)
        {
            _peerIsDone = true;
            ended = Ending is not null;
        }

        if (ended)
        {
            EndCarrier(peerIsDone: true);
        }
    }

    /// <summary>Under the lock: the Close waits for the handler, but not for ever.</summary>
    private void DeferClose()
    {
        _closeDeferred = true;
        ArmClose(Grace);
    }

    /// <summary>Answers the peer's Close, its violation or its end, once the application has dealt with what came before.</summary>
    private void CloseIfIdle()
    {
        if (_closeDeferred && IsIdle)
        {
            CloseDeferred();
        }

        if (_halfClosed)
        {
            EndIfAnswered();
        }
    }

    private void CloseDeferred()
    {
        ushort code;
        string reason;
        lock (Gate)
        {
            if (!_closeDeferred)
            {
                return;
            }

            (code, reason) = Violation is null ? (ReceivedCode, ReceivedReason) : (SentCode, SentReason);
        }

        if (code != CloseFrame.NoStatus && !CloseFrame.MayBeSent(code, Role))
        {
            // RFC 6455 §7.4.1: a server has no use for the client's 1010, so it cannot echo it.
            code = CloseFrame.NormalClosure;
        }

        BeginClose(code, reason, CloseCause.PeerClosed);
    }

    /// <summary>The carrier has our Close, or the peer's came after it was sent.</summary>
    private void OnCloseTaken()
    {
        bool ends;
        bool peerIsDone;
        lock (Gate)
        {
            bool taken = CloseMark != 0 && _taken >= CloseMark;
            ends = taken && (_closeReceived || Violation is not null || _halfClosed);
            peerIsDone = _peerIsDone || _closeReceived;
        }

        if (ends)
        {
            End(CloseCause.PeerClosed);
            EndCarrier(peerIsDone);
        }
    }

    private void EndCarrier(bool peerIsDone)
    {
        // RFC 6455 §7.1.1: the server closes first. While the peer may still be sending, closing would reset the
        // connection and destroy our Close on its way.
        if (_halfClosed || (peerIsDone && Role == Role.Server))
        {
            _carrier!.Complete();
            return;
        }

        lock (Gate)
        {
            ArmLinger(peerIsDone ? LingerForServer : LingerAfterViolation);
        }
    }

    /// <summary>Bytes have come that nobody judges any more. The carrier's thread.</summary>
    private void PassOver(int count)
    {
        lock (Gate)
        {
            if (LingerDue == 0 || (Rare.Lingered += count) < LingerBytes)
            {
                return;
            }

            LingerDue = 0;
            Rearm();
        }

        _carrier!.Complete();
    }

    /// <summary>The one end of the connection; the first call decides.</summary>
    private void End(CloseCause cause)
    {
        CloseInfo info;
        int unsent;
        TaskCompletionSource? flushed;
        TaskCompletionSource<CloseInfo>? closed;
        CancellationTokenSource? aborted;
        bool abort;
        lock (Gate)
        {
            if (Ending is not null)
            {
                return;
            }

            bool givenUp = cause is CloseCause.KeepAliveTimeout or CloseCause.CloseTimeout or CloseCause.SendTimeout;
            bool forced = givenUp || cause == CloseCause.Aborted;

            // A failure is the cause of the end, also where the peer does not take the Close that tells it so.
            CloseCause final = forced && !(givenUp && IsFailure(Cause)) ? cause : Cause ?? cause;

            // A Close that still waits behind other frames was not sent, nor one that the carrier did not take before it was lost.
            bool sent = _rare is { NeedsNoAnswer: true } || (CloseMark != 0 && (cause != CloseCause.ConnectionLost || _taken >= CloseMark));
            bool clean = sent && _closeReceived && Violation is null && !forced;
            info = Describe(final, clean);
            Ending = info;
            _closeDeferred = false;
            EndTurns();
            unsent = (_rare?.Outbox.Clear() ?? 0) - (_closeQueued && CloseMark == 0 ? 1 : 0);
            (flushed, FlushedSource) = (FlushedSource, null);
            aborted = AbortedSource;
            abort = forced;
            _keepAliveDue = 0;
            CloseDue = 0;
            Wheel.Cancel(this);
        }

        if (unsent > 0)
        {
            ReportDropped(DropReason.Unsent, unsent);
        }

        if (_setup.Logger.IsEnabled(LogLevel.Debug))
        {
            _setup.Logger.ConnectionEnded(Id, info.Cause, info.Code, info.WasClean);
        }

        _setup.Observer.Closed(this, info);
        lock (Gate)
        {
            _endTold = true;
            closed = ClosedSource;
        }

        if (abort)
        {
            _carrier?.Abort();
        }

        Deflater?.Dispose();
        closed?.TrySetResult(info);
        flushed?.TrySetResult();
        FailPings();
        EndReceiving();

        // Callbacks on the token are the application's: they must not run on the carrier's thread.
        _ = aborted?.CancelAsync();
    }

    private static bool IsFailure(CloseCause? cause) => cause is CloseCause.ProtocolViolation or CloseCause.MessageTooBig
        or CloseCause.LimitExceeded or CloseCause.SendQueueFull or CloseCause.HandlerFailed;

    /// <summary>Under the lock: how the conversation ended, or stands while it ends.</summary>
    private CloseInfo Describe(CloseCause cause, bool clean)
    {
        ushort code = _closeReceived ? ReceivedCode : _closeSent || _closeDeferred ? SentCode : CloseFrame.Abnormal;
        string reason = _closeReceived ? ReceivedReason : SentReason;
        return new CloseInfo(code, reason, _closeReceived && cause == CloseCause.PeerClosed, clean, cause)
        {
            UnsentBytes = Buffered,
            Violation = Violation,
        };
    }

    /// <summary>The exception for whoever uses the connection after its end.</summary>
    internal ConnectionClosedException ClosedException() => ClosedException(isUnsent: false);

    /// <inheritdoc cref="ClosedException()"/>
    /// <param name="isUnsent">See <see cref="ConnectionClosedException.IsUnsent"/>.</param>
    private ConnectionClosedException ClosedException(bool isUnsent)
    {
        CloseInfo info;
        lock (Gate)
        {
            info = Ending ?? Describe(Cause ?? (_peerIsDone ? CloseCause.ConnectionLost : CloseCause.LocalClose), clean: false);
        }

        string how = $"The connection has ended: {info.Cause}, code {info.Code}{(info.Reason.Length == 0 ? "" : $", {PeerText.QuoteWords(info.Reason)}")}.";
        return info.Violation is { } violation
            ? new ProtocolViolationException(how, violation, info) { IsUnsent = isUnsent }
            : new ConnectionClosedException(how, info, null) { IsUnsent = isUnsent };
    }
}
