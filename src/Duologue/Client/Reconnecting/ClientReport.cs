using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.Client;

/// <summary>Logs and counts what happens to a client that comes back.</summary>
internal sealed class ClientReport(Uri uri, ReconnectOptions options)
{
    private readonly string _uri = WebSocketUri.Display(uri);
    private readonly ClientMetrics _metrics = ClientMetrics.For(options.Connect);
    private int _conversations;

    public ILogger Logger { get; } = options.Connect.LoggerFactory?.CreateLogger("Duologue.Client") ?? NullLogger.Instance;

    /// <summary>A conversation has begun.</summary>
    public void Opened()
    {
        if (Interlocked.Increment(ref _conversations) > 1)
        {
            _metrics.Reconnected();
            Logger.CameBack(_uri);
        }
    }

    /// <summary>The client waits until it tries again.</summary>
    public void Waiting(CloseInfo? close, Exception? failure, TimeSpan delay)
    {
        string reason = close is null ? failure?.Message ?? "" : $"the conversation ended with {close.Code} ({close.Cause})";
        Logger.WaitsToComeBack(_uri, delay.TotalMilliseconds, reason);
    }

    /// <summary>The client does not come back any more.</summary>
    public void Ended(CloseInfo? close, Exception? failure)
    {
        if (failure is not null)
        {
            Logger.GaveUp(_uri, failure.Message);
        }
        else
        {
            Logger.ClientEnded(_uri, close?.Code ?? 1005);
        }
    }

    /// <summary>Messages were lost, or may be.</summary>
    public void Lost(MessagesLostEventArgs lost)
    {
        _metrics.Lost(lost.Fate, lost.Count);
        Logger.ClientMessagesLost(_uri, lost.Count, lost.Fate, lost.First, lost.Last);
    }

    /// <summary>Messages had come that nobody read, and are kept no longer.</summary>
    public void Unread(int count)
    {
        _metrics.Unread(count);
        Logger.ClientMessagesUnread(_uri, count);
    }

    /// <summary>A topic continued, or could not without a gap.</summary>
    public void Reset(string topic, long? lost)
    {
        _metrics.TopicReset();
        Logger.ClientTopicReset(_uri, topic, lost);
    }

    /// <summary>A message of a topic is given up, because it is larger than is read. That is a reset, too.</summary>
    public void TooLarge(string topic, string cursor, long? lost)
    {
        Logger.ClientMessageTooLarge(_uri, topic, cursor, FeedRequests.LargestPage(options.Connect));
        Reset(topic, lost);
    }

    /// <summary>Another way is used from now on.</summary>
    public void ChangedWay(FeedWays from, FeedWays to, string reason)
    {
        _metrics.ChangedWay();
        Logger.WayChanged(_uri, from, to, reason);
    }

    /// <summary>A publish is repeated with its key.</summary>
    public void Repeated(int count) => _metrics.PublishesRepeated(count);

    /// <summary>Calls a listener of the application's: what it throws is logged, and breaks nothing else.</summary>
    public void Guard(Action listener)
    {
        try
        {
            listener();
        }
#pragma warning disable CA1031 // It is the application's, and is told in the log.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Logger.ListenerFailed(_uri, e);
        }
    }
}
