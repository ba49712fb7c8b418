using Microsoft.Extensions.Logging;

namespace Duologue.Redis;

/// <summary>What the broker logs, in the category <c>Duologue.Redis</c>; ids from 5000.</summary>
internal static partial class Log
{
    public const string Category = "Duologue.Redis";

    [LoggerMessage(5000, LogLevel.Information, "Node {Node} has its link to Redis; {Topics} topics are read on.", EventName = "RedisRestored")]
    public static partial void Restored(ILogger logger, string node, int topics);

    [LoggerMessage(5001, LogLevel.Warning, "Node {Node} has lost its link to Redis ({Reason}). Subscribers keep their connections and catch up; publishes wait.", EventName = "RedisInterrupted")]
    public static partial void Interrupted(ILogger logger, string node, string reason);

    [LoggerMessage(5002, LogLevel.Warning, "Node {Node} cannot connect to Redis ({Servers}); it tries again: {Cause}", EventName = "RedisConnectFailed")]
    public static partial void ConnectFailed(ILogger logger, Exception? exception, string node, string servers, string cause);

    /// <summary>It comes with each try, so that one line is enough; who looks for more has the trace from Debug on.</summary>
    public static void ConnectFailed(ILogger logger, Exception exception, string node, string servers) =>
        ConnectFailed(logger, logger.IsEnabled(LogLevel.Debug) ? exception : null, node, servers, CauseOf(exception));

    /// <summary>In one line: the server's words if it has refused, otherwise those of the innermost error, for the client library's own have figures of its own before them.</summary>
    public static string CauseOf(Exception exception) => (RedisRefusal.Of(exception) ?? exception.GetBaseException().Message).ReplaceLineEndings(" ");

    [LoggerMessage(5003, LogLevel.Error, "A listener to the broker's events threw.", EventName = "RedisListenerFailed")]
    public static partial void ListenerFailed(ILogger logger, Exception exception);

    [LoggerMessage(5004, LogLevel.Warning, "Node {Node} got a notification that is none of this version, on its channel; it is passed over.", EventName = "RedisNotificationUnreadable")]
    public static partial void NotificationUnreadable(ILogger logger, string node);

    [LoggerMessage(5005, LogLevel.Warning, "Node {Node} hears of node {Other}, which has layout {OtherLayout} of keys where this one has {Layout}: of another version, it shares no topics with this one.", EventName = "RedisOtherLayout")]
    public static partial void OtherLayout(ILogger logger, string node, string other, int otherLayout, int layout);

    [LoggerMessage(5006, LogLevel.Debug, "Node {Node} let go of a link to Redis that did not end in time.", EventName = "RedisCloseFailed")]
    public static partial void CloseFailed(ILogger logger, Exception exception, string node);

    [LoggerMessage(5007, LogLevel.Warning, "Node {Node} has heard nothing over its link to Redis for {Seconds} s; it gives the connection up and makes another.", EventName = "RedisLinkGivenUp")]
    public static partial void GivenUp(ILogger logger, string node, double seconds);

    [LoggerMessage(5008, LogLevel.Error, "Redis refuses the heartbeat of node {Node}; without it the link counts as interrupted: {Cause}", EventName = "RedisHeartbeatRefused")]
    public static partial void BeatRefused(ILogger logger, Exception? exception, string node, string cause);

    /// <summary>The server's words tell what there is to tell; who looks for more has the trace from Debug on.</summary>
    public static void BeatRefused(ILogger logger, Exception exception, string node) =>
        BeatRefused(logger, logger.IsEnabled(LogLevel.Debug) ? exception : null, node, exception.Message);

    [LoggerMessage(5010, LogLevel.Information, "Node {Node} is there; it is reached at {Address}.", EventName = "RedisNodeCame")]
    public static partial void NodeCame(ILogger logger, string node, Uri? address);

    [LoggerMessage(5011, LogLevel.Information, "Node {Node} has gone.", EventName = "RedisNodeWent")]
    public static partial void NodeWent(ILogger logger, string node);

    [LoggerMessage(5012, LogLevel.Error, "Another node that lives is called {Node}, too. Sessions of this one are not found by others; give each node a name of its own (RedisBrokerOptions.NodeName, serve --node).", EventName = "RedisNodeNameTaken")]
    public static partial void NodeNameTaken(ILogger logger, string node);

    [LoggerMessage(5014, LogLevel.Warning, "Node {Node} could not make its subscribers known; it tries again.", EventName = "RedisPresenceNotWritten")]
    public static partial void PresenceNotWritten(ILogger logger, Exception exception, string node);

    [LoggerMessage(5015, LogLevel.Warning, "Node {Node} could not read who subscribes on another; it tries again.", EventName = "RedisPresenceNotRead")]
    public static partial void PresenceNotRead(ILogger logger, Exception exception, string node);

    [LoggerMessage(5016, LogLevel.Warning, "A request that node {Node} has forwarded to node {Owner} failed ({Error}).", EventName = "RedisForwardFailed")]
    public static partial void ForwardFailed(ILogger logger, string node, string owner, string error);

    [LoggerMessage(5019, LogLevel.Debug, "Node {Node} could not ask node {Owner} for the answer of a poll that it has forwarded ({Error}); it asks again.", EventName = "RedisPollEndNotAsked")]
    public static partial void EndNotAsked(ILogger logger, string node, string owner, string error);

    [LoggerMessage(5017, LogLevel.Warning, "Node {Node} hears of messages faster than it hands them out: {Count} were let go of. Their topics are read from the log.", EventName = "RedisNotificationsDropped")]
    public static partial void NotificationsDropped(ILogger logger, string node, long count);

    [LoggerMessage(5020, LogLevel.Error, "Node {Node} has let go of messages of more than {Most} topics at once: of the topics beyond these, {Count} messages are missed by those who subscribe by pattern only.", EventName = "RedisNotificationsMissed")]
    public static partial void PatternsMissed(ILogger logger, string node, int most, long count);

    [LoggerMessage(5021, LogLevel.Warning, "The Redis to which node {Node} is connected is a replica now; it gives the connection up and makes another.", EventName = "RedisReplicaLeft")]
    public static partial void ReplicaLeft(ILogger logger, string node);

    [LoggerMessage(5022, LogLevel.Warning, "Redis takes no publishes of node {Node} for the moment; each publisher is told: {Cause}", EventName = "RedisPublishesRefused")]
    public static partial void PublishesRefused(ILogger logger, string node, string cause);

    [LoggerMessage(5018, LogLevel.Error, "Redis has refused the login of node {Node} as {Wanted}, and takes it for {User}, for whom it is open. The link is not made; it tries again.", EventName = "RedisLoginRefused")]
    public static partial void LoginRefused(ILogger logger, string node, string wanted, string user);

    [LoggerMessage(5013, LogLevel.Warning, "Node {Node} could not renew its lease; it tries again.", EventName = "RedisLeaseNotRenewed")]
    public static partial void LeaseNotRenewed(ILogger logger, Exception exception, string node);
}
