using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Duologue.AspNetCore;

/// <summary>
/// Server-sent events: what is there, and then what comes, for as long as the client stays. The stream reads from the topic when the client has taken
/// what was sent: who is slow holds no queue, and who is too slow for the history is told so. Source: WHATWG HTML §9.2.
/// </summary>
internal static class EventStream
{
    private const int PageCount = 100;
    private const int PageBytes = 64 * 1024;

    /// <param name="context">The request.</param>
    /// <param name="topics">All topics.</param>
    /// <param name="name">The topic's checked name.</param>
    /// <param name="query">What is asked for.</param>
    /// <param name="options">The endpoint's.</param>
    /// <param name="stop">Ends the stream, also where the client is still there: it is judged anew when it comes back.</param>
    public static async Task RunAsync(HttpContext context, TopicHub topics, string name, FeedQuery query, TopicEndpointOptions options, CancellationToken stop)
    {
        CancellationToken gone = context.RequestAborted;
        var present = new TopicSubscriber(context.TraceIdentifier, UserIdentity.IdOf(context.User)) { Node = topics.Node };
        using TopicSubscription reader = await topics.OpenAsync(name, query.Start, present, gone).ConfigureAwait(false);
        HttpResponse response = context.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-store, no-transform";
        response.Headers["X-Accel-Buffering"] = "no";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();

        PipeWriter output = response.BodyWriter;
        bool began = false;
        while (true)
        {
            TopicPage page = await reader.ReadAvailableAsync(PageCount, PageBytes, gone).ConfigureAwait(false);
            if (!began)
            {
                began = true;
                if (query.Start.Kind == TopicStartKind.After && !page.IsReset)
                {
                    topics.Recovered(name, page);
                }

                WriteBeginning(output, page);
            }

            if (!page.IsEmpty)
            {
                WritePage(output, page);
            }

            FlushResult flushed = await output.FlushAsync(gone).ConfigureAwait(false);
            if (flushed.IsCompleted || flushed.IsCanceled || stop.IsCancellationRequested)
            {
                return;
            }

            if (page.HasMore)
            {
                continue;
            }

            WaitEnd end = await reader.WaitAsync(options.KeepAliveInterval, stop).ConfigureAwait(false);
            if (end == WaitEnd.Stopped)
            {
                // The client comes back with the id that it has, here or to another server.
                return;
            }

            if (end == WaitEnd.TimedOut)
            {
                // A comment: it keeps proxies from ending the stream, and finds out whether the client is there.
                output.Write(":\n\n"u8);
            }
        }
    }

    // An event without data is none, but its id is kept: who is cut before the first event comes back to here. Not where a reset comes first: who has an id behind the gap is never told of it.
    private static void WriteBeginning(PipeWriter output, TopicPage page)
    {
        string id = page.IsReset ? "" : $"id: {FirstPlaceOf(page)}\n";
        int retry = Random.Shared.Next(1_000, 3_000);
        FeedJson.WriteAscii(output, string.Create(CultureInfo.InvariantCulture, $"retry: {retry}\n{id}\n"));
    }

    private static void WritePage(PipeWriter output, TopicPage page)
    {
        if (page.IsReset)
        {
            TopicPage notice = FeedJson.NoticeOf(page);
            FeedJson.WriteAscii(output, $"event: reset\nid: {notice.Next}\ndata: ");
            FeedJson.WritePage(output, notice);
            output.Write("\n\n"u8);
        }

        foreach (TopicMessage message in page.Messages)
        {
            FeedJson.WriteAscii(output, $"id: {message.Position}\ndata: ");
            output.Write(message.Item.Span);
            output.Write("\n\n"u8);
        }
    }

    private static TopicPosition FirstPlaceOf(TopicPage page) => FeedJson.NoticeOf(page).Next;
}
