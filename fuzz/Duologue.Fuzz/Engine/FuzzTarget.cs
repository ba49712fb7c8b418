namespace Duologue.Fuzz.Engine;

/// <summary>Something that takes bytes from a stranger, and what must hold whatever they are.</summary>
internal abstract class FuzzTarget
{
    /// <summary>What the command line and the files call it.</summary>
    public abstract string Name { get; }

    /// <summary>What must hold, in a sentence.</summary>
    public abstract string Invariant { get; }

    /// <summary>The longest input that is worth its time, in bytes.</summary>
    public virtual int MaxLength => 1024;

    /// <summary>Inputs to begin with.</summary>
    public abstract IEnumerable<byte[]> Seeds { get; }

    /// <summary>What a blind change would take long to guess.</summary>
    public abstract IReadOnlyList<byte[]> Dictionary { get; }

    /// <summary>Makes a new input that has the form of a likely one. The same random numbers make the same input.</summary>
    public virtual byte[] Generate(Random random)
    {
        var bytes = new List<byte>();
        int count = random.Next(1, 12);
        for (int i = 0; i < count; i++)
        {
            bytes.AddRange(Dictionary[random.Next(Dictionary.Count)]);
        }

        return [.. bytes];
    }

    /// <summary>Feeds one input and checks the invariant.</summary>
    /// <returns>A number that tells ways through the code apart: what stands in for coverage where there is none.</returns>
    /// <exception cref="InvariantException">The invariant does not hold. Any other exception is a finding too.</exception>
    public abstract ulong Run(ReadOnlySpan<byte> input);
}
