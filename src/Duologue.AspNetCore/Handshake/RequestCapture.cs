using System.Collections.Frozen;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Features.Authentication;
using Microsoft.AspNetCore.Routing;

namespace Duologue.AspNetCore;

/// <summary>
/// Copies out of a request what its connection keeps. The request may end before the connection does, so nothing kept here
/// refers to its <see cref="HttpContext"/>.
/// </summary>
internal static class RequestCapture
{
    public static RequestInfo Capture(HttpContext context, string pattern, string[] headers, ActivityContext trace)
    {
        HttpRequest request = context.Request;
        return new RequestInfo(UserOf(context))
        {
            Path = PathOf(request, pattern),
            QueryString = request.QueryString.Value ?? "",
            Origin = request.Headers.Origin.Count > 0 ? request.Headers.Origin.ToString() : null,
            RemoteEndPoint = context.Connection.RemoteIpAddress is { } address ? new IPEndPoint(address, context.Connection.RemotePort) : null,
            TraceContext = trace,
            Headers = CaptureHeaders(request.Headers, headers),
            RouteValues = CaptureRouteValues(context.Features.Get<IRouteValuesFeature>()?.RouteValues),
        };
    }

    // One string for all connections of an endpoint whose pattern is its path; the same as the request's where there is no path base.
    private static string PathOf(HttpRequest request, string pattern)
    {
        string path = request.Path.Value ?? "";
        return request.PathBase.HasValue ? request.PathBase.Value + path : string.Equals(path, pattern, StringComparison.Ordinal) ? pattern : path;
    }

    // The property User of an ordinary context makes one if there is none. An anonymous one, which middleware may have set, counts as none.
    private static ClaimsPrincipal? UserOf(HttpContext context)
    {
        ClaimsPrincipal? user = context is DefaultHttpContext ? context.Features.Get<IHttpAuthenticationFeature>()?.User : context.User;
        return user is not null && user.GetType() == typeof(ClaimsPrincipal) && user.Identity is not { IsAuthenticated: true } && !user.Claims.Any() ? null : user;
    }

    private static FrozenDictionary<string, string> CaptureHeaders(IHeaderDictionary from, string[] names)
    {
        if (names.Length == 0)
        {
            return FrozenDictionary<string, string>.Empty;
        }

        var captured = new Dictionary<string, string>(names.Length, StringComparer.OrdinalIgnoreCase);
        foreach (string name in names)
        {
            if (from.TryGetValue(name, out var values))
            {
                captured[name] = values.ToString();
            }
        }

        return captured.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
    }

    // Not frozen, as headers are: most patterns have one parameter, and a frozen dictionary is made anew for each connection.
    private static IReadOnlyDictionary<string, string> CaptureRouteValues(RouteValueDictionary? from)
    {
        if (from is not { Count: > 0 })
        {
            return FrozenDictionary<string, string>.Empty;
        }

        var captured = new Dictionary<string, string>(from.Count, StringComparer.OrdinalIgnoreCase);
        foreach ((string name, object? value) in from)
        {
            if (value is not null && Convert.ToString(value, CultureInfo.InvariantCulture) is { } text)
            {
                captured[name] = text;
            }
        }

        return captured;
    }
}
