namespace Duologue.Fuzz.Engine;

/// <summary>Folds what happened into one number, the same in every process (FNV-1a).</summary>
internal struct Signature()
{
    public ulong Value { get; private set; } = 14695981039346656037;

    public void Add(int value) => Value = (Value ^ (uint)value) * 1099511628211;

    public void Add(string text)
    {
        foreach (char c in text)
        {
            Add(c);
        }
    }

    /// <summary>A count as its order of magnitude: 17 messages are no other way through the code than 16.</summary>
    public void AddCount(long count) => Add(count <= 3 ? (int)count : 2 + (int)Math.Log2(count));
}
