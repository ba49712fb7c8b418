namespace Duologue.EventLoop.Loops;

/// <summary>Who gets the connections of a listening descriptor.</summary>
internal interface IAcceptor
{
    /// <summary>The endpoint, for the log.</summary>
    string Name { get; }

    /// <summary>
    /// A connection was accepted; called on the loop's thread. False: rest until <see cref="Loop.ResumeAccepting"/>. The descriptor is the
    /// owner's, unless this throws. The peer's address is empty where the kernel did not tell it along.
    /// </summary>
    bool OnAccepted(Loop loop, LoopListener listener, int descriptor, ReadOnlySpan<byte> remote);
}

/// <summary>A listening descriptor on one loop. The loop's thread alone.</summary>
internal sealed class LoopListener(int descriptor, IAcceptor owner)
{
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Descriptor { get; } = descriptor;

    public IAcceptor Owner { get; } = owner;

    /// <summary>Not accepting: the owner has enough, or descriptors have run out.</summary>
    public bool IsPaused { get; set; }

    /// <summary>Accepting failed otherwise; said once until a connection is accepted again.</summary>
    public bool HasFailed { get; set; }

    /// <summary>Descriptors have run out, or accepting fails over and over; said once until a connection is accepted again.</summary>
    public bool IsExhausted { get; set; }

    /// <summary>The errno with which accepting has come to rest, as long as the log does not have it; else 0.</summary>
    public int Untold { get; set; }

    /// <summary>The kernel was asked to accept, and will answer.</summary>
    public bool IsArmed { get; set; }

    /// <summary>Completes when the kernel has let go of the descriptor.</summary>
    public Task Stopped => _stopped.Task;

    public void OnStopped() => _stopped.TrySetResult();
}
