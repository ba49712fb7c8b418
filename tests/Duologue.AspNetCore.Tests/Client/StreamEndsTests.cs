using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>How a client by server-sent events leaves a stream, and comes back.</summary>
public class StreamEndsTests
{
    private static readonly TopicClientOptions Quick = QuickTopics.Options with { Ways = FeedWays.ServerSentEvents };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stream_that_falls_silent_behind_an_event_is_left_for_another()
    {
        int streams = 0;
        await using TestHost host = await QuickTopics.StartAsync(options => options.KeepAliveInterval = Timeout.InfiniteTimeSpan, app => app.Use((context, next) =>
        {
            if (AsksForStream(context))
            {
                Interlocked.Increment(ref streams);
            }

            return next(context);
        }));
        await using TopicClient client = QuickTopics.Open(host, Quick with { StreamTimeout = TimeSpan.FromMilliseconds(200) });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        Task<TopicItem> first = reader.ItemAsync();
        await Eventually.True(() => Volatile.Read(ref streams) > 0);
        host.Topics.Publish("news", "1");
        Assert.Equal("1", (await first).Text);

        int before = Volatile.Read(ref streams);
        await Eventually.True(() => Volatile.Read(ref streams) > before, () => "It still waits for a stream that says nothing.");
        host.Topics.Publish("news", "2");
        Assert.Equal("2", (await reader.ItemAsync()).Text);
    }

    [Fact]
    public async Task A_server_whose_streams_end_at_once_is_not_asked_over_and_over_without_a_rest()
    {
        await using TestHost host = await QuickTopics.StartAsync(_ => { }, app => app.Use((context, next) =>
        {
            if (AsksForStream(context))
            {
                context.Response.ContentType = "text/event-stream";
                return Task.CompletedTask;
            }

            return next(context);
        }));
        await using TopicClient client = QuickTopics.Open(host, Quick);
        var waits = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        client.StateChanged += (_, change) =>
        {
            if (change.State == ClientState.Waiting)
            {
                waits.TrySetResult(change.Failure);
            }
        };
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Now);
        ValueTask<bool> moving = reader.MoveAsync();
        Assert.Contains("stream has ended", (await waits.Task.WaitAsync(TestHost.Patience, Token))?.Message, StringComparison.Ordinal);
        await client.DisposeAsync();
        Assert.False(await moving);
    }

    [Fact]
    public async Task What_comes_before_the_first_event_of_a_stream_that_is_cut_is_on_the_next()
    {
        int streams = 0;
        TestHost? host = null;
        host = await QuickTopics.StartAsync(_ => { }, app => app.Use((context, next) =>
        {
            if (AsksForStream(context) && Interlocked.Increment(ref streams) == 1)
            {
                host!.Topics.Publish("news", "meanwhile");
                context.Abort();
                return Task.CompletedTask;
            }

            return next(context);
        }));
        await using TestHost _ = host;
        await using TopicClient client = QuickTopics.Open(host, Quick);
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Now);
        Assert.Equal("meanwhile", (await reader.ItemAsync()).Text);
        Assert.Equal(2, streams);
    }

    private static bool AsksForStream(HttpContext context) => context.Request.Headers.Accept.ToString().Contains("event-stream", StringComparison.Ordinal);
}
