using Duologue.Client;
using Duologue.Protocol.Handshake;

namespace Duologue;

/// <summary>One way after the other, whichever gets through, or the same anew.</summary>
public sealed partial class TopicClient
{
    // So many failures in a row of one way, and the next is tried.
    private const int WayPatience = 3;

    private readonly FeedAddress _address;
    private readonly TopicClientOptions _options;
    private readonly ClientReport _report;
    private readonly Backoff _backoff;
    private readonly StateCell _state;
    private readonly PendingPublishes _publishes;
    private readonly SemaphoreSlim _room;
    private readonly AsyncSignal _work = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();

    // Guarded by the lock.
    private readonly Dictionary<string, TopicFeed> _feeds = new(StringComparer.Ordinal);
    private FeedWays _ways;
    private bool _wayIsAsked;
    private bool _isDisposed;
    private CancellationTokenSource? _stopWay;
    private Task? _running;
    private Exception? _end;

    private int _way;

    // Only of whoever runs it: what has come over a WebSocket was too large once.
    private bool _isPiecewise;

    private TimeProvider Time => _options.Connect.TimeProvider;

    private FeedWays Ways
    {
        get
        {
            lock (_lock)
            {
                return _ways;
            }
        }
    }

    private void Start()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _running ??= Task.Run(RunAsync);
        }
    }

    private TopicFeed Add(TopicFeed feed)
    {
        Start();
        lock (_lock)
        {
            if (_end is not null)
            {
                throw EndOf(_end);
            }

            if (_feeds.Values.FirstOrDefault(other => feed.IsPattern != other.IsPattern && Overlap(feed, other)) is { } overlapping)
            {
                // The server gives each message once, and it could not be told for which of the two it is.
                throw new InvalidOperationException($"This client reads {overlapping.Topic} already, which {feed.Topic} overlaps; use another client for the one or the other.");
            }

            if (!_feeds.TryAdd(feed.Topic, feed))
            {
                throw new InvalidOperationException($"This client reads the topic {feed.Topic} already; one subscription per topic at a time.");
            }
        }

        _work.Set();
        return feed;
    }

    private static bool Overlap(TopicFeed one, TopicFeed other) =>
        one.IsPattern ? TopicPattern.Matches(one.Topic, other.Topic) : TopicPattern.Matches(other.Topic, one.Topic);

    private void Remove(TopicFeed feed)
    {
        lock (_lock)
        {
            _feeds.Remove(feed.Topic);
        }

        // Whoever brings it pages waits for room no more.
        feed.End(null);
        _work.Set();
    }

    private TopicFeed[] ListFeeds()
    {
        lock (_lock)
        {
            return [.. _feeds.Values];
        }
    }

    private async Task RunAsync()
    {
        Exception? failure = null;
        CloseInfo? close = null;
        Connection? opened = null;
        try
        {
            using var requests = new FeedRequests(_address, _options);
            var work = new WayWork(_work, ListFeeds, _publishes, _options, _report);
            FeedWays way = BestOf(Ways);
            while (!_stop.IsCancellationRequested)
            {
                using CancellationTokenSource stopWay = BeginWay(ref way);
                Volatile.Write(ref _way, (int)way);
                if (opened is not null && way != FeedWays.WebSocket)
                {
                    // The application has asked for another way since it was opened.
                    await opened.DisposeAsync().ConfigureAwait(false);
                    opened = null;
                }

                WayEnd end;
                (end, opened) = way == FeedWays.WebSocket
                    ? (await TalkAsync(opened, work, stopWay.Token).ConfigureAwait(false), null)
                    : await AskAsync(new RequestWay(requests, way, work, new RequestWay.Ties(SetState, () => (Ways & (Ways - 1)) != 0)), stopWay.Token).ConfigureAwait(false);
                if (opened is not null)
                {
                    way = Change(way, FeedWays.WebSocket, "a WebSocket gets through");
                    continue;
                }

                if (stopWay.IsCancellationRequested)
                {
                    continue;
                }

                // Another way is tried before a refusal of this one counts.
                bool mayChange = end.IsWaysFault && NextOf(way, Ways) != way;
                Verdict verdict = mayChange ? end.Verdict with { Kind = VerdictKind.Return } : end.Verdict;
                TimeSpan? wait = end.Lasted is { } lasted ? _backoff.AfterConversation(verdict, lasted) : _backoff.AfterFailure(verdict);
                (failure, close) = (end.Failure, end.Close);
                if (wait is null)
                {
                    break;
                }

                if (end.Lasted is null && (mayChange || _backoff.Failures % WayPatience == 0))
                {
                    way = Change(way, NextOf(way, Ways), end.Failure?.Message ?? "it does not get through");
                }

                SetState(new ClientStateEventArgs(ClientState.Waiting, close, failure, _backoff.Failures, wait.Value));
                _report.Waiting(close, failure, wait.Value);
                await DelayAsync(wait.Value, stopWay.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            (failure, close) = (e, null);
            throw;
        }
        finally
        {
            (close, failure) = _stop.IsCancellationRequested ? (null, null) : (close, failure);
            Finish(close, failure);
            if (opened is not null)
            {
                // It got through just as the client ended.
                await opened.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private void SetState(ClientStateEventArgs change) => _state.Set(change);

    // What the application has asked for meanwhile comes first.
    private CancellationTokenSource BeginWay(ref FeedWays way)
    {
        var stopWay = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        bool isAsked;
        FeedWays ways;
        lock (_lock)
        {
            (isAsked, ways, _wayIsAsked, _stopWay) = (_wayIsAsked, _ways, false, stopWay);
        }

        if (isAsked)
        {
            way = Change(way, BestOf(ways), "the application has asked for it");
        }

        return stopWay;
    }

    private FeedWays Change(FeedWays from, FeedWays to, string reason)
    {
        if (from != to)
        {
            _report.ChangedWay(from, to, reason);
        }

        return to;
    }

    private async Task<WayEnd> TalkAsync(Connection? opened, WayWork work, CancellationToken stop)
    {
        SetState(new ClientStateEventArgs(ClientState.Connecting, null, null, _backoff.Failures, TimeSpan.Zero));
        Connection connection;
        try
        {
            connection = opened ?? await ConnectAsync(stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return default;
        }
#pragma warning disable CA1031 // What the application's own hooks throw is an attempt that failed, too: it is told by the state, logged and counted.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return WayEnd.OfFailure(e, Time.GetUtcNow());
        }

        long openedAt = Time.GetTimestamp();
        _report.Opened();
        SetState(new ClientStateEventArgs(ClientState.Open, null, null, 0, TimeSpan.Zero));
        var socket = new SocketWay(connection, work) { IsPiecewise = _isPiecewise };
        await socket.RunAsync(stop).ConfigureAwait(false);

        // Where another way is to be used it does not wait for the peer: nothing more is read from here.
        Task<CloseInfo> closing = connection.CloseAsync().AsTask();
        if (stop.IsCancellationRequested && !_stop.IsCancellationRequested)
        {
            return default;
        }

        CloseInfo close = await closing.ConfigureAwait(false);
        socket.OnClosed(close);

        // It would come again: the next time it is passed over. Not from the beginning on, for nearly all clients never need it.
        _isPiecewise |= close is { ByPeer: false, Cause: CloseCause.MessageTooBig };
        if (!socket.HasHeard && !close.ByPeer)
        {
            // As behind a proxy that lets the upgrade through and no frame, to this side or to the other: it was no conversation.
            return WayEnd.OfFailure(MuteFailure(close.Cause), Time.GetUtcNow());
        }

        return new WayEnd(Verdict.Of(close), Time.GetElapsedTime(openedAt), close, null, IsWaysFault: false);
    }

    // Who has waited in vain knows that it is the way's fault; a line that was cut may be a server's that has ended.
    private HandshakeException MuteFailure(CloseCause cause) =>
        new($"The WebSocket of {WebSocketUri.Display(_address.Socket)} opened, but nothing came through it before it ended, as through a proxy that passes no frames on ({cause}).", null)
        {
            Failure = cause == CloseCause.KeepAliveTimeout ? ConnectFailure.Timeout : ConnectFailure.Connection,
        };

    private async Task<Connection> ConnectAsync(CancellationToken stop)
    {
        ConnectOptions options = await _options.PrepareAsync(stop).ConfigureAwait(false);
        Connection connection = await Connection.ConnectAsync(_address.Socket, SocketWay.Vary(options), stop).ConfigureAwait(false);
        if (connection.Subprotocol is not null)
        {
            return connection;
        }

        await connection.DisposeAsync().ConfigureAwait(false);
        throw new HandshakeException($"{WebSocketUri.Display(_address.Socket)} has a WebSocket, but none of {SocketWay.Subprotocol}.", null) { Failure = ConnectFailure.Subprotocol };
    }

    // Requests, and beside them now and then an attempt to open a WebSocket; if it opens, it is given.
    private async Task<(WayEnd End, Connection? Opened)> AskAsync(RequestWay requests, CancellationToken stop)
    {
        SetState(new ClientStateEventArgs(ClientState.Connecting, null, null, _backoff.Failures, TimeSpan.Zero));
        using var both = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task<WayEnd> asking = requests.RunAsync(both.Token);
        Task<Connection?> probing = ProbeAsync(both.Token);
        await Task.WhenAny(asking, probing).ConfigureAwait(false);
        await both.CancelAsync().ConfigureAwait(false);
        WayEnd end = await asking.ConfigureAwait(false);
        if (requests.HasWorked)
        {
            _backoff.Reset();
        }

        Connection? opened = await probing.ConfigureAwait(false);
        if (opened is not null && stop.IsCancellationRequested)
        {
            await opened.DisposeAsync().ConfigureAwait(false);
            opened = null;
        }

        return (end, opened);
    }

    private async Task<Connection?> ProbeAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            // Without a WebSocket among the ways it only waits for the end.
            bool isWanted = (Ways & FeedWays.WebSocket) != 0;
            await DelayAsync(isWanted ? _options.UpgradeInterval : Timeout.InfiniteTimeSpan, stop).ConfigureAwait(false);
            try
            {
                if (!stop.IsCancellationRequested)
                {
                    return await ProbeOnceAsync(stop).ConfigureAwait(false);
                }
            }
#pragma warning disable CA1031 // It is an attempt beside a way that works; it is logged and counted where it failed.
            catch (Exception)
#pragma warning restore CA1031
            {
                continue;
            }
        }

        return null;
    }

    // The way in use works: it is left for one that is sure to.
    private async Task<Connection> ProbeOnceAsync(CancellationToken stop)
    {
        Connection connection = await ConnectAsync(stop).ConfigureAwait(false);
        try
        {
            using var patience = new CancellationTokenSource(_options.Connect.ConnectTimeout, Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, patience.Token);
            await connection.PingAsync(either.Token).ConfigureAwait(false);
            return connection;
        }
        catch (Exception e)
        {
            connection.Abort();
            await connection.DisposeAsync().ConfigureAwait(false);
            if (!stop.IsCancellationRequested)
            {
                _report.Logger.ConnectFailed(MuteFailure((await connection.Closed.ConfigureAwait(false)).Cause).Message, e);
            }

            throw;
        }
    }

    private async Task DelayAsync(TimeSpan delay, CancellationToken stop) =>
        await Task.Delay(delay, Time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    // Without a close and a failure it is the application that has ended it.
    private void Finish(CloseInfo? close, Exception? failure)
    {
        TopicFeed[] feeds;
        Exception? reason = failure ?? (close is null ? null : ClosedFailure(close));
        Exception end = reason ?? new ObjectDisposedException(nameof(TopicClient));
        lock (_lock)
        {
            _end = end;
            feeds = [.. _feeds.Values];
        }

        // First: whoever is told below that it has ended may look.
        SetState(new ClientStateEventArgs(ClientState.Ended, close, failure, _backoff.Failures, TimeSpan.Zero));
        foreach (TopicFeed feed in feeds)
        {
            feed.End(reason is null ? null : EndOf(reason));
        }

        _publishes.End(EndOf(end));
        _report.Ended(close, failure);
    }

    private static ConnectionClosedException ClosedFailure(CloseInfo close) =>
        new($"The server has closed the conversation with {close.Code}{(close.Reason.Length == 0 ? "" : $", {PeerText.Quote(close.Reason)}")}.", close, null);

    private TopicException EndOf(Exception failure) => new("ended", $"The client of {WebSocketUri.Display(_address.Socket)} has ended: {failure.Message}", failure);

    private static FeedWays BestOf(FeedWays ways) => NextOf(FeedWays.Polling, ways);

    // The ways stand in their order in the enumeration; behind the last comes the first.
    private static FeedWays NextOf(FeedWays way, FeedWays ways)
    {
        FeedWays next = way;
        do
        {
            next = next == FeedWays.Polling ? FeedWays.WebSocket : (FeedWays)((int)next << 1);
        }
        while ((ways & next) == 0);
        return next;
    }
}
