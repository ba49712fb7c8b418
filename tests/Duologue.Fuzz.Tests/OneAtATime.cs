namespace Duologue.Fuzz.Tests;

/// <summary>The targets count what the process has rented of the shared pool: one test at a time.</summary>
[CollectionDefinition(Name)]
public sealed class OneAtATime
{
    public const string Name = "one at a time";
}
