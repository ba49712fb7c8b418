using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Duologue.Protocol.Handshake;

namespace Duologue.Client;

/// <summary>All topics over one WebSocket. Source: docs/topics-protocol.md.</summary>
internal sealed class SocketWay(Connection connection, WayWork work)
{
    public const string Subprotocol = "duologue.topics.v1";

    // What stores the topics is away: it is asked for again.
    private const string Unavailable = "unavailable";

    // So many publishes may be without an answer.
    private const int MaxUnderWay = 64;

    // So much is shown of the sentence in which a server refuses something.
    private const int LongestSentence = 500;

    // So long may a reader without room take nothing while publishes wait for answers, which stand behind what is for it.
    private static readonly TimeSpan ReaderPatience = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();

    // Guarded by the lock: what was asked for, by its name and by the reference that an answer has, and what the server has said that it has begun.
    private readonly Dictionary<string, TopicFeed> _asked = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (string Topic, TopicFeed Feed)> _byRef = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TopicFeed> _begun = new(StringComparer.Ordinal);
    private readonly Dictionary<TopicFeed, Retry> _retries = [];

    // Guarded by the lock: whose reader has no room, until it has, and which of them the server is still to be told of.
    private readonly HashSet<TopicFeed> _setAside = [];
    private readonly List<string> _toEnd = [];
    private long _lastRef;

    // Guarded by the lock: how many publishes have no answer on this socket, and whether one of them is to be repeated when all have one.
    private readonly Retry _publishing = new(work);
    private int _publishesUnderWay;
    private volatile bool _isRepeating;
    private volatile bool _hasHeard;

    // Only of whoever hears: ends the waiting for a reader.
    private CancellationTokenSource? _giving;

    /// <summary>How to connect. A page may be larger than the largest message that is in it: Base64 and escapes make it grow.</summary>
    public static ConnectOptions Vary(ConnectOptions options) =>
        options with { Subprotocols = [Subprotocol], MaxMessageSize = (int)Math.Min(int.MaxValue, FeedRequests.LargestPage(options)) };

    /// <summary>Whether messages are read piece by piece: one that is too large does not end the connection then, and may be passed over. It costs more.</summary>
    public bool IsPiecewise { get; init; }

    /// <summary>Whether the server has said anything, or answered a ping.</summary>
    public bool HasHeard => _hasHeard || connection.Latency is not null;

    /// <summary>Runs until the connection has ended or it is stopped. Nothing of it is under way then.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        work.Begin();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, connection.Aborted);
        Task asking = AskAsync(either.Token);
        Task hearing = HearAsync(either.Token);
        await Task.WhenAny(asking, hearing).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(asking, hearing).ConfigureAwait(false);
    }

    /// <summary>The server has closed: if because of a message that is too large for it, that is repeated no more.</summary>
    public void OnClosed(CloseInfo close)
    {
        // RFC 6455 §7.4.1, 1009: a message that is too big to process. All others that this way sends are small.
        if (close is { ByPeer: true, Code: 1009 })
        {
            string reason = close.Reason.Length == 0 ? "" : $", {PeerText.Quote(close.Reason, LongestSentence)}";
            work.Publishes.FailLargest(publish =>
            {
                string sentence = $"The message is too large for the server, to which it came in {publish.SentSize} bytes, as JSON: it closed with 1009{reason}.";
                return publish.MayBeInTopic
                    ? new TopicException("unknown", $"{sentence} It had been sent before, without an answer, and may be in the topic since.", null)
                    : new TopicException("bad_request", sentence, null);
            });
        }
    }

    private async Task AskAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await AskForFeedsAsync(stop).ConfigureAwait(false);
                while (MayPublish(out int most) && work.Publishes.TryNext(most) is { } publish)
                {
                    lock (_lock)
                    {
                        _publishesUnderWay++;
                    }

                    byte[] encoded = Encode(publish, work.Publishes.KeyBefore(publish));
                    publish.SentSize = encoded.Length;
                    await connection.SendAsync(encoded, MessageType.Text, stop).ConfigureAwait(false);
                }

                await work.Signal.WaitAsync(stop).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ConnectionClosedException)
        {
            // The caller looks which of the two has ended.
        }
    }

    // After a failure one at a time, so that none overtakes another that fails again.
    private bool MayPublish(out int most)
    {
        lock (_lock)
        {
            most = _publishing.HasFailed ? 1 : MaxUnderWay;
            if (_isRepeating && (_publishing.IsWaiting || _publishesUnderWay > 0))
            {
                return false;
            }

            _isRepeating = false;
            return true;
        }
    }

    private async Task AskForFeedsAsync(CancellationToken stop)
    {
        HashSet<TopicFeed> wanted = [.. work.ListFeeds()];
        string[] unwanted;
        TopicFeed[] missing;
        lock (_lock)
        {
            unwanted = [.. _asked.Where(pair => !wanted.Contains(pair.Value)).Select(pair => pair.Key)];
            foreach (string topic in unwanted)
            {
                Forget(topic);
            }

            unwanted = [.. _toEnd, .. unwanted];
            _toEnd.Clear();
            foreach (TopicFeed feed in _retries.Keys.Where(feed => !wanted.Contains(feed)).ToArray())
            {
                _retries.Remove(feed);
            }

            missing = [.. wanted.Where(feed => !_asked.ContainsKey(feed.Topic) && !_setAside.Contains(feed) && !(_retries.TryGetValue(feed, out Retry? retry) && retry.IsWaiting))];
        }

        foreach (string topic in unwanted)
        {
            await connection.SendAsync(Encode("unsubscribe", topic, null, null, false), MessageType.Text, stop).ConfigureAwait(false);
        }

        foreach (TopicFeed feed in missing)
        {
            string reference;
            lock (_lock)
            {
                reference = "s" + (++_lastRef).ToString(CultureInfo.InvariantCulture);
                _asked.Add(feed.Topic, feed);
                _byRef.Add(reference, (feed.Topic, feed));
            }

            feed.Asked();
            await connection.SendAsync(Encode("subscribe", feed.Topic, feed.After, reference, feed.HasPresence), MessageType.Text, stop).ConfigureAwait(false);
        }
    }

    private async Task HearAsync(CancellationToken stop)
    {
        try
        {
            while (await ReceiveAsync(stop).ConfigureAwait(false) is { } message)
            {
                await HandleAsync(message, stop).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ConnectionClosedException)
        {
            // The caller looks which of the two has ended.
        }
        catch (JsonException e)
        {
            // RFC 6455 §7.4.1, 1003: data that cannot be accepted. Another server, or a part on the way, speaks otherwise.
            work.Report.Logger.ConnectFailed("The server speaks no " + Subprotocol + ": " + e.Message, e);
            await connection.CloseAsync(1003, "no " + Subprotocol).ConfigureAwait(false);
        }
        finally
        {
            _giving?.Dispose();
        }
    }

    // Null where the conversation has ended.
    private async ValueTask<FeedMessage?> ReceiveAsync(CancellationToken stop)
    {
        if (!IsPiecewise)
        {
            Message message = await connection.ReceiveAsync(stop).ConfigureAwait(false);
            _hasHeard = true;
            return FeedMessage.Parse(message.Data.Span, null);
        }

        MessageStream? pieces = await connection.OpenReadAsync(stop).ConfigureAwait(false);
        if (pieces is null)
        {
            return null;
        }

        await using (pieces.ConfigureAwait(false))
        {
            _hasHeard = true;
            return await PageReader.ReadAsync(pieces, FeedRequests.LargestPage(work.Options.Connect), null, heard: null, stop, stop).ConfigureAwait(false);
        }
    }

    private async ValueTask HandleAsync(FeedMessage message, CancellationToken stop)
    {
        switch (message.Type)
        {
            case "items" or "present" when message is { TooLarge: not null, Next: null } && Find(message.Topic) is { } unread:
                // As a list of all who subscribe. What the application has asked for it cannot have, and there is no place behind it.
                unread.End(FeedRequests.TooLarge(unread.Topic, work.Options.Connect));
                break;
            case "items" when Find(message.Topic) is { } feed:
                await GiveAsync(feed, feed.AcceptAsync(message, Giving(stop)), stop).ConfigureAwait(false);
                break;
            case "items" when message.Topic is not null:
                foreach (TopicFeed feed in FindPatterns(message.Topic))
                {
                    await GiveAsync(feed, feed.AcceptLiveAsync(message, Giving(stop)), stop).ConfigureAwait(false);
                }

                break;
            case "subscribed":
                if (Begin(message.Ref) is { } begun)
                {
                    await GiveAsync(begun, begun.BeginAsync(Giving(stop)), stop).ConfigureAwait(false);
                }

                break;
            case "present" or "joined" or "left" when Find(message.Topic) is { } watched:
                PresenceChange change = message.Type switch { "present" => PresenceChange.Present, "joined" => PresenceChange.Joined, _ => PresenceChange.Left };
                await GiveAsync(watched, watched.AcceptPresenceAsync(change, message.Peers, Giving(stop)), stop).ConfigureAwait(false);
                break;
            case "published" when message is { Ref: ['p', .. var digits], Id: { } id } && long.TryParse(digits, CultureInfo.InvariantCulture, out long number):
                work.Publishes.Confirm(number, id);
                EndPublish(hasFailed: false);
                break;
            case "error":
                Fail(message, stop);
                break;
            default:
                // New types may come: a client ignores those that it does not know.
                break;
        }
    }

    // Waits for a reader, but not for ever while publishes wait for answers: who publishes for what it reads takes nothing before it has one, which stands behind what is for it.
    private async ValueTask GiveAsync(TopicFeed feed, ValueTask giving, CancellationToken stop)
    {
        if (giving.IsCompletedSuccessfully)
        {
            await giving.ConfigureAwait(false);
            return;
        }

        Task task = giving.AsTask();
        while (!task.IsCompleted)
        {
            long given = feed.Given;
            await task.WaitAsync(ReaderPatience, work.Options.Connect.TimeProvider, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!task.IsCompleted && feed.Given == given && HasPublishesUnderWay())
            {
                await _giving!.CancelAsync().ConfigureAwait(false);
            }
        }

        try
        {
            await task.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            SetAside(feed, stop);
        }

        if (_giving!.IsCancellationRequested)
        {
            _giving.Dispose();
            _giving = null;
        }
    }

    private CancellationToken Giving(CancellationToken stop) => (_giving ??= CancellationTokenSource.CreateLinkedTokenSource(stop)).Token;

    private bool HasPublishesUnderWay()
    {
        lock (_lock)
        {
            return _publishesUnderWay > 0;
        }
    }

    // As if it were cut: what still comes of it finds nobody, and it goes on behind the last item when there is room.
    private void SetAside(TopicFeed feed, CancellationToken stop)
    {
        lock (_lock)
        {
            if (!_asked.TryGetValue(feed.Topic, out TopicFeed? asked) || asked != feed)
            {
                return;
            }

            Forget(feed.Topic);
            _toEnd.Add(feed.Topic);
            _setAside.Add(feed);
        }

        work.Signal.Set();
        _ = TakeUpAsync(feed, stop);
    }

    private async Task TakeUpAsync(TopicFeed feed, CancellationToken stop)
    {
        await feed.WaitUntilHalfReadAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            _setAside.Remove(feed);
        }

        work.Signal.Set();
    }

    private TopicFeed? Find(string? topic)
    {
        lock (_lock)
        {
            return topic is not null && _begun.TryGetValue(topic, out TopicFeed? feed) ? feed : null;
        }
    }

    // Not those that are asked for and have not begun: what comes may be by another pattern, and what comes behind it be missed. What was missed is told where it begins.
    private TopicFeed[] FindPatterns(string topic)
    {
        lock (_lock)
        {
            return [.. _begun.Values.Where(feed => feed.IsPattern && TopicPattern.Matches(feed.Topic, topic))];
        }
    }

    // Pages of an earlier subscription to the same topic may come until then.
    private TopicFeed? Begin(string? reference)
    {
        lock (_lock)
        {
            if (reference is null || !_byRef.TryGetValue(reference, out (string Topic, TopicFeed Feed) asked))
            {
                return null;
            }

            _begun[asked.Topic] = asked.Feed;
            _retries.Remove(asked.Feed);
            return asked.Feed;
        }
    }

    // With the lock held. What is still said of it finds nobody.
    private void Forget(string topic)
    {
        _asked.Remove(topic);
        _begun.Remove(topic);
        foreach (string reference in _byRef.Where(asked => asked.Value.Topic == topic).Select(asked => asked.Key).ToArray())
        {
            _byRef.Remove(reference);
        }
    }

    private void Fail(FeedMessage error, CancellationToken stop)
    {
        var failure = new TopicException(error.Code ?? "", error.Sentence is { } sentence ? $"The server refused: {PeerText.Quote(sentence, LongestSentence)}" : "The server gave no reason.", null) { Limit = error.Limit };
        if (error.Ref is ['p', .. var digits] && long.TryParse(digits, CultureInfo.InvariantCulture, out long number))
        {
            FailPublish(number, failure, stop);
            return;
        }

        TopicFeed? feed = null;
        Retry? retry = null;
        lock (_lock)
        {
            // Also of a subscription that has begun: what it had missed could not be read to its end, and nothing follows.
            if (error.Ref is not null && _byRef.TryGetValue(error.Ref, out (string Topic, TopicFeed Feed) asked))
            {
                feed = asked.Feed;
                _begun.Remove(asked.Topic);
                retry = failure.Code == Unavailable ? _retries.TryGetValue(feed, out Retry? earlier) ? earlier : _retries[feed] = new Retry(work) : null;
            }
        }

        if (feed is null)
        {
            return;
        }

        if (retry is null || !retry.TryWait(failure, stop))
        {
            feed.End(failure);
            return;
        }

        // What is away for the moment is asked for again, from the same place on.
        lock (_lock)
        {
            if (_asked.TryGetValue(feed.Topic, out TopicFeed? asked) && asked == feed)
            {
                Forget(feed.Topic);
            }
        }

        work.Signal.Set();
    }

    private void FailPublish(long number, TopicException failure, CancellationToken stop)
    {
        // A limit is on what the server has (MaxTopics), which may change: over HTTP both are a 503, and are repeated, too.
        bool isTransient = failure.Code is Unavailable or "limit";
        if (isTransient && (_isRepeating || _publishing.TryWait(failure, stop)))
        {
            // Nothing is sent until this one is counted, below.
            lock (_lock)
            {
                _isRepeating = true;
            }

            work.Publishes.Repeat(number, failure);
        }
        else
        {
            work.Publishes.Fail(number, failure);
        }

        EndPublish(isTransient);
    }

    private void EndPublish(bool hasFailed)
    {
        lock (_lock)
        {
            _publishesUnderWay--;
            if (!hasFailed && !_isRepeating)
            {
                _publishing.Succeeded();
            }
        }

        work.Signal.Set();
    }

    // Only what JSON itself wants escaped: what a page of HTML would, makes a text up to six times as long, and too large for a server that takes it.
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static byte[] Encode(string type, string topic, string? after, string? reference, bool presence)
    {
        var output = new ArrayBufferWriter<byte>(128);
        using (var writer = new Utf8JsonWriter(output, WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteString("type"u8, type);
            writer.WriteString("topic"u8, topic);
            if (after is not null)
            {
                writer.WriteString("after"u8, after);
            }

            if (presence)
            {
                writer.WriteBoolean("presence"u8, true);
            }

            if (reference is not null)
            {
                writer.WriteString("ref"u8, reference);
            }

            writer.WriteEndObject();
        }

        return output.WrittenSpan.ToArray();
    }

    private static byte[] Encode(PendingPublish publish, string? behind)
    {
        var output = new ArrayBufferWriter<byte>(publish.Data.Length + 256);
        using (var writer = new Utf8JsonWriter(output, WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteString("type"u8, "publish"u8);
            writer.WriteString("topic"u8, publish.Topic);
            writer.WriteString("ref"u8, "p" + publish.Number.ToString(CultureInfo.InvariantCulture));
            writer.WriteString("key"u8, publish.Key);
            if (behind is not null)
            {
                writer.WriteString("behind"u8, behind);
            }

            switch (publish.Kind)
            {
                case PublishKind.Text:
                    writer.WriteString("data"u8, publish.Data);
                    break;
                case PublishKind.Json:
                    writer.WritePropertyName("data"u8);

                    // What is wrong with it the server says of this one; it is no reason to end the socket.
                    writer.WriteRawValue(publish.Data, skipInputValidation: true);
                    break;
                default:
                    writer.WriteBase64String("data"u8, publish.Data);
                    writer.WriteString("encoding"u8, "base64"u8);
                    break;
            }

            writer.WriteEndObject();
        }

        return output.WrittenSpan.ToArray();
    }
}
