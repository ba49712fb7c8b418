using System.Diagnostics.Metrics;
using System.Net.Http.Headers;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.AspNetCore.Tests.Feed;

/// <summary>Each refusal of the feed, made to happen: its counter counts it and its event is in the log. And what else the feed counts.</summary>
public class FeedCausesTests
{
    public static TheoryData<string> Reasons => [.. Enum.GetNames<FeedRefusalReason>()];

    [Theory]
    [MemberData(nameof(Reasons))]
    public async Task A_refusal_is_counted_by_its_reason_and_logged(string name)
    {
        FeedRefusalReason reason = Enum.Parse<FeedRefusalReason>(name);
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapTopics("/topics/{**name}").WithOptions(endpoint =>
            {
                endpoint.AllowPublishing = reason != FeedRefusalReason.PublishingOff;
                endpoint.AuthorizeSubscribe = access => access.Topic != "secret";
                endpoint.MaxMessageSize = 10;
            }),
            options =>
            {
                options.MaxTopics = 1;
                options.MaxConnections = reason == FeedRefusalReason.ConnectionLimit ? 1 : 0;
                options.MaxConnectionsPerAddress = reason == FeedRefusalReason.AddressLimit ? 1 : 0;
            },
            builder =>
            {
                if (reason == FeedRefusalReason.BrokerUnavailable)
                {
                    builder.Services.AddSingleton<Broker>(new AbsentBroker());
                }
            });
        using MetricCollector<long> refusals = Collect(host, "duologue.pubsub.feed.refusals");
        using var http = new HttpClient { BaseAddress = host.Url, Timeout = TestHost.Patience * 2 };
        Task? held = null;
        if (reason is FeedRefusalReason.ConnectionLimit or FeedRefusalReason.AddressLimit)
        {
            held = http.GetAsync("/topics/a?wait=50", TestContext.Current.CancellationToken);
            await Eventually.True(() => ((TopicHub)host.Topics).CountWaiting("a") == 1);
        }
        else if (reason == FeedRefusalReason.TopicLimit)
        {
            host.Topics.Publish("a", "x");
        }
        else if (reason == FeedRefusalReason.Draining)
        {
            host.Services.GetRequiredService<DuologueServer>().BeginDraining();
        }

        using HttpRequestMessage request = RequestFor(reason);
        using HttpResponseMessage response = await http.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.False(response.IsSuccessStatusCode);
        await Eventually.True(() => refusals.GetMeasurementSnapshot().Count == 1);
        Assert.Equal(reason.Name(), refusals.LastMeasurement!.Tags["duologue.feed.refusal"]);
        await Eventually.True(() => host.Log.GetSnapshot().Any(record => record.Id.Name == "FeedRefused" && record.Message.Contains($"with {(int)response.StatusCode} (", StringComparison.Ordinal)));
        if (held is not null)
        {
            host.Topics.Publish("a", "x");
            await held;
        }
    }

    [Fact]
    public async Task What_the_feed_gives_is_counted_by_its_way_and_so_is_who_continues()
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => options.TopicHistory = new TopicHistory { MaxCount = 2 });
        using MetricCollector<long> requests = Collect(feed.Host, "duologue.pubsub.feed.requests");
        using MetricCollector<long> held = Collect(feed.Host, "duologue.pubsub.feed.held");
        using MetricCollector<long> recoveries = Collect(feed.Host, "duologue.pubsub.recoveries");
        feed.Topics.Publish("news", "1");
        string first = (await feed.PollAsync("/topics/news")).Next;
        feed.Topics.Publish("news", "2");
        Assert.Equal(["2"], (await feed.PollAsync($"/topics/news?after={first}")).Data);
        await Eventually.True(() => recoveries.GetMeasurementSnapshot().Count == 1);
        Assert.Equal("continued", recoveries.LastMeasurement!.Tags["duologue.recovery.outcome"]);
        feed.Topics.Publish("news", "3");
        feed.Topics.Publish("news", "4");
        Assert.True((await feed.PollAsync($"/topics/news?after={first}")).Reset);
        await Eventually.True(() => recoveries.GetMeasurementSnapshot().Count == 2);
        Assert.Equal("reset", recoveries.LastMeasurement!.Tags["duologue.recovery.outcome"]);
        await Eventually.True(() => feed.Host.Log.GetSnapshot().Any(record => record.Id.Name == "TopicReset"));

        Task<FeedPage> waiting = feed.PollAsync("/topics/news?after=now&wait=50");
        await feed.HeldAsync("news", 1);
        await Eventually.True(() => held.GetMeasurementSnapshot().Sum(measured => measured.Value) == 1);
        feed.Topics.Publish("news", "5");
        await waiting;
        await Eventually.True(() => held.GetMeasurementSnapshot().Sum(measured => measured.Value) == 0);
        Assert.Equal(["long_polling", "polling", "polling", "polling"], requests.GetMeasurementSnapshot().Select(measured => (string)measured.Tags["duologue.feed.way"]!).Order(StringComparer.Ordinal));
    }

    private static HttpRequestMessage RequestFor(FeedRefusalReason reason) => reason switch
    {
        FeedRefusalReason.Method => new HttpRequestMessage(HttpMethod.Delete, "/topics/b"),
        FeedRefusalReason.Origin => FeedHost.Get("/topics/b", ("Origin", "https://stranger.example")),
        FeedRefusalReason.Name => FeedHost.Get("/topics/b//c"),
        FeedRefusalReason.Cursor => FeedHost.Get("/topics/b?after=rubbish"),
        FeedRefusalReason.Parameter => FeedHost.Get("/topics/b?limit=0"),
        FeedRefusalReason.Key => Post("x", "text/plain", "two words"),
        FeedRefusalReason.MediaType => Post("x", "image/png", null),
        FeedRefusalReason.Body => Post("{", "application/json", null),
        FeedRefusalReason.BodyTooLarge => Post("12345678901", "text/plain", null),
        FeedRefusalReason.Forbidden => FeedHost.Get("/topics/secret"),
        FeedRefusalReason.ConnectionLimit or FeedRefusalReason.AddressLimit => FeedHost.Get("/topics/a?wait=50"),
        FeedRefusalReason.BrokerUnavailable or FeedRefusalReason.Draining => FeedHost.Get("/topics/b"),
        _ => Post("x", "text/plain", null),
    };

    private static HttpRequestMessage Post(string body, string type, string? key)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/topics/b") { Content = new StringContent(body, new MediaTypeHeaderValue(type)) };
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        }

        return request;
    }

    private static MetricCollector<long> Collect(TestHost host, string instrument) => new(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, instrument);

    private sealed class AbsentBroker : Broker
    {
        private static BrokerUnavailableException Away => new("It is away.", false, null);

        public override ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken) => throw Away;

        public override ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken) => throw Away;

        public override ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken) => throw Away;

        public override ValueTask UnsubscribeAsync(string topic) => default;
    }
}
