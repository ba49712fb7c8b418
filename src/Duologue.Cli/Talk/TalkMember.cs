namespace Duologue.Cli.Talk;

/// <summary>One connection's place in the talk.</summary>
internal sealed class TalkMember(Connection connection, bool wantsEvents, Joining joining, RateGate gate)
{
    private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Person? _person;

    public Connection Connection { get; } = connection;

    /// <summary>Whether it speaks <see cref="TalkProtocol.Name"/>; lines otherwise.</summary>
    public bool WantsEvents { get; } = wantsEvents;

    /// <summary>As whom it wants in; with the name that it had last. Changed by the room only, under its lock.</summary>
    public Joining Joining { get; private set; } = joining;

    public string Key => Joining.Key;

    /// <summary>When it last asked to be let in. Changed by the room only, under its lock.</summary>
    public long AskedAt { get; set; }

    /// <summary>Completes when it is let in for the first time.</summary>
    public Task Entered => _entered.Task;

    /// <summary>Who it is; null while it is not in. Changed by the room only, under its lock.</summary>
    public Person? Person
    {
        get => _person;
        set
        {
            _person = value;
            if (value is not null)
            {
                Joining = Joining with { Name = value.Name, Was = null };
                _entered.TrySetResult();
            }
        }
    }

    /// <summary>Used by the connection's own handler only.</summary>
    public RateGate Gate { get; } = gate;
}
