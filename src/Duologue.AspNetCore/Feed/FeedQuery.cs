using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Duologue.AspNetCore;

/// <summary>What a client asks of a topic.</summary>
/// <param name="Start">Where to begin: <c>after</c>, or <c>Last-Event-ID</c>; the oldest message if neither is given.</param>
/// <param name="Wait">How long to hold the request: <c>wait</c>, or <c>Prefer: wait=</c>; not cut to the most, 0 for not at all.</param>
/// <param name="IsPreferred">Whether the wait came from <c>Prefer</c>.</param>
/// <param name="Limit">The most messages, cut to the most.</param>
internal readonly record struct FeedQuery(TopicStart Start, TimeSpan Wait, bool IsPreferred, int Limit)
{
    private const int DefaultLimit = 100;

    // Longer than any server holds; and a number that a TimeSpan bears.
    private const double MaxSeconds = 86_400;

    /// <summary>Reads a request; a refusal if something is out of its range.</summary>
    public static FeedRefusal? TryRead(HttpRequest request, int maxItems, out FeedQuery query)
    {
        query = default;
        IQueryCollection parameters = request.Query;

        // WHATWG HTML §9.2: a browser that reconnects says so; what the URL says is where it once began.
        bool isStream = FeedRequest.WantsEventStream(request);
        string? lastEventId = isStream ? LastOf(request.Headers["Last-Event-ID"]) : null;
        string where = lastEventId is null ? "the parameter after" : "the header Last-Event-ID";
        if (TryReadStart(lastEventId ?? LastOf(parameters["after"])) is not { } start)
        {
            return new FeedRefusal(FeedRefusalReason.Cursor, StatusCodes.Status400BadRequest, $"What {where} has is no cursor: send what the last answer had as next or id, unchanged; or now, or oldest.");
        }

        int limit = DefaultLimit;
        if (LastOf(parameters["limit"]) is { } limitText && (!int.TryParse(limitText, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit < 1))
        {
            return Bad("limit", "a whole number of messages from 1 on, such as 100");
        }

        TimeSpan wait = TimeSpan.Zero;
        bool isPreferred = false;
        if (LastOf(parameters["wait"]) is { } waitText)
        {
            if (TryReadSeconds(waitText) is not { } seconds)
            {
                return Bad("wait", "the seconds to wait for news from 0 on, such as 30");
            }

            wait = seconds;
        }
        else if (FindPreferredWait(request.Headers["Prefer"]) is { } preferred)
        {
            (wait, isPreferred) = (preferred, true);
        }

        query = new FeedQuery(start, wait, isPreferred, Math.Min(limit, maxItems));
        return null;
    }

    /// <summary>Reads <c>now</c>, <c>oldest</c>, a cursor, or nothing, which is the oldest; null if it is none of them.</summary>
    public static TopicStart? TryReadStart(string? after) => after switch
    {
        null or "" or "oldest" => TopicStart.Oldest,
        "now" => TopicStart.Now,
        _ => TopicPosition.TryParse(after, out TopicPosition position) ? TopicStart.After(position) : null,
    };

    private static FeedRefusal Bad(string name, string expected) =>
        new(FeedRefusalReason.Parameter, StatusCodes.Status400BadRequest, $"The parameter {name} is out of its range: it is {expected}.");

    // RFC 7240 §2: a preference that cannot be understood is ignored.
    private static TimeSpan? FindPreferredWait(StringValues prefer)
    {
        foreach (string? line in prefer)
        {
            foreach (string preference in line?.Split(',', ';') ?? [])
            {
                string[] pair = preference.Split('=', 2, StringSplitOptions.TrimEntries);
                if (pair is [string name, string value] && name.Equals("wait", StringComparison.OrdinalIgnoreCase))
                {
                    return TryReadSeconds(value.Trim('"'));
                }
            }
        }

        return null;
    }

    private static TimeSpan? TryReadSeconds(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && double.IsFinite(seconds)
            ? TimeSpan.FromSeconds(Math.Min(seconds, MaxSeconds))
            : null;

    private static string? LastOf(StringValues values) => values.Count > 0 ? values[^1] : null;
}
