using System.Threading.Channels;
using Duologue.AspNetCore;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>
/// Who subscribes on the other nodes. What they tell is applied if it follows what is known; at anything else the node's hash is read. A node whose lease is over has no subscribers any more.
/// One loop changes it; anyone may ask.
/// </summary>
internal sealed class PresenceView
{
    private const int MaxWaiting = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Dictionary<(string Node, string Id), TopicSubscriber>> _topics = new(StringComparer.Ordinal);
    private readonly Channel<Work> _work = Channel.CreateBounded<Work>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true });
    private readonly Dictionary<string, Peer> _peers = new(StringComparer.Ordinal);
    private readonly NodeRegistry _registry;
    private readonly string _prefix;
    private readonly ILogger _logger;
    private readonly Func<IDatabase?> _database;
    private readonly CallLimit _calls;
    private readonly Action<PresenceChange> _tell;
    private volatile bool _haveNodesChanged = true;

    /// <param name="registry">Who lives.</param>
    /// <param name="prefix">Of keys and channel.</param>
    /// <param name="logger">The broker's.</param>
    /// <param name="database">The server, if it was reached.</param>
    /// <param name="calls">How long a call to it may take.</param>
    /// <param name="tell">Told of each change, one at a time, in order, with no lock held.</param>
    public PresenceView(NodeRegistry registry, string prefix, ILogger logger, Func<IDatabase?> database, CallLimit calls, Action<PresenceChange> tell)
    {
        (_registry, _prefix, _logger, _database, _calls, _tell) = (registry, prefix, logger, database, calls, tell);

        registry.Changed += (_, _) =>
        {
            // If there is no room, the loop has work anyway, and before each piece of it it looks who lives.
            _haveNodesChanged = true;
            _work.Writer.TryWrite(default);
        };
    }

    public int Count(string topic)
    {
        lock (_lock)
        {
            return _topics.TryGetValue(topic, out Dictionary<(string, string), TopicSubscriber>? members) ? members.Count : 0;
        }
    }

    public IReadOnlyList<TopicSubscriber> List(string topic)
    {
        lock (_lock)
        {
            return _topics.TryGetValue(topic, out Dictionary<(string, string), TopicSubscriber>? members) ? [.. members.Values] : [];
        }
    }

    /// <summary>A node has told something. Never waits: what there is no room for is missed, which the next number tells.</summary>
    public void Hear(byte[] payload)
    {
        try
        {
            _work.Writer.TryWrite(new Work(PresenceMessage.Decode(payload), null));
        }
        catch (FormatException)
        {
            Log.NotificationUnreadable(_logger, _registry.Own.Name);
        }
    }

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            await foreach (Work work in _work.Reader.ReadAllAsync(stop).ConfigureAwait(false))
            {
                LookWhoLives();
                if (work.Message is { } message && _peers.TryGetValue(message.Incarnation, out Peer? peer))
                {
                    Take(peer, message, stop);
                }
                else if (work.Read is { } read && _peers.TryGetValue(read.Incarnation, out Peer? of))
                {
                    Take(of, read, stop);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The node stops.
        }
    }

    private void LookWhoLives()
    {
        if (!_haveNodesChanged)
        {
            return;
        }

        _haveNodesChanged = false;

        // A start of a node has one entry: what else names it was copied there by somebody else, and must not end this loop.
        Dictionary<string, string> alive = _registry.Others.DistinctBy(entry => entry.Incarnation).ToDictionary(entry => entry.Incarnation, entry => entry.Name, StringComparer.Ordinal);
        foreach (string gone in _peers.Keys.Where(peer => !alive.ContainsKey(peer)).ToArray())
        {
            Clear(_peers[gone]);
            _peers.Remove(gone);
        }

        foreach ((string came, string name) in alive.Where(peer => !_peers.ContainsKey(peer.Key)))
        {
            _peers.Add(came, new Peer(came, name));
        }
    }

    private void Take(Peer peer, PresenceMessage message, CancellationToken stop)
    {
        if (message.Generation == PresenceMessage.Gone)
        {
            Clear(peer);
            peer.HasGone = true;
        }

        if (peer.HasGone)
        {
            return;
        }

        if (peer.Held is { } held)
        {
            // What is read of the hash may contain this change or not: it is applied when the read is done. If there is no room for it, its number is found missing then.
            if (held.Count < MaxWaiting)
            {
                held.Add(message);
            }

            return;
        }

        if (message.Generation == peer.Generation && message.Number == peer.Number + 1 && message.Changes.Count > 0)
        {
            peer.Number = message.Number;
            foreach (PresenceChange change in message.Changes)
            {
                Apply(peer, change);
            }
        }
        else if (message.Generation > peer.Generation || (message.Generation == peer.Generation && message.Number > peer.Number))
        {
            peer.Held = [];
            _ = ReadAsync(peer.Incarnation, message.Generation, stop);
        }
    }

    private void Take(Peer peer, Hash read, CancellationToken stop)
    {
        List<PresenceMessage> held = peer.Held ?? [];
        peer.Held = null;
        if (read.Failure is { } failure && !peer.HasFailed)
        {
            Log.PresenceNotRead(_logger, failure, _registry.Own.Name);
        }

        peer.HasFailed = read.Failure is not null;
        if (peer.HasGone)
        {
            return;
        }

        if (read.Members is { } members)
        {
            (peer.Generation, peer.Number) = (read.Generation, read.Number);
            foreach ((string topic, string id) in peer.Members.Where(member => !members.ContainsKey(member)).ToArray())
            {
                Apply(peer, new PresenceChange(false, topic, new TopicSubscriber(id, null)));
            }

            foreach (((string topic, string _), TopicSubscriber subscriber) in members)
            {
                Apply(peer, new PresenceChange(true, topic, subscriber));
            }
        }

        // If it could not be read, the next heartbeat makes it be read again, and not what waits here.
        for (int i = 0; i < held.Count && read.Members is not null; i++)
        {
            Take(peer, held[i], stop);
        }
    }

#pragma warning disable CA1031 // Whatever fails at the link: the node's next heartbeat makes its hash be read again.
    private async Task ReadAsync(string incarnation, long generation, CancellationToken stop)
    {
        (long Number, Dictionary<(string, string), TopicSubscriber>? Members) read = default;
        Exception? failure = null;
        try
        {
            if (_database() is { } database)
            {
                read = await ReadAsync(database, PresenceWriter.KeyOf(_prefix, incarnation, generation), stop).ConfigureAwait(false);
            }
        }
        catch (Exception error)
        {
            if (stop.IsCancellationRequested)
            {
                return;
            }

            failure = error;
        }

        await _work.Writer.WriteAsync(new Work(null, new Hash(incarnation, generation, read.Number, read.Members, failure)), CancellationToken.None).ConfigureAwait(false);
    }
#pragma warning restore CA1031

    private async Task<(long Number, Dictionary<(string, string), TopicSubscriber>? Members)> ReadAsync(IDatabase database, RedisKey key, CancellationToken stop)
    {
        RedisValue begun = await _calls.EndAsync(database.HashGetAsync(key, PresenceWriter.NumberField), stop).ConfigureAwait(false);
        if (!begun.TryParse(out long number))
        {
            return default;
        }

        var found = new Dictionary<(string, string), TopicSubscriber>();
        IAsyncEnumerator<HashEntry> entries = database.HashScanAsync(key, pageSize: 500).GetAsyncEnumerator(stop);
        await using (entries.ConfigureAwait(false))
        {
            while (await _calls.EndAsync(entries.MoveNextAsync().AsTask(), stop).ConfigureAwait(false))
            {
                HashEntry entry = entries.Current;
                if (PresenceMessage.TryRead((string)entry.Name!, (string)entry.Value!, out string topic, out TopicSubscriber subscriber))
                {
                    found[(topic, subscriber.Id)] = subscriber;
                }
            }
        }

        // If it was written anew meanwhile, this is a part.
        return (number, await _calls.EndAsync(database.HashExistsAsync(key, PresenceWriter.NumberField), stop).ConfigureAwait(false) ? found : null);
    }

    private void Clear(Peer peer)
    {
        foreach ((string topic, string id) in peer.Members.ToArray())
        {
            Apply(peer, new PresenceChange(false, topic, new TopicSubscriber(id, null)));
        }
    }

    private void Apply(Peer peer, PresenceChange change)
    {
        bool changed = change.Joined ? peer.Members.Add((change.Topic, change.Subscriber.Id)) : peer.Members.Remove((change.Topic, change.Subscriber.Id));
        if (!changed)
        {
            return;
        }

        TopicSubscriber subscriber = change.Subscriber with { Node = peer.Name };
        lock (_lock)
        {
            if (!_topics.TryGetValue(change.Topic, out Dictionary<(string, string), TopicSubscriber>? members))
            {
                _topics.Add(change.Topic, members = []);
            }

            if (change.Joined)
            {
                members[(peer.Incarnation, subscriber.Id)] = subscriber;
            }
            else if (members.Remove((peer.Incarnation, subscriber.Id), out TopicSubscriber known))
            {
                subscriber = known;
            }

            if (members.Count == 0)
            {
                _topics.Remove(change.Topic);
            }
        }

        _tell(change with { Subscriber = subscriber });
    }

    /// <summary>A node, and what is known of it.</summary>
    private sealed class Peer(string incarnation, string name)
    {
        public string Incarnation { get; } = incarnation;

        public string Name { get; } = name;

        public HashSet<(string Topic, string Id)> Members { get; } = [];

        public long Generation { get; set; }

        public long Number { get; set; }

        public bool HasGone { get; set; }

        /// <summary>Its hash could not be read the last time, which has been told.</summary>
        public bool HasFailed { get; set; }

        /// <summary>What was told while its hash is read; null while it is not.</summary>
        public List<PresenceMessage>? Held { get; set; }
    }

    private sealed record Hash(string Incarnation, long Generation, long Number, Dictionary<(string, string), TopicSubscriber>? Members, Exception? Failure);

    private readonly record struct Work(PresenceMessage? Message, Hash? Read);
}
