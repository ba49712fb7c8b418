using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore;

/// <summary>The nodes among which this process is one, where a broker makes them known to each other: whose session a request is of, the session's id says.</summary>
internal abstract class SessionNodes
{
    /// <summary>What the ids of this node's sessions begin with.</summary>
    public abstract string Name { get; }

    /// <summary>Sends a request of another node's session there, and the answer back.</summary>
    /// <param name="context">The request; the answer is its response.</param>
    /// <param name="node">The node's name, as the id has it: whatever a client says.</param>
    /// <param name="isUpgrade">Whether it becomes a WebSocket.</param>
    /// <param name="silence">How long nothing may be heard in either direction.</param>
    /// <returns>What came of it; only if it is <see cref="ForwardOutcome.Answered"/> has anything been answered.</returns>
    public abstract Task<ForwardOutcome> TryForwardAsync(HttpContext context, string node, bool isUpgrade, TimeSpan silence);
}

/// <summary>A feature of a poll that another node has forwarded: that stops, and wants the answer now, with what there is or with nothing.</summary>
/// <param name="End">Asks for it.</param>
internal sealed record ForwardedPoll(CancellationToken End);

/// <summary>What came of a request that was to be forwarded.</summary>
internal enum ForwardOutcome
{
    /// <summary>The other node has answered, or its answer has begun and failed.</summary>
    Answered,

    /// <summary>There is no such node, it takes no forwards, or nobody listens where it is: its sessions are gone.</summary>
    NodeGone,

    /// <summary>It is there by its lease, and could not be connected to in time. Nothing has reached it.</summary>
    NodeAway,
}
