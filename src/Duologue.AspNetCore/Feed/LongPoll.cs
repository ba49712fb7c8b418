using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore;

/// <summary>Holds a request until there is news or its time is over. It costs no thread, and no timer of its own.</summary>
internal static class LongPoll
{
    // So that those who began to wait together do not come back together.
    private const double Jitter = 0.1;

    public static async Task RunAsync(HttpContext context, TopicHub topics, string name, FeedQuery query, TopicPosition after, TopicEndpointOptions options)
    {
        TopicPage page;
        using (TopicSubscription reader = await topics.OpenAsync(name, TopicStart.After(after), null, context.RequestAborted).ConfigureAwait(false))
        {
            TimeSpan wait = query.Wait < options.MaxWait ? query.Wait : options.MaxWait;
            wait *= 1 - (Jitter * Random.Shared.NextDouble());
            long start = topics.Time.GetTimestamp();
            while (true)
            {
                page = await reader.ReadAvailableAsync(query.Limit, options.MaxPageBytes, context.RequestAborted).ConfigureAwait(false);
                TimeSpan left = wait - topics.Time.GetElapsedTime(start);
                if (!page.IsEmpty || left <= TimeSpan.Zero)
                {
                    break;
                }

                if (await reader.WaitAsync(left, context.RequestAborted).ConfigureAwait(false) != WaitEnd.Arrived)
                {
                    break;
                }
            }
        }

        if (!context.RequestAborted.IsCancellationRequested)
        {
            FeedAnswer.WritePage(context, query, page);
        }
    }
}
