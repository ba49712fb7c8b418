using System.Net;

namespace Duologue.Client;

/// <summary>What a <see cref="TopicClient"/> has to do, by whichever way.</summary>
/// <param name="Signal">Set when there may be more.</param>
/// <param name="ListFeeds">The subscriptions as they are now.</param>
/// <param name="Publishes">What is to be published.</param>
/// <param name="Options">The client's.</param>
/// <param name="Report">Where it is logged and counted.</param>
internal sealed record WayWork(AsyncSignal Signal, Func<TopicFeed[]> ListFeeds, PendingPublishes Publishes, TopicClientOptions Options, ClientReport Report)
{
    /// <summary>What has had no answer by the way before is published again.</summary>
    public void Begin()
    {
        int repeated = Publishes.Rewind();
        if (repeated > 0)
        {
            Report.Repeated(repeated);
        }
    }
}

/// <summary>How a way ended.</summary>
/// <param name="Verdict">Whether to come back.</param>
/// <param name="Lasted">How long the conversation was open; null if none came about.</param>
/// <param name="Close">How the conversation ended, if it was one.</param>
/// <param name="Failure">Why nothing came about.</param>
/// <param name="IsWaysFault">Whether it is this way that does not get through: another one may.</param>
internal readonly record struct WayEnd(Verdict Verdict, TimeSpan? Lasted, CloseInfo? Close, Exception? Failure, bool IsWaysFault)
{
    /// <summary>Nothing came about.</summary>
    public static WayEnd OfFailure(Exception failure, DateTimeOffset now)
    {
        if (failure is ArgumentException or ObjectDisposedException)
        {
            return new(new Verdict(VerdictKind.End, null), null, null, failure, IsWaysFault: false);
        }

        // An answer that is no handshake, or says that the method or the upgrade is unknown, is what a proxy gives that knows no WebSockets. Who may not come may not come another way.
        bool isWaysFault = failure switch
        {
            HandshakeException { StatusCode: HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.ProxyAuthenticationRequired } => false,
            HandshakeException { StatusCode: { } status } => status is HttpStatusCode.NotImplemented or HttpStatusCode.BadGateway || ((int)status < 500 && status != HttpStatusCode.TooManyRequests),
            HandshakeException handshake => handshake.Failure is ConnectFailure.MalformedHandshake or ConnectFailure.Subprotocol or ConnectFailure.Timeout,
            _ => false,
        };
        return new(Verdict.Of(failure, now), null, null, failure, isWaysFault);
    }
}
