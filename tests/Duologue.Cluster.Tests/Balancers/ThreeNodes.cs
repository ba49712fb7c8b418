using Duologue.Soak;

namespace Duologue.Cluster.Tests.Balancers;

/// <summary>Three nodes for all tests of a class that harm none of them: each has a balancer of its own before them.</summary>
public sealed class ThreeNodes : IAsyncLifetime
{
    private Soak.Cluster? _cluster;

    internal NodeProcess[] All => _cluster!.Nodes;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_cluster is not null)
        {
            await _cluster.DisposeAsync();
        }
    }

    /// <summary>Starts the nodes, all with the options of the first test that asks: a test may be skipped, a fixture may not.</summary>
    internal async Task<Balancer> BalanceAsync(string file, string[] options, CancellationToken cancellationToken)
    {
        Needs.Redis();
        Needs.Program(Balancer.ProgramOf(file));
        _cluster ??= await Soak.Cluster.StartAsync(file, isPersistent: true, options, cancellationToken);
        return await Balancer.StartAsync(file, [.. _cluster.Nodes.Select(node => node.Port)], cancellationToken);
    }
}
