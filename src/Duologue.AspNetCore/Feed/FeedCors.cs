using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Duologue.AspNetCore;

/// <summary>Says to browsers which pages may read an answer: the same that may open a WebSocket. Source: WHATWG Fetch §3.3.</summary>
internal static class FeedCors
{
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

    public static void AnswerPreflight(HttpResponse response)
    {
        response.StatusCode = StatusCodes.Status204NoContent;
        response.Headers.AccessControlAllowMethods = "GET, POST";
        response.Headers.AccessControlAllowHeaders = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer";
        response.Headers.AccessControlMaxAge = "600";
    }
}
