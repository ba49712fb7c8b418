using System.Globalization;
using System.Text;

namespace Duologue.Client.Sessions;

/// <summary>The URIs of a session over Engine.IO v4: the application's own, with the protocol's parameters in the query.</summary>
internal static class SessionUri
{
    private static readonly string[] Reserved = ["EIO", "transport", "sid", "t", "wait", "b64", "j"];

    /// <summary>Whether the application says that the server speaks Engine.IO, so that its WebSockets do too.</summary>
    public static bool NamesEngineIo(Uri uri) => Parameters(uri).Contains("EIO=4");

    /// <summary>The URI of a polled request.</summary>
    /// <param name="uri">The application's, <c>ws</c> or <c>wss</c>.</param>
    /// <param name="sessionId">Null to open a session.</param>
    /// <param name="number">Tells the request from the session's others: to the server, which so knows one that a proxy repeats, and to caches that are not asked.</param>
    /// <param name="asksOnly">The answer is not to be held.</param>
    public static Uri Polled(Uri uri, string? sessionId, long number, bool asksOnly)
    {
        string http = string.Concat("http", uri.AbsoluteUri.AsSpan("ws".Length));

        // With a letter: a server may take digits alone for a clock's, which two requests share.
        return Build(http, uri, "polling", sessionId, string.Create(CultureInfo.InvariantCulture, $"&t=n{number:x}{(asksOnly ? "&wait=0" : "")}"));
    }

    /// <summary>The URI of a WebSocket that carries a session.</summary>
    public static Uri Socket(Uri uri, string? sessionId) => Build(uri.AbsoluteUri, uri, "websocket", sessionId, "");

    private static Uri Build(string text, Uri uri, string transport, string? sessionId, string more)
    {
        var built = new StringBuilder(uri.Query.Length == 0 ? text.TrimEnd('?') : text[..^uri.Query.Length]);
        char separator = '?';
        foreach (string parameter in Parameters(uri))
        {
            int end = parameter.IndexOf('=', StringComparison.Ordinal);
            if (!Reserved.Contains(end < 0 ? parameter : parameter[..end]))
            {
                built.Append(separator).Append(parameter);
                separator = '&';
            }
        }

        built.Append(separator).Append("EIO=4&transport=").Append(transport).Append(more);
        if (sessionId is not null)
        {
            built.Append("&sid=").Append(Uri.EscapeDataString(sessionId));
        }

        return new Uri(built.ToString());
    }

    private static string[] Parameters(Uri uri) =>
        uri.Query.Length <= 1 ? [] : uri.Query[1..].Split('&', StringSplitOptions.RemoveEmptyEntries);
}
