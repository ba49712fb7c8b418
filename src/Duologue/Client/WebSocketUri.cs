using System.Net.Http.Headers;
using System.Text;

namespace Duologue.Client;

/// <summary>What a URI says about a connection (RFC 6455 §3).</summary>
internal static class WebSocketUri
{
    /// <summary>The URI with the scheme <c>ws</c> or <c>wss</c>.</summary>
    /// <exception cref="ArgumentException">It is relative, has another scheme or a fragment.</exception>
    public static Uri Normalize(Uri uri)
    {
        if (!uri.IsAbsoluteUri)
        {
            throw new ArgumentException($"The URI \"{uri}\" is relative; give it whole, for example ws://localhost:8080/talk.", nameof(uri));
        }

        // RFC 6455 §3: fragments must not be used. An empty one is one, too.
        if (uri.Fragment.Length > 0 || uri.OriginalString.EndsWith('#'))
        {
            throw new ArgumentException($"The URI {Display(uri)} has a fragment; a WebSocket has none (RFC 6455 §3). Write # as %23.", nameof(uri));
        }

        return uri.Scheme switch
        {
            "ws" or "wss" => uri,
            "http" or "https" => new Uri(string.Concat("ws", uri.AbsoluteUri.AsSpan("http".Length))),
            _ => throw new ArgumentException($"The URI has the scheme \"{uri.Scheme}\"; expected ws or wss.", nameof(uri)),
        };
    }

    /// <summary>The URI for logs and messages: without user information and query, which may hold secrets.</summary>
    // Not by GetComponents, which refuses a URI whose path is kept as it was written.
    public static string Display(Uri uri) => $"{uri.Scheme}://{uri.Authority}{uri.AbsolutePath}";

    /// <summary>Where a redirect leads (RFC 9110 §10.2.2), to be shown as <see cref="Display"/> does; null if it is none that can be.</summary>
    /// <param name="uri">What was asked for.</param>
    /// <param name="location">The lines of the answer's <c>Location</c>.</param>
    public static string? DisplayTarget(Uri uri, IReadOnlyList<string> location) =>
        location is [string target] && Uri.TryCreate(uri, target, out Uri? whole) && whole.Scheme is ("ws" or "wss" or "http" or "https") ? Display(whole) : null;

    /// <summary>The <c>Authorization</c> that the user information asks for (RFC 7617); null if there is none.</summary>
    public static AuthenticationHeaderValue? Authorization(Uri uri)
    {
        if (uri.UserInfo.Length == 0)
        {
            return null;
        }

        int colon = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
        string user = Uri.UnescapeDataString(colon < 0 ? uri.UserInfo : uri.UserInfo[..colon]);
        string password = colon < 0 ? "" : Uri.UnescapeDataString(uri.UserInfo[(colon + 1)..]);
        return new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));
    }
}
