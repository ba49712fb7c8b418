using Duologue.Conformance.Carriers;
using Duologue.Conformance.Cases;
using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Subjects;

/// <summary>Where a judged peer and the hostile one meet: one role, one shape of application, one carrier.</summary>
internal abstract class Arena : IAsyncDisposable
{
    /// <summary>Whether the judged peer is the server.</summary>
    public abstract bool JudgesServer { get; }

    /// <summary>The judged peer, as it stands in the report.</summary>
    public abstract string Subject { get; }

    public abstract Carrier Carrier { get; }

    /// <summary>Whether a case is played here, by its place in the family; where a run is to be quick, one arena may leave some to another.</summary>
    public virtual bool Plays(int index) => true;

    /// <summary>Why this machine has no such carrier; null if it has.</summary>
    public virtual string? Obstacle => null;

    public abstract Task StartAsync();

    /// <summary>Opens a WebSocket between the two and gives the hostile end of it.</summary>
    public abstract Task<Wire> OpenAsync(Case @case, CancellationToken cancellationToken);

    public abstract ValueTask DisposeAsync();
}
