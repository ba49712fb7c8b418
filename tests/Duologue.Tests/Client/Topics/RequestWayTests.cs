using Duologue.Client;

namespace Duologue.Tests.Client.Topics;

public class RequestWayTests
{
    [Fact]
    public async Task A_pattern_that_was_subscribed_to_just_behind_a_change_to_a_WebSocket_ended_for_want_of_one()
    {
        // As UseWays does, and SubscribePatternAsync behind it, when the way has just looked whether it is to stop.
        using var stop = new CancellationTokenSource();
        var options = new TopicClientOptions();
        var report = new ClientReport(new Uri("ws://example.com/"), options);
        var pattern = new TopicFeed("room/*", TopicClient.Now, 10, report) { IsPattern = true };
        var work = new WayWork(new AsyncSignal(), List, new PendingPublishes(options), options, report);
        using var requests = new FeedRequests(new FeedAddress(new Uri("http://127.0.0.1:1/topics")), options);

        await new RequestWay(requests, FeedWays.LongPolling, work, new RequestWay.Ties(_ => { }, () => true)).RunAsync(stop.Token);

        Assert.Null(pattern.Failure);
        Assert.False(pattern.News.Completion.IsCompleted);

        TopicFeed[] List()
        {
            stop.Cancel();
            return [pattern];
        }
    }
}
