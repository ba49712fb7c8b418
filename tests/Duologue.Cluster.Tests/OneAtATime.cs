namespace Duologue.Cluster.Tests;

/// <summary>Each test has a cluster of its own, of five processes: one after the other, so that a small machine is not asked for twenty at once.</summary>
[CollectionDefinition(nameof(OneAtATime), DisableParallelization = true)]
public class OneAtATime;
