using Duologue.Fuzz.Engine;

namespace Duologue.Fuzz.Tests.Engine;

/// <summary>A target with a bug that only three right bytes in a row reach, each a way of its own.</summary>
internal sealed class PlantedBug : FuzzTarget
{
    public override string Name => "planted-bug";

    public override string Invariant => "Nobody says DUO.";

    public override IEnumerable<byte[]> Seeds => [[.. "hello, this is a long beginning"u8]];

    public override IReadOnlyList<byte[]> Dictionary => [[0]];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        int depth = 0;
        foreach (byte b in input)
        {
            depth = b == "DUO"[Math.Min(depth, 2)] ? depth + 1 : depth;
            InvariantException.Require(depth < 3, "nobody says DUO", () => "somebody did");
        }

        return (ulong)depth;
    }
}
