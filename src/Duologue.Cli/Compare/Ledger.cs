using System.Diagnostics;

namespace Duologue.Cli.Compare;

/// <summary>Who got what: each message has a number, each client says what it gets, and what is missing or doubled is counted.</summary>
internal sealed class Ledger(int clients)
{
    private readonly long[] _next = new long[clients];
    private readonly Window[] _windows = [.. Enumerable.Range(0, MaxWindows).Select(_ => new Window())];
    private long _published;

    /// <summary>The most spans of time that can be told apart.</summary>
    public const int MaxWindows = 8;

    public Window this[int window] => _windows[window];

    /// <summary>The number of the next message; they begin at 0.</summary>
    public long Publish(int window)
    {
        Interlocked.Increment(ref _windows[window].PublishedCount);
        return Interlocked.Increment(ref _published) - 1;
    }

    /// <summary>A client got a message. One call at a time for each client.</summary>
    public void Deliver(int client, int window, long number, long due)
    {
        if (window < 0 || window >= MaxWindows || number < 0 || number >= Interlocked.Read(ref _published))
        {
            throw new InvalidDataException($"A client was sent message {number} of span {window}, which nobody published.");
        }

        long next = _next[client];
        if (number < next)
        {
            Interlocked.Increment(ref _windows[window].DuplicatedCount);
            return;
        }

        // What lies between was passed over: a later message of the same topic is here.
        Interlocked.Add(ref _windows[window].LostCount, number - next);
        _next[client] = number + 1;
        _windows[window].Delays.Record(Stopwatch.GetElapsedTime(due));
        Interlocked.Increment(ref _windows[window].DeliveredCount);
    }

    /// <summary>Whether each client has each message that was published, or has passed it over.</summary>
    public bool IsComplete()
    {
        long published = Interlocked.Read(ref _published);
        return Array.TrueForAll(_next, next => next == published);
    }

    /// <summary>Books as lost what did not come within all patience.</summary>
    public void WriteOff(int window)
    {
        long published = Interlocked.Read(ref _published);
        for (int i = 0; i < _next.Length; i++)
        {
            long missing = published - Interlocked.Exchange(ref _next[i], published);
            Interlocked.Add(ref _windows[window].LostCount, missing);
        }
    }

    /// <summary>The messages of one span of time.</summary>
    internal sealed class Window
    {
        internal long PublishedCount;
        internal long DeliveredCount;
        internal long LostCount;
        internal long DuplicatedCount;

        public DelayHistogram Delays { get; } = new();

        public long Published => Interlocked.Read(ref PublishedCount);

        public long Delivered => Interlocked.Read(ref DeliveredCount);

        public long Lost => Interlocked.Read(ref LostCount);

        public long Duplicated => Interlocked.Read(ref DuplicatedCount);
    }
}
