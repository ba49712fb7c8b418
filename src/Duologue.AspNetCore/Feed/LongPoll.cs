using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore;

/// <summary>Holds a request until there is news or its time is over. It costs no thread, and no timer of its own.</summary>
internal static class LongPoll
{
    // So that those who began to wait together do not come back together.
    private const double Jitter = 0.1;

    /// <param name="context">The request.</param>
    /// <param name="topics">All topics.</param>
    /// <param name="name">The topic's checked name.</param>
    /// <param name="query">What is asked for.</param>
    /// <param name="after">Behind what is there already.</param>
    /// <param name="options">The endpoint's.</param>
    /// <param name="stop">Ends the waiting, also where the client is still there: it has an answer without news then, and is judged anew when it asks again.</param>
    public static async Task RunAsync(HttpContext context, TopicHub topics, string name, FeedQuery query, TopicPosition after, TopicEndpointOptions options, CancellationToken stop)
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

                if (await reader.WaitAsync(left, stop).ConfigureAwait(false) != WaitEnd.Arrived)
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
