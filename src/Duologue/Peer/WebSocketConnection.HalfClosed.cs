using Microsoft.Extensions.Logging;

namespace Duologue;

// Half-closed: the peer has ended its direction and may still read ours. What it asked for before is still answered, where the carrier can:
// a FIN says that it has no more to send, and not that it does not listen. RFC 6455 §7.1.4, §7.1.5: without its Close the end is told as 1006 all the same.
internal sealed partial class WebSocketConnection
{
    // Set once, under Gate: the carrier has brought all, and waits for us to complete it.
    private volatile bool _halfClosed;

    /// <summary>How long the application may take for what came before the peer's end, or its Close.</summary>
    private TimeSpan Grace => (Options.CloseTimeout == Timeout.InfiniteTimeSpan ? TimeSpan.FromSeconds(5) : Options.CloseTimeout) / 2;

    /// <summary>
    /// The carrier has nothing more to bring: the peer ended the stream, or it failed. Once, last. Where bytes still reach the peer and some
    /// are due to it, the carrier is completed later.
    /// </summary>
    public void OnEnd(Exception? error)
    {
        if (error is not null && _setup.Logger.IsEnabled(LogLevel.Debug))
        {
            _setup.Logger.TransportFailed(Id, error);
        }

        // Nothing is read any more, and the rest of the message under way cannot come.
        _reader.Release();
        CutOpenMessage();
        bool waits;
        lock (Gate)
        {
            _peerIsDone = true;
            waits = error is null && Ending is null && _carrier!.OutlivesInput;
            if (waits)
            {
                WaitForAnswers();
            }
        }

        if (waits)
        {
            // Announced before looking: whoever finishes meanwhile sees it, or is seen.
            Interlocked.MemoryBarrier();
            CloseIfIdle();
            return;
        }

        EndHalfClosed();
    }

    /// <summary>The other direction of a carrier that outlived its input has ended as well: nothing more reaches the peer. Any thread.</summary>
    public void OnGone()
    {
        bool waits;
        lock (Gate)
        {
            waits = _halfClosed && Ending is null;
        }

        if (waits)
        {
            EndHalfClosed();
        }
    }

    /// <summary>Under the lock: until the application has answered and the carrier has taken it, but not for ever.</summary>
    private void WaitForAnswers()
    {
        _halfClosed = true;

        // A peer that has ended answers no ping, and it is not its fault that a message stays unfinished.
        _keepAliveDue = 0;
        MessageDue = 0;
        MessageSince = 0;
        if (!_closeDeferred)
        {
            ArmClose(Grace);
        }
    }

    /// <summary>Ends a half-closed conversation when nothing is due to the peer any more.</summary>
    private void EndIfAnswered()
    {
        lock (Gate)
        {
            if (Ending is not null || _closeDeferred || _flushing || _written > _taken || Waiting > 0 || !IsIdle)
            {
                return;
            }
        }

        EndHalfClosed();
    }

    private void EndHalfClosed()
    {
        End(CloseCause.ConnectionLost);
        _carrier!.Complete();
        Wheel.Cancel(this);
    }
}
