namespace Duologue.EventLoop.Tests.Support;

/// <summary>Tests that count what belongs to the whole process, or take it away: nothing else runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
