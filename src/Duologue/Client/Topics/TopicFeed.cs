using System.Threading.Channels;

namespace Duologue.Client;

/// <summary>
/// One subscription of the application's: up to where it has the topic, and what waits to be read. The one way of the moment brings pages; the position moves with each item that is taken, so that whatever ends in
/// between, the next way begins behind the last item.
/// </summary>
internal sealed class TopicFeed(string topic, string after, int maxUnread, ClientReport report)
{
    private bool _hasBegun;
    private volatile bool _mayHaveMissed;

    private readonly Channel<TopicNews> _news = Channel.CreateBounded<TopicNews>(new BoundedChannelOptions(maxUnread) { SingleReader = true, SingleWriter = true });
    private string? _resetToldAfter;
    private long? _lostTold;
    private Exception? _failure;
    private volatile TaskCompletionSource? _halfRead;
    private volatile bool _hasEnded;

    public string Topic { get; } = topic;

    /// <summary>Whether it is of all topics that a pattern stands for: without a position, as they come.</summary>
    public bool IsPattern { get; init; }

    /// <summary>Whether it is to be told who subscribes, too.</summary>
    public bool HasPresence { get; init; }

    /// <summary>Whether only a WebSocket of <c>duologue.topics.v1</c> has it.</summary>
    public bool NeedsSocket => IsPattern || HasPresence;

    /// <summary>Where to go on: a cursor, or what the application began with.</summary>
    public string After { get; private set; } = after;

    /// <summary>Whether <see cref="After"/> is a cursor by now.</summary>
    public bool HasPosition { get; private set; } = after is not (TopicClient.Now or TopicClient.Oldest);

    /// <summary>How much has been given to its reader. The way's that brings it.</summary>
    public long Given { get; private set; }

    /// <summary>What is read before the end.</summary>
    public ChannelReader<TopicNews> News => _news.Reader;

    /// <summary>Why it has ended, when all is read; null if the application has ended it.</summary>
    public Exception? Failure => _failure;

    /// <summary>Its reader has taken something.</summary>
    public void Taken()
    {
        // The count is taken under the channel's lock, as what comes and goes is: whichever of the two comes later sees the other.
        if (_halfRead is { } halfRead && (_news.Reader.Count <= maxUnread / 2 || _hasEnded))
        {
            halfRead.TrySetResult();
        }
    }

    /// <summary>Waits until half of what may wait for the reader is read, or there is no more to come. For one at a time.</summary>
    public Task WaitUntilHalfReadAsync(CancellationToken cancellationToken)
    {
        var halfRead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _halfRead = halfRead;

        // It may have been read just before.
        Taken();
        return halfRead.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Takes a page, as fast as it is read.</summary>
    public async ValueTask AcceptAsync(FeedMessage page, CancellationToken cancellationToken)
    {
        if (IsPattern)
        {
            // It has no items of its own: what stores the topics was away for the server.
            _mayHaveMissed |= page.IsReset;
            await BeginAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        if (page.IsReset)
        {
            await AcceptResetAsync(page.Lost, cancellationToken).ConfigureAwait(false);
        }

        if (page is { TooLarge: { } large, Next: { } behind })
        {
            await GiveUpAsync(behind, large.Lost, cancellationToken).ConfigureAwait(false);
        }

        foreach (TopicItem item in page.Items)
        {
            await AcceptAsync(item, cancellationToken).ConfigureAwait(false);
        }

        if (page.Next is { } next)
        {
            MoveTo(next);
        }
    }

    /// <summary>Takes an item that follows <see cref="After"/>.</summary>
    public async ValueTask AcceptAsync(TopicItem item, CancellationToken cancellationToken)
    {
        if (await TryWriteAsync(item, cancellationToken).ConfigureAwait(false))
        {
            MoveTo(item.Cursor);
        }
    }

    /// <summary>Takes the notice that messages are gone. The position stays: it is what comes next that has a new one.</summary>
    public async ValueTask AcceptResetAsync(long? lost, CancellationToken cancellationToken)
    {
        // Who was cut right behind the notice is given it again, perhaps with more that is gone by then: of that only what was not told.
        bool isAgain = _resetToldAfter == After;
        if (isAgain && (_lostTold is null || lost <= _lostTold))
        {
            return;
        }

        long? more = isAgain ? lost - _lostTold : lost;
        await TryWriteAsync(new TopicReset(Topic, After, more), cancellationToken).ConfigureAwait(false);
        (_resetToldAfter, _lostTold) = (After, lost);
        report.Reset(Topic, more);
    }

    /// <summary>Goes on behind a message that is larger than may be read: to ask for it again would bring it again.</summary>
    /// <param name="cursor">The place behind it.</param>
    /// <param name="lost">How many messages are given up by it; null if that is not known.</param>
    /// <param name="cancellationToken">Stops the waiting for the reader.</param>
    public async ValueTask GiveUpAsync(string cursor, long? lost, CancellationToken cancellationToken)
    {
        if (await TryWriteAsync(new TopicReset(Topic, cursor, lost), cancellationToken).ConfigureAwait(false))
        {
            MoveTo(cursor);
            report.TooLarge(Topic, cursor, lost);
        }
    }

    /// <summary>It is asked for (again): a pattern has no position, so what came between is missed.</summary>
    public void Asked() => _mayHaveMissed = IsPattern && _hasBegun;

    /// <summary>It has begun, or goes on, by the way of the moment.</summary>
    public async ValueTask BeginAsync(CancellationToken cancellationToken)
    {
        _hasBegun = true;
        if (_mayHaveMissed)
        {
            await TryWriteAsync(new TopicReset(Topic, After, null), cancellationToken).ConfigureAwait(false);
            _mayHaveMissed = false;
            report.Reset(Topic, null);
        }
    }

    /// <summary>Takes what has come in one of a pattern's topics.</summary>
    public async ValueTask AcceptLiveAsync(FeedMessage page, CancellationToken cancellationToken)
    {
        if (page.IsReset)
        {
            await TryWriteAsync(new TopicReset(page.Topic!, page.Next ?? After, page.Lost), cancellationToken).ConfigureAwait(false);
            report.Reset(page.Topic!, page.Lost);
        }

        if (page.TooLarge is { } large)
        {
            await TryWriteAsync(new TopicReset(page.Topic!, page.Next ?? After, large.Lost), cancellationToken).ConfigureAwait(false);
            report.TooLarge(page.Topic!, page.Next ?? "?", large.Lost);
        }

        foreach (TopicItem item in page.Items)
        {
            await TryWriteAsync(item, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Takes who is there, or has come or gone.</summary>
    public async ValueTask AcceptPresenceAsync(PresenceChange change, IReadOnlyList<TopicPeer> peers, CancellationToken cancellationToken)
    {
        if (HasPresence)
        {
            await TryWriteAsync(new TopicPresence(Topic, After, change, peers), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Goes on from here.</summary>
    public void MoveTo(string cursor) => (After, HasPosition) = (cursor, true);

    // False if nobody reads any more: then nobody goes on from here, either. What there is room for is given, whether one would wait for room or not.
    private async ValueTask<bool> TryWriteAsync(TopicNews news, CancellationToken cancellationToken)
    {
        while (!_news.Writer.TryWrite(news))
        {
            if (!await _news.Writer.WaitToWriteAsync(cancellationToken).ConfigureAwait(false))
            {
                return false;
            }
        }

        Given++;
        return true;
    }

    /// <summary>There is no more to come.</summary>
    /// <param name="failure">Why; null if the application has ended it.</param>
    public void End(Exception? failure)
    {
        // Not by the channel: it would throw at who still brings something, which ends more than this feed.
        Interlocked.CompareExchange(ref _failure, failure, null);
        _hasEnded = true;
        _news.Writer.TryComplete();
        Taken();
    }
}
