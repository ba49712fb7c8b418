using System.Collections.Concurrent;

namespace Duologue.Soak;

/// <summary>What all readers had, and what was wrong with it. Thread-safe.</summary>
internal sealed class Ledger(int topics)
{
    private const int KeptComplaints = 50;

    private readonly int[] _published = new int[topics];
    private readonly ConcurrentQueue<string> _complaints = new();
    private long _delivered;
    private long _doubled;
    private long _missed;
    private int _resets;
    private int _sessions;
    private int _wrong;

    public long Delivered => Interlocked.Read(ref _delivered);

    public long Doubled => Interlocked.Read(ref _doubled);

    /// <summary>Numbers that were passed over without a word.</summary>
    public long Missed => Interlocked.Read(ref _missed);

    public int Resets => Volatile.Read(ref _resets);

    /// <summary>Engine.IO sessions that were opened.</summary>
    public int Sessions => Volatile.Read(ref _sessions);

    /// <summary>All that was wrong, of each kind.</summary>
    public int Wrong => Volatile.Read(ref _wrong);

    public long Published => _published.Sum(static each => (long)Volatile.Read(ref each));

    /// <summary>The first things that were wrong.</summary>
    public IReadOnlyCollection<string> Complaints => _complaints;

    public int LastOf(int topic) => Volatile.Read(ref _published[topic]);

    public void Confirmed(int topic, int number) => Volatile.Write(ref _published[topic], number);

    public void SessionOpened() => Interlocked.Increment(ref _sessions);

    public void Reset() => Interlocked.Increment(ref _resets);

    /// <summary>Takes a number that a reader was given behind another; answers the one that it has now.</summary>
    /// <param name="reader">Who, for the complaint.</param>
    /// <param name="have">The number before.</param>
    /// <param name="number">The number now.</param>
    /// <param name="isReset">Whether a reset was between the two: then numbers may be passed over, and the last may come again, because a forgetful store has forgotten its publisher's key, too.</param>
    public int Take(string reader, int have, int number, bool isReset)
    {
        Interlocked.Increment(ref _delivered);
        if (number == have + 1 || (isReset && number >= have))
        {
            return number;
        }

        if (number <= have)
        {
            Interlocked.Increment(ref _doubled);
        }
        else
        {
            Interlocked.Add(ref _missed, number - have - 1);
        }

        Complain($"{reader} was given {number} behind {have}.");
        return Math.Max(number, have);
    }

    public void Complain(string what)
    {
        if (Interlocked.Increment(ref _wrong) <= KeptComplaints)
        {
            _complaints.Enqueue(what);
        }
    }
}
