using System.Globalization;
using System.Reflection;
using Duologue.AspNetCore;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>The scripts that run in the server, and how they are called.</summary>
/// <remarks>
/// They use what Redis 7, Valkey 7.2 and Garnet (with Lua on) all have. Keys, notifications and heartbeats carry the layout's version: what another version writes, these neither read nor change.
/// Scripts of the same version may differ: each is called by its own hash.
/// </remarks>
internal sealed class TopicScripts(string prefix, int layout, CallLimit calls)
{
    /// <summary>Of the keys and what they hold. A change that a script of before would misread makes it greater.</summary>
    public const int LayoutVersion = 3;

    private static readonly string Append = Load("enter.lua") + Load("append.lua");
    private static readonly string Read = Load("enter.lua") + Load("read.lua");

    private readonly string _prefix = string.Create(CultureInfo.InvariantCulture, $"{prefix}v{layout}:");
    private readonly EpochSource _epochs = new(TimeProvider.System);
    private KnownEnds? _ends;
    private volatile Hashes? _hashes;

    public TopicScripts(string prefix)
        : this(prefix, LayoutVersion, new CallLimit(TimeProvider.System))
    {
    }

    public int Layout => layout;

    /// <summary>Where all nodes hear of what was appended, and of each other; those of other layouts, too.</summary>
    public RedisChannel Channel { get; } = RedisChannel.Literal(prefix + "hints");

    public CallLimit Calls => calls;

    /// <summary>How far the topics have come.</summary>
    public KnownEnds Ends => _ends ?? Interlocked.CompareExchange(ref _ends, new KnownEnds(_epochs, TimeProvider.System), null) ?? _ends;

    /// <summary>Gives the server the scripts, and remembers by which names it has them.</summary>
    public async Task<Hashes> LoadAsync(IDatabase database)
    {
        Task<RedisResult> append = database.ExecuteAsync("SCRIPT", "LOAD", Append);
        Task<RedisResult> read = database.ExecuteAsync("SCRIPT", "LOAD", Read);
        return _hashes = new Hashes(
            Convert.FromHexString((string)(await calls.EndAsync(append).ConfigureAwait(false))!),
            Convert.FromHexString((string)(await calls.EndAsync(read).ConfigureAwait(false))!));
    }

    /// <summary>Sends publishes; the script must have been loaded. In the order of the calls.</summary>
    public Task<RedisResult> AppendAsync(IDatabase database, Hashes hashes, PublishBatch batch, TimeSpan idle)
    {
        (RedisKey[] keys, RedisValue[] values) = batch.Encode(_prefix, _epochs, Ends, idle);
        return calls.EndAsync(database.ScriptEvaluateAsync(hashes.Append, keys, values));
    }

    /// <summary>Reads a topic, and keeps it from being forgotten.</summary>
    public async Task<TopicPage> ReadAsync(IDatabase database, string topic, TopicStart start, int maxCount, int maxBytes, TimeSpan idle)
    {
        Hashes hashes = _hashes ?? await LoadAsync(database).ConfigureAwait(false);
        string tag = TagOf(_prefix, topic);
        KnownEnd known = Ends.Tell(topic, isSure: true);
        RedisKey[] keys = [tag + "h", tag + "l"];
        RedisValue[] values =
        [
            _epochs.Next(),
            (long)idle.TotalMilliseconds,
            start.Kind switch { TopicStartKind.Now => "now", TopicStartKind.Oldest => "oldest", _ => "after" },
            start.Position.Epoch,
            start.Position.Offset,
            maxCount,
            maxBytes,
            known.Position is { } end ? end.Epoch : "",
            known.Position is { } reached ? reached.Offset : "",
        ];
        RedisResult result;
        try
        {
            result = await calls.EndAsync(database.ScriptEvaluateAsync(hashes.Read, keys, values)).ConfigureAwait(false);
        }
        catch (RedisServerException error) when (IsScriptMissing(error))
        {
            // Another server, or the same one anew: it has none of our scripts yet.
            hashes = await LoadAsync(database).ConfigureAwait(false);
            result = await calls.EndAsync(database.ScriptEvaluateAsync(hashes.Read, keys, values)).ConfigureAwait(false);
        }

        TopicPage page = Entry.PageOf(result);
        Ends.Learn(topic, known, page.Next, isNew: false);
        return page;
    }

    public Hashes? Loaded => _hashes;

    /// <summary>What all keys and channels of this layout begin with.</summary>
    public string Prefix => _prefix;

    public static bool IsScriptMissing(RedisServerException error) => error.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal);

    // The braces keep a topic's keys in one slot of a cluster; what stands before the name keeps the tag from being empty.
    public static string TagOf(string prefix, string topic) => $"{prefix}{{t:{topic}}}";

    private static string Load(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>By which names a server has the scripts.</summary>
    internal sealed record Hashes(byte[] Append, byte[] Read);
}
