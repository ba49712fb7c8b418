using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using Duologue.AspNetCore;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>One publish on its way to the log. What changes is guarded by the lock of its queue.</summary>
internal sealed record PendingAppend(string Topic, TopicMessage Message, TopicHistory History, long Number, byte[] Head, long Since)
{
    public TaskCompletionSource<(TopicMessage Message, bool IsNew)> Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Among those whose publisher waits; null once he has been told.</summary>
    public LinkedListNode<PendingAppend>? Waiting { get; set; }

    /// <summary>Among those that are to be sent, or null.</summary>
    public LinkedListNode<PendingAppend>? Queued { get; set; }

    public bool IsUnderWay { get; set; }

    /// <summary>Whether an earlier attempt ended without an answer, so that it may have been appended.</summary>
    public bool IsDoubtful { get; set; }

    /// <summary>Whether the server could not do with those it was sent with, and nobody knows on whose account.</summary>
    public bool IsAlone { get; set; }
}

/// <summary>
/// Publishes that go to the server in one call, and from there to the nodes in one notification. Bounded: so many that what a call costs is shared, and so few that the server, which does nothing else
/// meanwhile, is soon free. A message larger than the bound goes alone.
/// </summary>
internal sealed class PublishBatch
{
    public const int MaxCount = 128;
    public const int MaxBytes = 64 * 1024;

    private const int NumberLength = 20;

    private readonly List<(PendingAppend Append, long Before)> _items = [];
    private readonly Dictionary<string, (int Place, KnownEnd Told)> _topics = new(StringComparer.Ordinal);
    private readonly List<RedisKey> _keys = [];
    private HashSet<string>? _keyed;
    private long _bytes;

    public int Count => _items.Count;

    public PendingAppend this[int index] => _items[index].Append;

    public bool Takes(PendingAppend append) => Count == 0 || (Count < MaxCount && _bytes + BytesOf(append) <= MaxBytes && !append.IsAlone && !this[0].IsAlone);

    /// <summary>Takes one behind the others; <paramref name="before"/> is the number of the topic's one before if that has no answer yet, else 0.</summary>
    public void Add(PendingAppend append, long before)
    {
        _items.Add((append, before));
        _bytes += BytesOf(append);
        if (TryGetKey(append, out _))
        {
            (_keyed ??= new(StringComparer.Ordinal)).Add(append.Topic);
        }
    }

    /// <summary>What the script is called with: the keys of each topic once, and with the first publish of each how far the topic has come, where the server may not know.</summary>
    public (RedisKey[] Keys, RedisValue[] Values) Encode(string prefix, EpochSource epochs, KnownEnds ends, TimeSpan idle)
    {
        var values = new List<RedisValue>(3 + (3 * Count)) { default, Milliseconds(idle), this[0].Head.AsMemory(1, 8) };
        _keys.Clear();
        _topics.Clear();
        foreach ((PendingAppend append, long before) in _items)
        {
            bool isKeyed = TryGetKey(append, out string? key);
            TopicPosition? reached = null;
            if (!_topics.TryGetValue(append.Topic, out (int Place, KnownEnd Told) topic))
            {
                topic = (AddKeys(append.Topic, prefix), ends.Tell(append.Topic, isSure: false));
                _topics.Add(append.Topic, topic);
                reached = topic.Told.Position;
            }

            values.Add(Describe(append, before, topic.Place, isKeyed, reached));
            values.Add(append.Message.Data);
            if (isKeyed)
            {
                values.Add(key);
            }
        }

        // Greater than all that is told.
        values[0] = epochs.Next();
        return ([.. _keys], [.. values]);
    }

    /// <summary>What the call has told of a topic.</summary>
    public KnownEnd ToldOf(string topic) => _topics[topic].Told;

    // Where the topic's keys begin, counted as the script counts. Those of idempotency are given only where they are needed, for a server may lock what it is given.
    private int AddKeys(string topic, string prefix)
    {
        string tag = TopicScripts.TagOf(prefix, topic);
        int place = _keys.Count + 1;
        _keys.Add(tag + "h");
        _keys.Add(tag + "l");
        if (_keyed?.Contains(topic) == true)
        {
            _keys.Add(tag + "k");
            _keys.Add(tag + "o");
        }

        return place;
    }

    private static byte[] Describe(PendingAppend append, long before, int place, bool isKeyed, TopicPosition? reached)
    {
        TopicHistory history = append.History;
        ReadOnlySpan<long> numbers =
        [
            place,
            append.Number,
            before,
            history.MaxCount,
            history.MaxBytes,
            Milliseconds(history.MaxAge),
            isKeyed ? history.MaxIdempotencyKeys : 0,
            Milliseconds(history.MaxIdempotencyKeyAge),
            reached?.Epoch ?? 0,
            reached?.Offset ?? 0,
        ];
        Span<byte> description = stackalloc byte[Entry.HeadLength + (10 * (NumberLength + 1))];
        append.Head.CopyTo(description);
        int length = Entry.HeadLength;
        foreach (long number in reached is null ? numbers[..^2] : numbers)
        {
            if (length > Entry.HeadLength)
            {
                description[length++] = (byte)' ';
            }

            _ = Utf8Formatter.TryFormat(number, description[length..], out int written);
            length += written;
        }

        return description[..length].ToArray();
    }

    private static bool TryGetKey(PendingAppend append, [NotNullWhen(true)] out string? key) => (key = append.Message.IdempotencyKey) is { Length: > 0 };

    // The name travels in the notification, each time.
    private static long BytesOf(PendingAppend append) => append.Message.Data.Length + append.Topic.Length + (append.Message.IdempotencyKey?.Length ?? 0);

    private static long Milliseconds(TimeSpan time) => (long)time.TotalMilliseconds;
}
