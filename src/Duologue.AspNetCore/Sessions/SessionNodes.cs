namespace Duologue.AspNetCore;

/// <summary>The nodes among which this process is one, where a broker makes them known to each other: whose session a request is of, the session's id says.</summary>
internal abstract class SessionNodes
{
    /// <summary>What the ids of this node's sessions begin with.</summary>
    public abstract string Name { get; }
}
