namespace Duologue.Cli.Talk;

/// <summary>Who takes part in the talk, as all see it.</summary>
/// <param name="Id">Distinct within this talk, never used again.</param>
/// <param name="Name">Distinct among those present, compared without case.</param>
/// <param name="Kind"><c>browser</c> or <c>terminal</c>: whether the handshake had an Origin, as browsers always send.</param>
internal sealed record Person(int Id, string Name, string Kind)
{
    public const string Browser = "browser";
    public const string Terminal = "terminal";
}
