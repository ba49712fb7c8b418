namespace Duologue.Client;

/// <summary>Each topic by requests of its own, by one of three ways; publishes one after the other. Source: docs/topics.md.</summary>
internal sealed class RequestWay(FeedRequests requests, FeedWays way, WayWork work, RequestWay.Ties ties)
{
    // So many failures of one reader in a row, and the way is given up.
    private const int Patience = 3;

    // So many messages a server puts in a page that is not asked for another number.
    private const int PageCount = 100;

    private readonly AsyncSignal _toPublish = new();
    private readonly TaskCompletionSource<WayEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _hasWorked;

    /// <summary>Whether the server has answered something as it should.</summary>
    public bool HasWorked => _hasWorked;

    private TopicClientOptions Options => work.Options;

    private TimeProvider Time => work.Options.Connect.TimeProvider;

    /// <summary>Runs until the way fails or it is stopped. Nothing of it is under way then.</summary>
    public async Task<WayEnd> RunAsync(CancellationToken stop)
    {
        using var all = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var readers = new Dictionary<TopicFeed, (Task Task, CancellationTokenSource Stop)>();
        Task publishing = PublishAllAsync(all.Token);
        while (!all.IsCancellationRequested && !_ended.Task.IsCompleted)
        {
            await AdjustAsync(readers, all.Token).ConfigureAwait(false);
            _toPublish.Set();
            await Task.WhenAny(_ended.Task, work.Signal.WaitAsync(all.Token)).ConfigureAwait(false);
        }

        await all.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll([publishing, .. readers.Values.Select(reader => reader.Task)]).ConfigureAwait(false);
        foreach ((Task _, CancellationTokenSource stopReader) in readers.Values)
        {
            stopReader.Dispose();
        }

        return _ended.Task.IsCompleted ? await _ended.Task.ConfigureAwait(false) : default;
    }

    private async Task AdjustAsync(Dictionary<TopicFeed, (Task Task, CancellationTokenSource Stop)> readers, CancellationToken stop)
    {
        TopicFeed[] wanted = work.ListFeeds();
        if (stop.IsCancellationRequested)
        {
            // Some of it may have been asked for behind the change to another way, which has it.
            return;
        }

        foreach (TopicFeed feed in wanted.Where(feed => feed.NeedsSocket))
        {
            string what = feed.IsPattern ? $"The pattern {feed.Topic}" : $"Who subscribes to {feed.Topic}";
            feed.End(new TopicException("needs_websocket", $"{what} can be had over a WebSocket only, and the way is {way}.", null));
        }

        wanted = [.. wanted.Where(feed => !feed.NeedsSocket)];
        foreach (TopicFeed feed in readers.Keys.Except(wanted).ToArray())
        {
            (Task task, CancellationTokenSource stopReader) = readers[feed];
            await stopReader.CancelAsync().ConfigureAwait(false);
            await task.ConfigureAwait(false);
            stopReader.Dispose();
            readers.Remove(feed);
        }

        foreach (TopicFeed feed in wanted.Except(readers.Keys).ToArray())
        {
            var stopReader = CancellationTokenSource.CreateLinkedTokenSource(stop);
            readers.Add(feed, (ReadAllAsync(feed, stopReader.Token), stopReader));
        }
    }

    private async Task ReadAllAsync(TopicFeed feed, CancellationToken stop)
    {
        var backoff = new Backoff(Options);
        int singles = 0;
        await TryAllAsync(backoff, ReadAsync, EndFeed, stop).ConfigureAwait(false);

        bool EndFeed(TopicException failure)
        {
            feed.End(failure);
            return false;
        }

        // Until something fails, the stream has ended, or there is nothing to ask for any more.
        async Task ReadAsync()
        {
            if (way == FeedWays.ServerSentEvents)
            {
                if (!feed.HasPosition)
                {
                    // So that a cut before the first event does not begin anew at another now.
                    await feed.AcceptAsync(await PollAsync(TimeSpan.Zero).ConfigureAwait(false), stop).ConfigureAwait(false);
                }

                await StreamAsync(feed, backoff, stop).ConfigureAwait(false);
                return;
            }

            long start = Time.GetTimestamp();

            // Where it begins is asked for first, and not held: a cut before the first news would begin anew at another now, or at what is the oldest by then.
            TimeSpan wait = way == FeedWays.LongPolling && feed.HasPosition ? Options.PollWait : TimeSpan.Zero;
            FeedMessage page = await PollAsync(wait).ConfigureAwait(false);
            Worked(backoff);
            await feed.AcceptAsync(page, stop).ConfigureAwait(false);
            if (page is { Items.Count: 0, TooLarge: null } && (way == FeedWays.Polling || !feed.HasPosition || Time.GetElapsedTime(start) < wait / 2))
            {
                // An answer that gives no place to go on from is no page: another server, or a part on the way, has answered, and would be asked for the beginning for ever.
                // A held request that is answered early without news comes from who does not hold them: that is polling, by another name.
                // All that a server which stops has answered at once are not to come back at once.
                await Task.Delay(Options.PollInterval * (0.5 + Options.Random.NextDouble()), Time, stop).ConfigureAwait(false);
            }
        }

        // A page may be too large though each of its messages is not: then they are asked for one by one. One that is too large alone is given up.
        async Task<FeedMessage> PollAsync(TimeSpan wait)
        {
            while (true)
            {
                bool isSingle = singles > 0;
                FeedMessage page = await requests.PollAsync(feed.Topic, feed.After, wait, isSingle, stop).ConfigureAwait(false);
                if (page.TooLarge is not { } large)
                {
                    singles = page.Items.Count > 0 && isSingle ? singles - 1 : 0;
                    return page;
                }

                if (isSingle || large.IsAlone)
                {
                    return page.Next is null ? throw FeedRequests.TooLarge(feed.Topic, Options.Connect) : page;
                }

                singles = PageCount;
            }
        }
    }

    private async Task StreamAsync(TopicFeed feed, Backoff backoff, CancellationToken stop)
    {
        using HttpResponseMessage response = await requests.StreamAsync(feed.Topic, feed.After, stop).ConfigureAwait(false);
        Stream body = await response.Content.ReadAsStreamAsync(stop).ConfigureAwait(false);
        using var silence = new CancellationTokenSource(Options.StreamTimeout, Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, silence.Token);
        var reader = new EventStreamReader(body, FeedRequests.LargestPage(Options.Connect)) { Heard = () => silence.CancelAfter(Options.StreamTimeout) };
        while (true)
        {
            ServerSentEvent? read;
            try
            {
                read = await reader.ReadAsync(either.Token).ConfigureAwait(false);
            }
            catch (InvalidDataException)
            {
                // The stream is left in the middle of the event, and the next one begins behind it.
                string behind = reader.Id ?? throw new IOException("What came is no event of a topic, and does not end.");
                Worked(backoff);
                await feed.GiveUpAsync(behind, 1, stop).ConfigureAwait(false);
                return;
            }

            if (read is not { } e)
            {
                throw new StreamEndedException();
            }

            Worked(backoff);

            // While its reader is slow, nothing is heard because nobody listens.
            silence.CancelAfter(Timeout.InfiniteTimeSpan);
            if (e is { Type: "reset", Data: { } notice })
            {
                await feed.AcceptAsync(FeedMessage.Parse(notice, feed.Topic), stop).ConfigureAwait(false);
            }
            else if (e is { Type: "message", Data: { } item })
            {
                await feed.AcceptAsync(FeedMessage.ParseItem(item, feed.Topic), stop).ConfigureAwait(false);
            }

            silence.CancelAfter(Options.StreamTimeout);
        }
    }

    private async Task PublishAllAsync(CancellationToken stop)
    {
        var backoff = new Backoff(Options);
        PendingPublish? publish = null;
        await TryAllAsync(backoff, PublishAsync, FailPublish, stop).ConfigureAwait(false);

        bool FailPublish(TopicException failure)
        {
            work.Publishes.Fail(publish!.Number, failure);
            return true;
        }

        async Task PublishAsync()
        {
            // Anew after a failure: the one that had no answer comes first again, with its key.
            work.Begin();
            while (true)
            {
                while ((publish = work.Publishes.TryNext(1)) is not null)
                {
                    string cursor = await requests.PublishAsync(publish, stop).ConfigureAwait(false);
                    Worked(backoff);
                    work.Publishes.Confirm(publish.Number, cursor);
                }

                await _toPublish.WaitAsync(stop).ConfigureAwait(false);
            }
        }
    }

    // Does something over and over. What the server refuses for what it is ends that alone; whatever else fails is tried again after a while, until the way, or the server, is given up.
    private async Task TryAllAsync(Backoff backoff, Func<Task> act, Func<TopicException, bool> goesOn, CancellationToken stop)
    {
        // Off the caller's thread, and one after the other.
        await Task.Yield();
        while (!stop.IsCancellationRequested)
        {
            Exception failure;
            try
            {
                await act().ConfigureAwait(false);
                continue;
            }
            catch (TopicException e) when (e.Code != "status")
            {
                if (goesOn(e))
                {
                    continue;
                }

                return;
            }
#pragma warning disable CA1031 // The network, the answer, or a hook of the application's: it is told by the state, logged, and tried again.
            catch (Exception e)
#pragma warning restore CA1031
            {
                failure = e is OperationCanceledException && !stop.IsCancellationRequested
                    ? new TimeoutException($"No answer by {way} in time (ConnectTimeout, and what a poll is held; of a stream that is silent, StreamTimeout).", e)
                    : e;
            }

            if (stop.IsCancellationRequested || !await WaitAsync(backoff, failure, stop).ConfigureAwait(false))
            {
                return;
            }
        }
    }

    private async Task<bool> WaitAsync(Backoff backoff, Exception failure, CancellationToken stop)
    {
        Verdict verdict = failure switch
        {
            TopicException { StatusCode: { } status, RetryAfter: var retryAfter } => Verdict.Of(status, retryAfter, Time.GetUtcNow()),
            StreamEndedException => new Verdict(VerdictKind.Spread, null),
            _ => new Verdict(VerdictKind.Return, null),
        };
        if (backoff.AfterFailure(verdict) is not { } wait)
        {
            _ended.TrySetResult(new WayEnd(new Verdict(VerdictKind.End, null), null, null, failure, IsWaysFault: false));
            return false;
        }

        if (backoff.Failures >= Patience && ties.MayChange())
        {
            _ended.TrySetResult(new WayEnd(new Verdict(VerdictKind.Return, null), null, null, failure, IsWaysFault: true));
            return false;
        }

        ties.SetState(new ClientStateEventArgs(ClientState.Waiting, null, failure, backoff.Failures, wait));
        work.Report.Waiting(null, failure, wait);
        await Task.Delay(wait, Time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return true;
    }

    private void Worked(Backoff backoff)
    {
        backoff.Reset();
        _hasWorked = true;
        ties.SetState(new ClientStateEventArgs(ClientState.Open, null, null, 0, TimeSpan.Zero));
    }

    /// <summary>The answer has come to its end as HTTP has it, which it does where the server stops, and then for all its clients at once: as a Close with 1001.</summary>
    private sealed class StreamEndedException() : IOException("The stream has ended.");

    /// <summary>To the client.</summary>
    /// <param name="SetState">Tells how things stand.</param>
    /// <param name="MayChange">Whether there are other ways.</param>
    internal readonly record struct Ties(Action<ClientStateEventArgs> SetState, Func<bool> MayChange);
}
