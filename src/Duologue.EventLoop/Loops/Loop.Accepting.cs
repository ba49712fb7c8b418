using Duologue.EventLoop.Diagnostics;
using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Loops;

// Accepting: listeners come and go, and rest while there are no descriptors.
internal abstract partial class Loop
{
    // Of listeners of this loop; the loop's thread writes, whoever observes reads.
    private long _pauses;
    private long _failures;

    // The round of the reserve, which waits to be told that no listener accepts; 0 if it does not.
    private int _roundOfRest;

    /// <summary>How often accepting has begun to rest because descriptors or memory had run out.</summary>
    public long AcceptPauses => Volatile.Read(ref _pauses);

    /// <summary>How often accepting has failed otherwise, once until one was accepted again.</summary>
    public long AcceptFailures => Volatile.Read(ref _failures);

    /// <summary>Accepts from a listener until <see cref="Unlisten"/>. Loop thread.</summary>
    public void Listen(LoopListener listener)
    {
        if (_stopping)
        {
            listener.OnStopped();
            return;
        }

        _listeners.Add(listener);
        if (_roundOfRest != 0)
        {
            Pause(listener, Errno.DescriptorsExhausted);
            return;
        }

        StartAccepting(listener);
    }

    /// <summary>Stops accepting; the descriptor may be closed when the listener's task completes. Loop thread.</summary>
    public void Unlisten(LoopListener listener)
    {
        if (_listeners.Remove(listener))
        {
            StopAccepting(listener);
        }
    }

    /// <summary>Accepts again where the listener's owner had enough, and there is what it needs. Loop thread.</summary>
    public void ResumeAccepting(LoopListener listener)
    {
        if (!listener.IsExhausted)
        {
            Resume(listener);
        }
    }

    private void Resume(LoopListener listener)
    {
        if (listener.IsPaused && _listeners.Contains(listener))
        {
            listener.IsPaused = false;
            StartAccepting(listener);
        }
    }

    protected abstract void StartAccepting(LoopListener listener);

    protected abstract void StopAccepting(LoopListener listener);

    /// <summary>Asks the kernel to accept no more for now. What it had accepted by then may still come.</summary>
    protected abstract void Rest(LoopListener listener);

    /// <summary>Descriptors have run out, here or on another loop: rests, and tells the reserve when the kernel accepts no more. Loop thread.</summary>
    public void RestAccepting(int round, int error)
    {
        foreach (LoopListener listener in _listeners)
        {
            if (!listener.IsPaused)
            {
                Rest(listener);
            }

            // Also one whose owner has enough: it must not go on by itself.
            Pause(listener, error);
        }

        _roundOfRest = round;
        TellIfAtRest();
    }

    /// <summary>A listener may have come to rest.</summary>
    protected void TellIfAtRest()
    {
        if (_roundOfRest != 0 && !_listeners.Exists(static listener => listener.IsArmed))
        {
            int round = _roundOfRest;
            _roundOfRest = 0;
            Reserve!.OnRested(round);
        }
    }

    /// <summary>Accepting failed for want of descriptors or the like: rests until one may be free, instead of trying in vain.</summary>
    protected void Exhausted(LoopListener listener, int error)
    {
        Pause(listener, error);
        if (!Errno.IsOfDescriptors(error) || Reserve?.TryLetGo(error) != true)
        {
            Tell(listener);
        }
    }

    /// <summary>Logs what has come to rest: when there are descriptors again, which a log may need. Loop thread.</summary>
    public void TellPauses() => _listeners.ForEach(Tell);

    private void Tell(LoopListener listener)
    {
        if (listener.Untold != 0)
        {
            LoopLog.AcceptPaused(_logger, listener.Owner.Name, Number, listener.Untold);
            listener.Untold = 0;
        }
    }

    private void Pause(LoopListener listener, int error)
    {
        listener.IsPaused = true;
        NeedTick();
        if (!listener.IsExhausted)
        {
            listener.IsExhausted = true;
            Volatile.Write(ref _pauses, _pauses + 1);
            listener.Untold = error;
        }
    }

    /// <summary>Accepting failed by neither of these. True if that may come back at once: then the listener rests as if exhausted.</summary>
    protected bool AcceptFailed(LoopListener listener, int error)
    {
        if (!listener.HasFailed)
        {
            // A state of the listener fails a call as often as it is made: once is enough to say so.
            listener.HasFailed = true;
            Volatile.Write(ref _failures, _failures + 1);
            LoopLog.AcceptFailed(_logger, listener.Owner.Name, error, Number);
        }

        // accept(2): what happened to a connection on its way in is reported here as well, and concerns that connection alone.
        if (Errno.IsOfOneConnection(error))
        {
            return false;
        }

        listener.IsPaused = true;
        listener.IsExhausted = true;
        NeedTick();
        return true;
    }

    /// <summary>A connection was accepted. False if the listener must rest.</summary>
    protected bool Accepted(LoopListener listener, int descriptor, ReadOnlySpan<byte> remote)
    {
        Leave();
        if (_stopping)
        {
            _ = Libc.Close(descriptor);
            return false;
        }

        listener.HasFailed = false;
        if (listener.IsExhausted && !listener.IsPaused)
        {
            listener.IsExhausted = false;
            LoopLog.AcceptResumed(_logger, listener.Owner.Name, Number);
        }

        try
        {
            if (listener.Owner.OnAccepted(this, listener, descriptor, remote))
            {
                return true;
            }
        }
        catch (Exception e)
        {
            // No memory for one more: its peer is told by the end, and the loop carries the others.
            Report(e);
            _ = Libc.Close(descriptor);
            return true;
        }

        listener.IsPaused = true;
        return false;
    }

    // With a reserve it is called at the next tick only. Else each connection that ends would let one in that takes its descriptor, and then the reserve, over and over.
    private void TryAcceptAgain()
    {
        foreach (LoopListener listener in _listeners)
        {
            if (listener.IsExhausted && Reserve?.TryFill() != false)
            {
                Resume(listener);
            }
        }
    }
}
