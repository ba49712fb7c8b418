using System.Globalization;

namespace Duologue.Soak;

/// <summary>A client that reads some topics from their oldest message on, by whatever brings them, and checks each number.</summary>
/// <param name="name">Who, for what is said of it.</param>
/// <param name="topics">What it reads.</param>
/// <param name="ledger">Where it tells what it was given.</param>
/// <param name="mayReset">Whether Redis may have lost something.</param>
internal abstract class Reader(string name, int[] topics, Ledger ledger, bool mayReset) : IAsyncDisposable
{
    private readonly int[] _have = new int[topics.Length];
    private readonly bool[] _isReset = new bool[topics.Length];

    public string Name => name;

    /// <summary>How things stand with its client.</summary>
    protected abstract string State { get; }

    protected IReadOnlyList<int> Topics => topics;

    protected Ledger Ledger => ledger;

    /// <summary>What it still lacks, in words; null if nothing.</summary>
    public string? Lacks()
    {
        for (int i = 0; i < topics.Length; i++)
        {
            int last = ledger.LastOf(topics[i]);
            int have = Volatile.Read(ref _have[i]);
            if (have < last)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{name} has {have} of {last} of topic {topics[i]}, {State}.");
            }
        }

        return null;
    }

    public abstract ValueTask DisposeAsync();

    /// <summary>It was given the next message of one of its topics.</summary>
    protected void Take(int index, string text)
    {
        int number = int.Parse(text, CultureInfo.InvariantCulture);
        Volatile.Write(ref _have[index], ledger.Take($"{name}, topic {topics[index]}, {State},", _have[index], number, _isReset[index]));
        _isReset[index] = false;
    }

    /// <summary>It was told that messages of one of its topics are gone.</summary>
    protected void TakeReset(int index, string lost)
    {
        ledger.Reset();
        _isReset[index] = true;
        if (!mayReset)
        {
            ledger.Complain(string.Create(CultureInfo.InvariantCulture, $"{name} was told of a reset of topic {topics[index]} behind {_have[index]} (lost: {lost}), and nothing was lost."));
        }
    }

    /// <summary>It has one of its topics no more, and nobody has ended it.</summary>
    protected void Lose(int index, string why) =>
        ledger.Complain(string.Create(CultureInfo.InvariantCulture, $"{name} has no topic {topics[index]} any more, behind {_have[index]}: {why}"));
}
