namespace Duologue.Faults;

/// <summary>A kind of bad peer.</summary>
/// <param name="Name">Short, for the command line.</param>
/// <param name="Does">What the peer does.</param>
/// <param name="Gets">What it gets, and what the server calls that.</param>
/// <param name="Tries">How many there are.</param>
/// <param name="AtOnce">How many at a time.</param>
/// <param name="TryAsync">
/// One of them. Gives what the server must have counted for it, as <see cref="Counts"/> names it; throws <see cref="UnexpectedException"/> if
/// the peer does not get what it should.
/// </param>
internal sealed record Fault(string Name, string Does, string Gets, int Tries, int AtOnce, Func<Attacker, Task<string[]>> TryAsync);
