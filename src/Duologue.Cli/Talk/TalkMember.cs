namespace Duologue.Cli.Talk;

/// <summary>One connection's place in the talk.</summary>
internal sealed class TalkMember(Connection connection, bool wantsEvents, Person person, RateGate gate)
{
    public Connection Connection { get; } = connection;

    /// <summary>Whether it speaks <see cref="TalkProtocol.Name"/>; lines otherwise.</summary>
    public bool WantsEvents { get; } = wantsEvents;

    /// <summary>Changed by the room only, under its lock.</summary>
    public Person Person { get; set; } = person;

    /// <summary>Used by the connection's own handler only.</summary>
    public RateGate Gate { get; } = gate;
}
