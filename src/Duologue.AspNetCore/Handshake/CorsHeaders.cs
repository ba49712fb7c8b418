using System.Buffers;
using Duologue.Protocol.Handshake;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Duologue.AspNetCore;

/// <summary>Says to browsers which pages may read an answer: the same that may open a WebSocket. Source: WHATWG Fetch §3.3.</summary>
internal static class CorsHeaders
{
    // The names are tokens; and what parts them.
    private static readonly SearchValues<char> FieldNames = SearchValues.Create(HttpToken.Alphabet + ", \t");

    /// <summary>Names the page's origin in the answer; false if its pages may not ask.</summary>
    public static bool TryApply(HttpContext context, OriginPolicy origins)
    {
        StringValues origin = context.Request.Headers.Origin;
        IHeaderDictionary headers = context.Response.Headers;
        headers.Append("Vary", "Origin");
        if (origin.Count == 0)
        {
            return true;
        }

        if (!origins.Allows(context.Request))
        {
            return false;
        }

        headers.AccessControlExposeHeaders = "ETag, Preference-Applied, Retry-After";
        if (origins.AllowsAny)
        {
            // Without credentials: a page of anybody's must not read what a visitor's cookie opens.
            headers.AccessControlAllowOrigin = "*";
            return true;
        }

        headers.AccessControlAllowOrigin = origin;
        headers.AccessControlAllowCredentials = "true";
        return true;
    }

    /// <summary>Allows the page every header that it asks for.</summary>
    public static void AllowWhatIsAsked(HttpContext context)
    {
        StringValues wanted = context.Request.Headers.AccessControlRequestHeaders;

        // A browser asks for names of fields; what else there is could not stand in an answer.
        if (wanted.Count > 0 && wanted.All(line => !line.AsSpan().ContainsAnyExcept(FieldNames)))
        {
            context.Response.Headers.AccessControlAllowHeaders = wanted;
        }
    }

    public static void AnswerPreflight(HttpResponse response)
    {
        response.StatusCode = StatusCodes.Status204NoContent;
        response.Headers.AccessControlAllowMethods = "GET, POST";
        response.Headers.AccessControlAllowHeaders = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer";
        response.Headers.AccessControlMaxAge = "600";
    }
}
