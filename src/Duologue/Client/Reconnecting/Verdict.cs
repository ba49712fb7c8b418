using System.Globalization;
using System.Net;

namespace Duologue.Client;

/// <summary>What the end of a connection, or of an attempt, means for coming back.</summary>
internal enum VerdictKind
{
    /// <summary>Come back.</summary>
    Return,

    /// <summary>Come back, but not together with the others: the server has sent away all at once.</summary>
    Spread,

    /// <summary>Asking again is likely to get the same: come back a few times at most.</summary>
    Refused,

    /// <summary>Do not come back.</summary>
    End,
}

/// <summary>What follows from a close code or a failed attempt. The tables are in docs/client.md.</summary>
/// <param name="Kind">What to do.</param>
/// <param name="RetryAfter">Not before this time has passed, as the server has said; null if it has not.</param>
internal readonly record struct Verdict(VerdictKind Kind, TimeSpan? RetryAfter)
{
    // As HTTP's 4xx: the client is at fault, and is so the next time.
    private const ushort FirstFinal = 4400;
    private const ushort LastFinal = 4499;

    /// <summary>Of a conversation that was open.</summary>
    public static Verdict Of(CloseInfo info) => new(KindOf(info), null);

    /// <summary>Of an attempt that failed.</summary>
    public static Verdict Of(Exception failure, DateTimeOffset now) => failure switch
    {
        HandshakeException { StatusCode: { } status } refusal => Of(status, refusal.Headers.TryGetValue("Retry-After", out IReadOnlyList<string>? values) ? values : [], now),
        HandshakeException { Failure: ConnectFailure.MalformedHandshake or ConnectFailure.Subprotocol } => new(VerdictKind.Refused, null),
        _ => new(VerdictKind.Return, null),
    };

    /// <summary>Of an answer by HTTP.</summary>
    public static Verdict Of(HttpStatusCode status, IReadOnlyList<string> retryAfter, DateTimeOffset now)
    {
        // RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4: those say that it is about now, as all of 5xx do.
        bool isAboutNow = (int)status >= 500 || status is HttpStatusCode.RequestTimeout or (HttpStatusCode)425 or HttpStatusCode.TooManyRequests;
        return new(isAboutNow ? VerdictKind.Return : VerdictKind.Refused, ReadRetryAfter(retryAfter, now));
    }

    // RFC 6455 §7.4.1; 1012 and 1013 as IANA has them.
    private static VerdictKind KindOf(CloseInfo info) => info.Code switch
    {
        // Those that the other side has sent: a code of ours says why we could not go on, and the next conversation may do better.
        _ when !info.ByPeer => VerdictKind.Return,
        1000 or 1008 or (>= FirstFinal and <= LastFinal) => VerdictKind.End,
        1001 or 1012 or 1013 => VerdictKind.Spread,
        _ => VerdictKind.Return,
    };

    // RFC 9110 §10.2.3: seconds, or a date.
    private static TimeSpan? ReadRetryAfter(IReadOnlyList<string> values, DateTimeOffset now)
    {
        if (values is not [string value])
        {
            return null;
        }

        if (uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out uint seconds))
        {
            return TimeSpan.FromSeconds(seconds);
        }

        return DateTimeOffset.TryParseExact(value, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset date)
            ? date > now ? date - now : TimeSpan.Zero
            : null;
    }
}
