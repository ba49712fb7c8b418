using System.Collections.Frozen;
using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore;

/// <summary>
/// Copies out of a request what its connection keeps. The request may end before the connection does, so nothing kept here
/// refers to its <see cref="HttpContext"/>.
/// </summary>
internal static class RequestCapture
{
    public static RequestInfo Capture(HttpContext context, string[] headers, ActivityContext trace)
    {
        HttpRequest request = context.Request;
        return new RequestInfo
        {
            // The same string where there is no path base; else one string instead of two.
            Path = request.PathBase.HasValue ? request.PathBase.Value + request.Path.Value : request.Path.Value ?? "",
            QueryString = request.QueryString.Value ?? "",
            Origin = request.Headers.Origin.Count > 0 ? request.Headers.Origin.ToString() : null,
            User = context.User,
            RemoteEndPoint = context.Connection.RemoteIpAddress is { } address ? new IPEndPoint(address, context.Connection.RemotePort) : null,
            TraceContext = trace,
            Headers = CaptureHeaders(request.Headers, headers),
        };
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
}
