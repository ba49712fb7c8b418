namespace Duologue.AspNetCore;

/// <summary>What became of a message that was sent to several connections.</summary>
/// <param name="Accepted">To how many connections it was sent, or for how many it waits in the send queue.</param>
/// <param name="Dropped">For how many it was dropped: the connection was closing, or its send queue was full. Counted.</param>
public readonly record struct FanoutResult(int Accepted, int Dropped);
