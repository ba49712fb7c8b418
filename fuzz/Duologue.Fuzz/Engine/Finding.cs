using System.Globalization;

namespace Duologue.Fuzz.Engine;

/// <summary>An input for which the invariant does not hold, cut down to what it takes.</summary>
internal sealed record Finding(FuzzTarget Target, int Seed, byte[] Input, Exception Exception)
{
    /// <summary>What failed, and how to see it again.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        {Target.Name}: the invariant does not hold (seed {Seed}).
        Repeat: fuzz/run {Target.Name} --input {Convert.ToHexStringLower(Input)}
        {Exception}
        """);
}
