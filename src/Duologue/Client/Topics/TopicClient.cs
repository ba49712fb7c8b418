using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Duologue.Client;

namespace Duologue;

/// <summary>
/// Reads topics of a server and publishes to them, over connections that are cut. A subscription goes on behind its last item after each cut, with no gap and no double, or gives a
/// <see cref="TopicReset"/>; a publish is repeated with an idempotency key until it is confirmed, and is in the topic once. Where a WebSocket does not get through, other ways are used,
/// and a change of way keeps the positions. Thread-safe.
/// </summary>
/// <example>
/// <code>
/// await using var client = new TopicClient(new Uri("https://example.com/topics"));
/// await client.PublishAsync("news", "extra!", cancellationToken);
/// await foreach (TopicNews news in client.SubscribeAsync("news", TopicClient.Oldest, cancellationToken))
///     Console.WriteLine(news is TopicItem item ? item.Text : "some are gone");
/// </code>
/// </example>
public sealed partial class TopicClient : IAsyncDisposable
{
    /// <summary>Begin with what is published from now on.</summary>
    public const string Now = "now";

    /// <summary>Begin with the oldest message that the topic's history has.</summary>
    public const string Oldest = "oldest";

    /// <summary>Makes a client with the default options; it connects when it is first used.</summary>
    /// <param name="uri">Where the server has mapped topics, without a topic's name: <c>https://example.com/topics</c>. <c>ws</c> and <c>wss</c> mean the same.</param>
    /// <exception cref="ArgumentException">The URI cannot be used; the message says why.</exception>
    public TopicClient(Uri uri)
        : this(uri, new TopicClientOptions())
    {
    }

    /// <summary>Makes a client; it connects when it is first used.</summary>
    /// <param name="uri">Where the server has mapped topics, without a topic's name: <c>https://example.com/topics</c>. <c>ws</c> and <c>wss</c> mean the same.</param>
    /// <param name="options">How it connects and comes back.</param>
    /// <exception cref="ArgumentException">The URI or an option cannot be used; the message says which and why.</exception>
    public TopicClient(Uri uri, TopicClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(uri);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _address = new FeedAddress(uri);
        _options = options;
        _report = new ClientReport(_address.Socket, options);
        _backoff = new Backoff(options);
        _state = new StateCell(change => _report.Guard(() => StateChanged?.Invoke(this, change)));
        _publishes = new PendingPublishes(options);
        _room = new SemaphoreSlim(options.MaxPublishes);
        _ways = options.Ways;
    }

    /// <summary>The state has changed. One at a time, in order, with no lock held; must not block.</summary>
    public event EventHandler<ClientStateEventArgs>? StateChanged;

    /// <summary>How things stand. Open means that the server has answered the last request, where the way is one of requests.</summary>
    public ClientState State => _state.State;

    /// <summary>The way that is used at the moment, or tried.</summary>
    public FeedWays Way => (FeedWays)Volatile.Read(ref _way);

    /// <summary>
    /// From now on only these ways are used, the best of them first. A change loses and doubles nothing.
    /// </summary>
    /// <param name="ways">One or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is none among them, or something else.</exception>
    public void UseWays(FeedWays ways)
    {
        if ((ways & FeedWays.All) == 0 || (ways & ~FeedWays.All) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(ways), ways, "Name at least one of the ways, and nothing else.");
        }

        CancellationTokenSource? stopWay;
        lock (_lock)
        {
            (_ways, _wayIsAsked, stopWay) = (ways, true, _stopWay);
        }

        try
        {
            stopWay?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has just ended: the next one begins with what was asked for.
        }
    }

    /// <summary>Reads a topic from now on.</summary>
    /// <inheritdoc cref="SubscribeAsync(string, string, CancellationToken)"/>
    public IAsyncEnumerable<TopicNews> SubscribeAsync(string topic, CancellationToken cancellationToken) => SubscribeAsync(topic, Now, cancellationToken);

    /// <summary>
    /// Reads a topic: what was missed, then what comes, over as many connections as it takes. Begins when it is enumerated. A reader that is slow is waited for, and on a WebSocket the client's
    /// other topics wait, too. It may publish by the same client for each item, and wait for the answer.
    /// </summary>
    /// <param name="topic">The topic's name; no pattern. One subscription per topic at a time.</param>
    /// <param name="after"><see cref="Now"/>, <see cref="Oldest"/>, or the <see cref="TopicNews.Cursor"/> that was had last.</param>
    /// <param name="cancellationToken">Ends the subscription.</param>
    /// <exception cref="TopicException">The server refuses it, or the client has ended.</exception>
    /// <exception cref="ArgumentException"><paramref name="topic"/> is a pattern: <see cref="SubscribePatternAsync"/>; or it is none that a request could name.</exception>
    public IAsyncEnumerable<TopicNews> SubscribeAsync(string topic, string after, CancellationToken cancellationToken)
    {
        CheckName(topic);
        ArgumentException.ThrowIfNullOrEmpty(after);
        return ReadAsync(topic, after, isPattern: false, hasPresence: false, cancellationToken);
    }

    /// <summary>
    /// Reads a topic as <see cref="SubscribeAsync(string, string, CancellationToken)"/> does, and who else subscribes to it: a <see cref="TopicPresence"/> of all who are there, then of each who comes and goes. Over a WebSocket
    /// only.
    /// </summary>
    /// <param name="topic">The topic's name; no pattern.</param>
    /// <param name="after">As of the method without presence.</param>
    /// <param name="cancellationToken">Ends the subscription.</param>
    /// <exception cref="TopicException">As of the method without presence; <c>needs_websocket</c> if another way is in use.</exception>
    public IAsyncEnumerable<TopicNews> SubscribeWithPresenceAsync(string topic, string after, CancellationToken cancellationToken)
    {
        CheckName(topic);
        ArgumentException.ThrowIfNullOrEmpty(after);
        return ReadAsync(topic, after, isPattern: false, hasPresence: true, cancellationToken);
    }

    /// <summary>
    /// Reads all topics that a pattern stands for, from now on: <c>*</c> is one segment, <c>**</c> as the last one or more. Over a WebSocket only. There is no position that all topics share, so a cut is told by a
    /// <see cref="TopicReset"/> of the pattern. Begins when it is enumerated.
    /// </summary>
    /// <param name="pattern">The pattern. None of its topics may be read by the same client by name meanwhile.</param>
    /// <param name="cancellationToken">Ends the subscription.</param>
    /// <exception cref="ArgumentException">It is the name of one topic.</exception>
    /// <exception cref="TopicException">The server refuses it, or the client has ended; <c>needs_websocket</c> if another way is in use.</exception>
    public IAsyncEnumerable<TopicNews> SubscribePatternAsync(string pattern, CancellationToken cancellationToken)
    {
        TopicPattern.CheckText(pattern, nameof(pattern));
        if (!TopicPattern.Is(pattern))
        {
            throw new ArgumentException($"{pattern} has no segment * or **: it is the name of one topic.", nameof(pattern));
        }

        return ReadAsync(pattern, Now, isPattern: true, hasPresence: false, cancellationToken);
    }

    private static void CheckName(string topic)
    {
        TopicPattern.CheckText(topic, nameof(topic));
        if (TopicPattern.Is(topic))
        {
            throw new ArgumentException($"{topic} is a pattern, which has no position; use {nameof(SubscribePatternAsync)}.", nameof(topic));
        }
    }

    private async IAsyncEnumerable<TopicNews> ReadAsync(string topic, string after, bool isPattern, bool hasPresence, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        TopicFeed feed = Add(new TopicFeed(topic, after, _options.MaxUnread, _report) { IsPattern = isPattern, HasPresence = hasPresence });
        try
        {
            await foreach (TopicNews news in feed.News.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                feed.Taken();
                yield return news;
            }

            if (feed.Failure is { } failure)
            {
                throw failure;
            }
        }
        finally
        {
            Remove(feed);
        }
    }

    /// <summary>Publishes text, and waits until the server has it in the topic, once, however often it takes.</summary>
    /// <param name="topic">The topic's name.</param>
    /// <param name="text">The text. Lone surrogates are sent as U+FFFD.</param>
    /// <param name="cancellationToken">Stops the waiting. What has not been sent yet is taken back; what has may be in the topic, and goes on being repeated.</param>
    /// <returns>The message's cursor: the place behind it.</returns>
    /// <exception cref="TopicException">The server refuses it, the client has ended, or nobody knows whether it is there (<see cref="TopicException.Code"/>).</exception>
    /// <exception cref="ArgumentException"><paramref name="topic"/> is none that a request could name.</exception>
    public Task<string> PublishAsync(string topic, string text, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(text);
        return PublishAsync(topic, PublishKind.Text, Encoding.UTF8.GetBytes(text), cancellationToken);
    }

    /// <summary>Publishes bytes, and waits until the server has them in the topic, once, however often it takes.</summary>
    /// <param name="topic">The topic's name.</param>
    /// <param name="data">The payload. Copied before the call returns.</param>
    /// <param name="cancellationToken">As of the other overload.</param>
    /// <returns>The message's cursor: the place behind it.</returns>
    /// <exception cref="TopicException">As of the other overload.</exception>
    public Task<string> PublishAsync(string topic, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => PublishAsync(topic, PublishKind.Binary, data.ToArray(), cancellationToken);

    /// <summary>Publishes a value as JSON, and waits until the server has it in the topic, once, however often it takes.</summary>
    /// <param name="topic">The topic's name.</param>
    /// <param name="value">The value.</param>
    /// <param name="typeInfo">How it is written, from a source-generated context.</param>
    /// <param name="cancellationToken">As of the other overload.</param>
    /// <returns>The message's cursor: the place behind it.</returns>
    /// <exception cref="TopicException">As of the other overload.</exception>
    public Task<string> PublishAsync<T>(string topic, T value, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(typeInfo);
        return PublishAsync(topic, PublishKind.Json, JsonSerializer.SerializeToUtf8Bytes(value, typeInfo), cancellationToken);
    }

    /// <summary>Ends all subscriptions, fails what is not confirmed, and releases the client.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? running;
        bool isFirst;
        lock (_lock)
        {
            (running, isFirst, _isDisposed) = (_running, !_isDisposed, true);
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        if (running is not null)
        {
            await running.ConfigureAwait(false);
        }
        else if (isFirst)
        {
            Finish(null, null);
        }
    }

    private async Task FreeAsync(Task answer)
    {
        await answer.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _room.Release();
    }

    private async Task<string> PublishAsync(string topic, PublishKind kind, byte[] data, CancellationToken cancellationToken)
    {
        TopicPattern.CheckText(topic, nameof(topic));
        Start();
        await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
        PendingPublish publish;
        try
        {
            publish = _publishes.Add(topic, kind, data);
        }
        catch
        {
            _room.Release();
            throw;
        }

        // The place is free when there is an answer, whoever still waits for it.
        _ = FreeAsync(publish.Answer.Task);
        _work.Set();
        try
        {
            return await publish.Answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_publishes.TryTakeBack(publish))
        {
            publish.Answer.TrySetCanceled(cancellationToken);
            throw;
        }
    }
}
