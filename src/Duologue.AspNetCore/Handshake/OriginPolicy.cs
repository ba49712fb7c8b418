using System.Collections.Frozen;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Duologue.AspNetCore;

/// <summary>
/// Which pages may connect. A browser sends the visitor's cookies with a WebSocket to any server, and no CORS asks the
/// server first: only the Origin header tells a foreign page from one's own (RFC 6455 §10.2).
/// </summary>
internal sealed class OriginPolicy
{
    private readonly bool _any;
    private readonly FrozenSet<string> _allowed;

    public OriginPolicy(IEnumerable<string> allowed)
    {
        _any = allowed.Contains(DuologueEndpointOptions.AnyOrigin);
        _allowed = allowed.Select(Normalize).OfType<string>().ToFrozenSet(StringComparer.Ordinal);
    }

    /// <summary>Whether the pages of all origins may.</summary>
    public bool AllowsAny => _any;

    /// <summary>Whether the request's origin may connect. A request without one comes from no browser, and passes.</summary>
    public bool Allows(HttpRequest request)
    {
        StringValues values = request.Headers.Origin;
        if (_any || values.Count == 0)
        {
            return true;
        }

        // Two Origin headers are nobody's honest request; "null" and other opaque origins normalize to nothing. RFC 6454 §6.2: an origin
        // is spelled in visible ASCII. What is not is no browser's, and could not stand in an answer either.
        if (values.Count != 1 || values[0].AsSpan().ContainsAnyExceptInRange('!', '~') || Normalize(values[0]) is not { } origin)
        {
            return false;
        }

        return _allowed.Contains(origin) || string.Equals(origin, OwnOrigin(request), StringComparison.Ordinal);
    }

    /// <summary>
    /// Whether a page of another site asks without saying whose it is: for what a page only loads, such as an image, or leads to, a browser names no origin, and sends the visitor's cookies all the
    /// same. Source: W3C Fetch Metadata §2.3.
    /// </summary>
    public bool IsHidden(HttpRequest request) =>
        !_any && request.Headers.Origin.Count == 0 && request.Headers["Sec-Fetch-Site"] is ["cross-site" or "same-site"];

    /// <summary>
    /// The server's own origin as this request names it; null if the Host header is none. Scheme and host are the request's, so
    /// a forwarded header counts exactly if the application configured the forwarded headers middleware.
    /// </summary>
    public static string? OwnOrigin(HttpRequest request) => Normalize($"{request.Scheme}://{request.Host.Value}");

    /// <summary>Scheme, host and port, lower case, the port always named; null if the text is no origin.</summary>
    public static string? Normalize(string? text)
    {
        bool isOrigin = Uri.TryCreate(text, UriKind.Absolute, out Uri? uri)
            && uri.Host.Length > 0
            && uri.UserInfo.Length == 0
            && uri.AbsolutePath is "/" or ""
            && uri.Query.Length == 0
            && uri.Fragment.Length == 0
            && text!.Contains("://", StringComparison.Ordinal);

        // IdnHost, as browsers send the ASCII form of a name; IPv6 addresses lose their brackets, which changes no comparison.
        return isOrigin ? $"{uri!.Scheme}://{uri.IdnHost.ToLowerInvariant()}:{uri.Port}" : null;
    }
}
