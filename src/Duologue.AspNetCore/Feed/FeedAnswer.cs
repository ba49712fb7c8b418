using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore;

/// <summary>Answers a poll.</summary>
internal static class FeedAnswer
{
    public const string Json = "application/json; charset=utf-8";

    /// <summary>Writes a page, or says that there is nothing new to who has said what it has. The server sends it when the request ends.</summary>
    public static void WritePage(HttpContext context, in FeedQuery query, TopicPage page)
    {
        HttpResponse response = context.Response;
        string next = page.Next.ToString();
        response.Headers.ETag = $"\"{next}\"";
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        if (query.IsPreferred)
        {
            // RFC 7240 §3.
            response.Headers["Preference-Applied"] = string.Create(CultureInfo.InvariantCulture, $"wait={query.Wait.TotalSeconds:0.###}");
        }

        if (page.IsEmpty && FeedRequest.HasAlready(context.Request, next))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        response.ContentType = Json;
        response.ContentLength = FeedJson.LengthOf(page);
        FeedJson.WritePage(response.BodyWriter, page);
    }
}
