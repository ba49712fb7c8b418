namespace Duologue.AspNetCore;

/// <summary>The keys that a topic's log remembers: the newest of them, up to a count and an age. Under the log's lock.</summary>
internal sealed class IdempotencyWindow
{
    // What an entry takes beside its characters: the string's head, its place in the dictionary and its place in the queue.
    private const int EntryBytes = 96;

    private readonly Dictionary<string, long> _offsets = new(StringComparer.Ordinal);
    private readonly Queue<(string Key, DateTimeOffset Time)> _order = new();

    /// <summary>About how much memory the keys take.</summary>
    public long Bytes { get; private set; }

    /// <summary>Where the message with this key stands, if it is remembered.</summary>
    public bool TryFind(string key, out long offset) => _offsets.TryGetValue(key, out offset);

    public void Add(string key, long offset, DateTimeOffset now)
    {
        _offsets.Add(key, offset);
        _order.Enqueue((key, now));
        Bytes += BytesOf(key);
    }

    /// <summary>Forgets all keys but the newest, and those that are too old.</summary>
    public void Trim(int maxCount, DateTimeOffset oldest)
    {
        while (_order.TryPeek(out (string Key, DateTimeOffset Time) first) && (_order.Count > maxCount || first.Time < oldest))
        {
            _order.Dequeue();
            _offsets.Remove(first.Key);
            Bytes -= BytesOf(first.Key);
        }
    }

    private static long BytesOf(string key) => EntryBytes + (2L * key.Length);
}
