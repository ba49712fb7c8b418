using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Duologue.AspNetCore;

/// <summary>What an idempotency key may be.</summary>
internal static class IdempotencyKey
{
    public const int MaxLength = 64;

    public const string Rule = "An idempotency key has 1 to 64 characters of visible ASCII, such as a UUID.";

    // Without the quotation mark and the backslash, so that a key is the same text in a header, in quotation marks and in JSON.
    private static readonly SearchValues<char> Allowed = SearchValues.Create(
        [.. Enumerable.Range('!', '~' - '!' + 1).Select(code => (char)code).Where(c => c is not ('"' or '\\'))]);

    public static bool IsValid([NotNullWhen(true)] string? key) =>
        key is { Length: > 0 and <= MaxLength } && !key.AsSpan().ContainsAnyExcept(Allowed);

    /// <exception cref="ArgumentException">The key breaks the rule.</exception>
    public static void Check(string key, [CallerArgumentExpression(nameof(key))] string? parameter = null)
    {
        ArgumentNullException.ThrowIfNull(key, parameter);
        if (!IsValid(key))
        {
            throw new ArgumentException(Rule, parameter);
        }
    }
}

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
