using System.Net;
using Microsoft.Extensions.Logging;

namespace Duologue;

/// <summary>
/// What the library logs. Event ids 1000 to 1099 are a connection's, of either role; 2000 to 2099 the client's connecting; the server's
/// begin at 3000. The table in docs/operations.md has each, its level by the rule that stands there: what a peer can bring about is
/// Information at most, unless an option of the operator's decides about it.
/// </summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Debug, "Connection {ConnectionId} is open.", EventName = "ConnectionOpened")]
    public static partial void ConnectionOpened(this ILogger logger, string connectionId);

    [LoggerMessage(1001, LogLevel.Debug, "Connection {ConnectionId} ended: {Cause}, code {Code}, clean {WasClean}.", EventName = "ConnectionEnded")]
    public static partial void ConnectionEnded(this ILogger logger, string connectionId, CloseCause cause, ushort code, bool wasClean);

    [LoggerMessage(1002, LogLevel.Information, "Connection {ConnectionId}: the peer broke the protocol ({Violation}): {Sentence}", EventName = "ProtocolViolated")]
    public static partial void ProtocolViolated(this ILogger logger, string connectionId, ProtocolViolation violation, string sentence);

    [LoggerMessage(1003, LogLevel.Error, "Connection {ConnectionId}: the message handler threw; closing with 1011.", EventName = "HandlerFailed")]
    public static partial void HandlerFailed(this ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(1004, LogLevel.Warning, "Connection {ConnectionId}: dropped {Count} message(s): {Reason}. Later drops of this connection are counted, not logged.", EventName = "MessagesDropped")]
    public static partial void MessagesDropped(this ILogger logger, string connectionId, int count, DropReason reason);

    [LoggerMessage(1005, LogLevel.Information, "Connection {ConnectionId}: no sign of life within {Timeout} of a ping (KeepAliveTimeout).", EventName = "KeepAliveTimedOut")]
    public static partial void KeepAliveTimedOut(this ILogger logger, string connectionId, TimeSpan timeout);

    [LoggerMessage(1006, LogLevel.Debug, "Connection {ConnectionId}: the transport failed.", EventName = "TransportFailed")]
    public static partial void TransportFailed(this ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(1007, LogLevel.Information, "Connection {ConnectionId}: the peer did not answer our Close within {Timeout} (CloseTimeout).", EventName = "CloseTimedOut")]
    public static partial void CloseTimedOut(this ILogger logger, string connectionId, TimeSpan timeout);

    [LoggerMessage(1008, LogLevel.Warning, "Connection {ConnectionId}: the peer takes too slowly what it is sent: the send queue exceeds {Limit} bytes (SendQueueLimit); closing with 1013.", EventName = "SendQueueOverflowed")]
    public static partial void SendQueueOverflowed(this ILogger logger, string connectionId, int limit);

    [LoggerMessage(1009, LogLevel.Information, "Connection {ConnectionId}: the peer took nothing of what waits for it within {Timeout} (SendTimeout).", EventName = "SendTimedOut")]
    public static partial void SendTimedOut(this ILogger logger, string connectionId, TimeSpan timeout);

    [LoggerMessage(EventId = 1099, Message = "{Count} events {SuppressedEvent} were not logged: at most {Burst} are in {Window} s. Metrics count all; at log level Debug all are logged.", EventName = "EventsSuppressed")]
    public static partial void EventsSuppressed(this ILogger logger, LogLevel level, int count, string suppressedEvent, int burst, double window);

    [LoggerMessage(2000, LogLevel.Debug, "Connected to {Uri} over HTTP/{HttpVersion} in {ElapsedMilliseconds} ms, subprotocol {Subprotocol}, extensions {Extensions}.", EventName = "Connected")]
    public static partial void Connected(this ILogger logger, string uri, Version httpVersion, double elapsedMilliseconds, string? subprotocol, string extensions);

    [LoggerMessage(2001, LogLevel.Debug, "{Reason}", EventName = "ConnectFailed")]
    public static partial void ConnectFailed(this ILogger logger, string reason, Exception? exception);

    [LoggerMessage(2002, LogLevel.Debug, "The attempt to connect to {EndPoint} failed: {Reason}", EventName = "ConnectAttemptFailed")]
    public static partial void ConnectAttemptFailed(this ILogger logger, IPEndPoint endPoint, string reason);

    [LoggerMessage(2003, LogLevel.Debug, "Connecting to {Uri} was cancelled by the caller after {ElapsedMilliseconds} ms.", EventName = "ConnectCancelled")]
    public static partial void ConnectCancelled(this ILogger logger, string uri, double elapsedMilliseconds);

    [LoggerMessage(2004, LogLevel.Debug, "{Uri} takes no WebSocket over HTTP/2; going on with HTTP/1.1: {Reason}", EventName = "HttpVersionLowered")]
    public static partial void HttpVersionLowered(this ILogger logger, string uri, string reason);

    [LoggerMessage(2005, LogLevel.Warning, "{Uri}: the messages that wait to be sent exceed {Limit} bytes (MaxSendMemory): the peer reads too slowly; the connection fails.", EventName = "SendMemoryExceeded")]
    public static partial void SendMemoryExceeded(this ILogger logger, string uri, long limit);

    [LoggerMessage(2010, LogLevel.Information, "{Uri}: coming back in {DelayMilliseconds} ms: {Reason}", EventName = "WaitsToComeBack")]
    public static partial void WaitsToComeBack(this ILogger logger, string uri, double delayMilliseconds, string reason);

    [LoggerMessage(2011, LogLevel.Information, "{Uri}: back again.", EventName = "CameBack")]
    public static partial void CameBack(this ILogger logger, string uri);

    [LoggerMessage(2012, LogLevel.Error, "{Uri}: the client gives up: {Reason}", EventName = "GaveUp")]
    public static partial void GaveUp(this ILogger logger, string uri, string reason);

    [LoggerMessage(2013, LogLevel.Debug, "{Uri}: the client has ended; the last close code was {Code}.", EventName = "ClientEnded")]
    public static partial void ClientEnded(this ILogger logger, string uri, ushort code);

    [LoggerMessage(2014, LogLevel.Warning, "{Uri}: {Count} message(s), {First} to {Last}: {Fate}.", EventName = "ClientMessagesLost")]
    public static partial void ClientMessagesLost(this ILogger logger, string uri, int count, MessageFate fate, long first, long last);

    [LoggerMessage(2015, LogLevel.Warning, "{Uri}: topic {Topic} could not be continued without a gap; known lost: {Lost}.", EventName = "ClientTopicReset")]
    public static partial void ClientTopicReset(this ILogger logger, string uri, string topic, long? lost);

    [LoggerMessage(2016, LogLevel.Information, "{Uri}: topics by {To} instead of {From}: {Reason}", EventName = "WayChanged")]
    public static partial void WayChanged(this ILogger logger, string uri, FeedWays from, FeedWays to, string reason);

    [LoggerMessage(2017, LogLevel.Error, "{Uri}: a listener of the application's threw.", EventName = "ListenerFailed")]
    public static partial void ListenerFailed(this ILogger logger, string uri, Exception exception);

    [LoggerMessage(2018, LogLevel.Warning, "{Uri}: {Count} message(s) of an earlier conversation are let go of: nobody reads what the client receives.", EventName = "ClientMessagesUnread")]
    public static partial void ClientMessagesUnread(this ILogger logger, string uri, int count);

    [LoggerMessage(2019, LogLevel.Warning, "{Uri}: the message {Cursor} of topic {Topic} is given up: in JSON it is larger than the {Limit} bytes that this client reads, 8 times MaxMessageSize and 8 MiB. Raise MaxMessageSize in the client's Connect.", EventName = "ClientMessageTooLarge")]
    public static partial void ClientMessageTooLarge(this ILogger logger, string uri, string topic, string cursor, long limit);

    [LoggerMessage(2020, LogLevel.Debug, "A session with {Uri} is open over {Transport}.", EventName = "SessionOpened")]
    public static partial void SessionOpened(this ILogger logger, string uri, Transport transport);

    [LoggerMessage(2021, LogLevel.Information, "{Uri} was not reached over {Transport}; trying the next transport: {Reason}", EventName = "TransportPassedOver")]
    public static partial void TransportPassedOver(this ILogger logger, string uri, Transport transport, string reason);

    [LoggerMessage(2022, LogLevel.Debug, "The session with {Uri} goes on over {To} instead of {From}.", EventName = "TransportChanged")]
    public static partial void TransportChanged(this ILogger logger, string uri, Transport from, Transport to);

    [LoggerMessage(2023, LogLevel.Information, "The session with {Uri} stays on {Transport}: no WebSocket got through: {Reason}", EventName = "TransportKept")]
    public static partial void TransportKept(this ILogger logger, string uri, Transport transport, string reason);

    [LoggerMessage(1010, LogLevel.Warning, "Nothing is compressed: this runtime has no zlib that can be used ({Reason}).", EventName = "CompressionUnavailable")]
    public static partial void CompressionUnavailable(this ILogger logger, string reason);
}
