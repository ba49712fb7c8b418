using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Duologue.AspNetCore;

/// <summary>What the query string of an Engine.IO request says; all other parameters are the application's.</summary>
internal readonly struct EngineIoQuery
{
    public const string Polling = "polling";
    public const string WebSocket = "websocket";

    // Longer than this proxies and the feed do not hold either.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(55);

    // It is kept with the session; those of clients have a dozen characters.
    private const int LongestName = 64;

    private EngineIoQuery(IQueryCollection query)
    {
        Transport = Last(query, "transport");
        SessionId = Last(query, "sid") is { Length: > 0 } sid ? sid : null;
        IsVersion4 = Last(query, "EIO") == "4";
        WantsBase64 = Last(query, "b64") is { Length: > 0 } and not "0";
        Name = Last(query, "t") is { Length: > 0 and <= LongestName } name && name.AsSpan().ContainsAnyExceptInRange('0', '9') ? name : null;
        Wait = ReadWait(Last(query, "wait"), out bool isWaitValid);
        IsWaitValid = isWaitValid;
    }

    public string? Transport { get; }

    /// <summary>The session; null to open one.</summary>
    public string? SessionId { get; }

    public bool IsVersion4 { get; }

    /// <summary>The client takes no binary frames on a WebSocket.</summary>
    public bool WantsBase64 { get; }

    /// <summary>
    /// What tells the request from the client's others, so that a repeat of it is known; null if nothing does. Digits alone may be a clock's
    /// seconds, as some clients write them: then two requests have the same.
    /// </summary>
    public string? Name { get; }

    /// <summary>How long an answer may be held, an addition of our own; null for as long as it takes.</summary>
    public TimeSpan? Wait { get; }

    public bool IsWaitValid { get; }

    /// <summary>
    /// Whether a request speaks Engine.IO: it names the protocol's version, or one of its transports. A WebSocket without either is an ordinary one.
    /// </summary>
    public static bool IsOn(HttpRequest request) =>
        request.QueryString.HasValue
        && (request.Query.ContainsKey("EIO") || Last(request.Query, "transport") is Polling or WebSocket);

    public static EngineIoQuery Read(HttpRequest request) => new(request.Query);

    // Of a repeated parameter the last counts, as in the reference.
    private static string? Last(IQueryCollection query, string name) =>
        query.TryGetValue(name, out StringValues values) && values.Count > 0 ? values[^1] : null;

    private static TimeSpan? ReadWait(string? text, out bool isValid)
    {
        isValid = true;
        if (text is null)
        {
            return null;
        }

        isValid = double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && double.IsFinite(seconds);
        return isValid ? TimeSpan.FromSeconds(Math.Min(seconds, LongestWait.TotalSeconds)) : null;
    }
}
