namespace Duologue.Fuzz.Engine;

/// <summary>What must always hold does not hold for some input.</summary>
internal sealed class InvariantException : Exception
{
    public InvariantException(string rule, string details)
        : base($"{rule}: {details}") => Rule = rule;

    /// <summary>Which part of the invariant; without what is particular to the input.</summary>
    public string Rule { get; }

    /// <exception cref="InvariantException">The condition is false.</exception>
    public static void Require(bool condition, string rule, Func<string> details)
    {
        if (!condition)
        {
            throw new InvariantException(rule, details());
        }
    }
}
