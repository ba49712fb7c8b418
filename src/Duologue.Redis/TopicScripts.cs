using System.Globalization;
using System.Reflection;
using Duologue.AspNetCore;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>The scripts that run in the server, and how they are called.</summary>
/// <remarks>
/// They use what Redis 7, Valkey 7.2 and Garnet (with Lua on) all have. Keys, channel and entries carry the layout's version: nodes of another version share nothing with these.
/// </remarks>
internal sealed class TopicScripts(string prefix)
{
    public const int LayoutVersion = 1;

    private static readonly string Append = Load("enter.lua") + Load("append.lua");
    private static readonly string Read = Load("enter.lua") + Load("read.lua");

    private readonly string _prefix = string.Create(CultureInfo.InvariantCulture, $"{prefix}v{LayoutVersion}:");
    private readonly EpochSource _epochs = new(TimeProvider.System);
    private volatile Hashes? _hashes;

    /// <summary>Where all nodes hear of what was appended.</summary>
    public RedisChannel Channel => RedisChannel.Literal(_prefix + "hints");

    /// <summary>Gives the server the scripts, and remembers by which names it has them.</summary>
    public async Task<Hashes> LoadAsync(IDatabase database)
    {
        Task<RedisResult> append = database.ExecuteAsync("SCRIPT", "LOAD", Append);
        Task<RedisResult> read = database.ExecuteAsync("SCRIPT", "LOAD", Read);
        return _hashes = new Hashes(Convert.FromHexString((string)(await append.ConfigureAwait(false))!), Convert.FromHexString((string)(await read.ConfigureAwait(false))!));
    }

    /// <summary>Sends an append; the script must have been loaded. In the order of the calls; <paramref name="before"/> is the number of the topic's one before if that has no answer yet, else 0.</summary>
    public Task<RedisResult> AppendAsync(IDatabase database, Hashes hashes, PendingAppend append, long before, string node, TimeSpan idle) => database.ScriptEvaluateAsync(
        hashes.Append,
        KeysOf(append.Topic),
        [
            _epochs.Next(),
            Milliseconds(idle),
            node,
            append.Number,
            append.History.MaxCount,
            append.History.MaxBytes,
            Milliseconds(append.History.MaxAge),
            Channel.ToString(),
            append.Topic,
            append.Head,
            append.Message.Data,
            append.Message.IdempotencyKey ?? "",
            append.History.MaxIdempotencyKeys,
            Milliseconds(append.History.MaxIdempotencyKeyAge),
            before,
        ]);

    /// <summary>Reads a topic, and keeps it from being forgotten.</summary>
    public async Task<TopicPage> ReadAsync(IDatabase database, string topic, TopicStart start, int maxCount, int maxBytes, TimeSpan idle)
    {
        Hashes hashes = _hashes ?? await LoadAsync(database).ConfigureAwait(false);
        RedisKey[] keys = KeysOf(topic);
        RedisValue[] values =
        [
            _epochs.Next(),
            Milliseconds(idle),
            start.Kind switch { TopicStartKind.Now => "now", TopicStartKind.Oldest => "oldest", _ => "after" },
            start.Position.Epoch,
            start.Position.Offset,
            maxCount,
            maxBytes,
        ];
        RedisResult result;
        try
        {
            result = await database.ScriptEvaluateAsync(hashes.Read, keys, values).ConfigureAwait(false);
        }
        catch (RedisServerException error) when (IsScriptMissing(error))
        {
            // Another server, or the same one anew: it has none of our scripts yet.
            hashes = await LoadAsync(database).ConfigureAwait(false);
            result = await database.ScriptEvaluateAsync(hashes.Read, keys, values).ConfigureAwait(false);
        }

        return Entry.PageOf(result);
    }

    public Hashes? Loaded => _hashes;

    /// <summary>What all keys and channels of this layout begin with.</summary>
    public string Prefix => _prefix;

    public static bool IsScriptMissing(RedisServerException error) => error.Message.Contains("NOSCRIPT", StringComparison.Ordinal);

    // The braces keep a topic's keys in one slot of a cluster; what stands before the name keeps the tag from being empty.
    private RedisKey[] KeysOf(string topic)
    {
        string tag = $"{_prefix}{{t:{topic}}}:";
        return [tag + "head", tag + "log", tag + "keys", tag + "order"];
    }

    private static long Milliseconds(TimeSpan time) => (long)time.TotalMilliseconds;

    private static string Load(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>By which names a server has the scripts.</summary>
    internal sealed record Hashes(byte[] Append, byte[] Read);
}
