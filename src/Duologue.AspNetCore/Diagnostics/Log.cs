using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore;

/// <summary>
/// What the server logs. Ids: 3000 opening handshake, 3100 connections, 3200 drain, 3300 topics; what a connection logs of itself has
/// ids from 1000. The table in docs/operations.md repeats them. What a peer sent is quoted and cut before it comes here. Levels: Error is
/// our side's failure, Warning what an option of the operator's decides, Information what a peer did, Debug routine. All but the drain's
/// go through a <see cref="LimitedLogger"/>.
/// </summary>
internal static partial class Log
{
    /// <summary>The categories, by area: they stay when types are renamed.</summary>
    public const string HandshakeCategory = "Duologue.AspNetCore.Handshake";
    public const string ConnectionsCategory = "Duologue.AspNetCore.Connections";
    public const string DrainCategory = "Duologue.AspNetCore.Drain";
    public const string TopicsCategory = "Duologue.AspNetCore.Topics";

    [LoggerMessage(3000, LogLevel.Information, "Refused a request at {Endpoint} with {StatusCode} ({Reason}): {Sentence}", EventName = "HandshakeRefused")]
    public static partial void HandshakeRefused(ILogger logger, string endpoint, int statusCode, string reason, string sentence);

    [LoggerMessage(3001, LogLevel.Warning, "Refused the origin {Origin} at {Endpoint} with 403: the server's own origin is {OwnOrigin}. If its pages may connect, add it to DuologueOptions.AllowedOrigins, or call AllowAnyOrigin() in the endpoint's WithOptions. Behind a proxy that ends TLS, configure forwarded headers.", EventName = "OriginRefused")]
    public static partial void OriginRefused(ILogger logger, string endpoint, string origin, string ownOrigin);

    [LoggerMessage(3002, LogLevel.Information, "A handshake at {Endpoint} did not complete ({Reason}): {Sentence}", EventName = "HandshakeEnded")]
    public static partial void HandshakeEnded(ILogger logger, Exception? exception, string endpoint, string reason, string sentence);

    [LoggerMessage(3003, LogLevel.Warning, "{Limit} connections hold a compressor of their own, which is the most (DuologueOptions.MaxDedicatedCompressors): the next ones share compressors.", EventName = "DedicatedCompressorsExhausted")]
    public static partial void DedicatedCompressorsExhausted(ILogger logger, int limit);

    [LoggerMessage(3100, LogLevel.Debug, "Connection {ConnectionId} was accepted at {Endpoint}, subprotocol {Subprotocol}, detached {Detached}.", EventName = "ConnectionAccepted")]
    public static partial void ConnectionAccepted(ILogger logger, string connectionId, string endpoint, string? subprotocol, bool detached);

    [LoggerMessage(3101, LogLevel.Error, "The handler of connection {ConnectionId} at {Path} threw; the connection is closed with 1011.", EventName = "DelegateFailed")]
    public static partial void DelegateFailed(ILogger logger, Exception exception, string connectionId, string? path);

    [LoggerMessage(3102, LogLevel.Debug, "The handler of connection {ConnectionId} ended because the connection has.", EventName = "DelegateEndedWithConnection")]
    public static partial void DelegateEndedWithConnection(ILogger logger, string connectionId);

    [LoggerMessage(3103, LogLevel.Debug, "The session of connection {ConnectionId} goes on over a WebSocket.", EventName = "SessionUpgraded")]
    public static partial void SessionUpgraded(ILogger logger, string connectionId);

    [LoggerMessage(3104, LogLevel.Information, "A WebSocket tried to take over the session of connection {ConnectionId} and did not ({Outcome}).", EventName = "SessionNotUpgraded")]
    public static partial void SessionNotUpgraded(ILogger logger, string connectionId, UpgradeOutcome outcome);

    [LoggerMessage(3200, LogLevel.Information, "Draining: closing {Count} connections with 1001 within {Window} s; new ones get 503.", EventName = "DrainStarted")]
    public static partial void DrainStarted(ILogger logger, int count, double window);

    [LoggerMessage(3201, LogLevel.Information, "Drained: all connections have closed after {Duration} s.", EventName = "DrainCompleted")]
    public static partial void DrainCompleted(ILogger logger, double duration);

    [LoggerMessage(3202, LogLevel.Warning, "Drain ended with {Count} connections that did not close within {Duration} s; they are aborted.", EventName = "DrainCut")]
    public static partial void DrainCut(ILogger logger, int count, double duration);

    [LoggerMessage(3203, LogLevel.Warning, "DuologueOptions.DrainWindow is {Window} s, but HostOptions.ShutdownTimeout of {ShutdownTimeout} s leaves {Available} s for it: the window is cut.", EventName = "DrainWindowCut")]
    public static partial void DrainWindowCut(ILogger logger, double window, double shutdownTimeout, double available);

    [LoggerMessage(3300, LogLevel.Warning, "Connection {ConnectionId} was refused a subscription: {Option} is {Limit}.", EventName = "SubscriptionRefused")]
    public static partial void SubscriptionRefused(ILogger logger, string connectionId, string option, int limit);

    [LoggerMessage(3301, LogLevel.Information, "Somebody who continued topic {Topic} was told of a reset: {Lost} messages are known lost.", EventName = "TopicReset")]
    public static partial void TopicReset(ILogger logger, string topic, long? lost);

    [LoggerMessage(3302, LogLevel.Debug, "Topic {Topic} was forgotten: nobody had used it for DuologueOptions.TopicIdleLifetime.", EventName = "TopicExpired")]
    public static partial void TopicExpired(ILogger logger, string topic);

    [LoggerMessage(3303, LogLevel.Error, "The broker failed at {Operation} of topic {Topic}.", EventName = "BrokerFailed")]
    public static partial void BrokerFailed(ILogger logger, Exception exception, string operation, string topic);

    [LoggerMessage(3304, LogLevel.Error, "A listener to the event {Event} of Topics threw.", EventName = "TopicListenerFailed")]
    public static partial void TopicListenerFailed(ILogger logger, Exception exception, string @event);

    [LoggerMessage(3305, LogLevel.Information, "Refused a request at the feed {Endpoint} with {StatusCode} ({Reason}): {Sentence}", EventName = "FeedRefused")]
    public static partial void FeedRefused(ILogger logger, string endpoint, int statusCode, string reason, string sentence);

    [LoggerMessage(3306, LogLevel.Error, "The hook {Hook} of {Endpoint} threw; the topic is refused.", EventName = "TopicHookFailed")]
    public static partial void TopicHookFailed(ILogger logger, Exception exception, string hook, string endpoint);

    [LoggerMessage(3307, LogLevel.Warning, "All topics together hold more than DuologueOptions.MaxTopicHistoryBytes ({Limit} bytes): {Count} messages were let go of early since this was last looked at.", EventName = "HistoriesCut")]
    public static partial void HistoriesCut(ILogger logger, long count, long limit);

    [LoggerMessage(3308, LogLevel.Warning, "Topic {Topic} was not opened for those who subscribe by a pattern: {Option} is {Limit}. They are told that messages may be missing.", EventName = "TopicNotOpened")]
    public static partial void TopicNotOpened(ILogger logger, string topic, string option, int limit);
}
