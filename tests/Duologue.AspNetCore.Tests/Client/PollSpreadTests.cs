using System.Collections.Concurrent;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>When a client asks again that was told of nothing new.</summary>
public class PollSpreadTests
{
    [Fact]
    public async Task Clients_that_were_answered_together_asked_again_together()
    {
        TimeSpan interval = TimeSpan.FromMilliseconds(60);
        var time = new RecordingTime(interval);
        await using TestHost host = await QuickTopics.StartAsync();
        host.Topics.Publish("quiet", "and no more");
        TopicClientOptions options = QuickTopics.Options with { Ways = FeedWays.Polling, PollInterval = interval };
        await using TopicClient client = QuickTopics.Open(host, options with { Connect = options.Connect with { TimeProvider = time } });
        await using TopicReader reader = TopicReader.Of(client, "quiet", TopicClient.Oldest);
        await reader.ItemAsync();
        using var patience = new CancellationTokenSource(TestHost.Patience);
        while (time.Waits.Count < 20)
        {
            await Task.Delay(10, patience.Token);
        }

        Assert.All(time.Waits, wait => Assert.InRange(wait, interval / 2, interval * 1.5));
        Assert.True(time.Waits.Max() - time.Waits.Min() > interval / 10);
    }

    [Theory]
    [InlineData(TopicClient.Now)]
    [InlineData(TopicClient.Oldest)]
    public async Task A_server_whose_answer_gives_no_place_to_go_on_from_was_asked_without_rest(string after)
    {
        TimeSpan interval = TimeSpan.FromHours(1);
        int asked = 0;
        await using TestHost host = await TestHost.StartAsync(app => app.MapGet("/topics/{**name}", () =>
        {
            Interlocked.Increment(ref asked);
            return Results.Text("{}", "application/json");
        }));
        var time = new RecordingTime(interval);
        TopicClientOptions options = QuickTopics.Options with { Ways = FeedWays.LongPolling, PollInterval = interval, PollWait = TimeSpan.FromSeconds(1) };
        await using TopicClient client = QuickTopics.Open(host, options with { Connect = new ConnectOptions { ConnectTimeout = TimeSpan.FromSeconds(10), TimeProvider = time } });
        await using TopicReader reader = TopicReader.Of(client, "quiet", after);
        ValueTask<bool> waiting = reader.MoveAsync();

        await Eventually.True(() => Volatile.Read(ref asked) > 1 || time.Waits.Any(wait => wait >= interval / 2));

        Assert.Equal(1, Volatile.Read(ref asked));
        await client.DisposeAsync();
        Assert.False(await waiting);
    }

    /// <summary>The real clock. Keeps the waits that are of about one length, and longer than those behind a failure.</summary>
    private sealed class RecordingTime(TimeSpan about) : TimeProvider
    {
        public ConcurrentQueue<TimeSpan> Waits { get; } = new();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime > QuickTopics.Options.MaxDelay && dueTime <= about * 2)
            {
                Waits.Enqueue(dueTime);
            }

            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}
