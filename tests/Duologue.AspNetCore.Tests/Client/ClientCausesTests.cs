using System.Diagnostics.Metrics;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>What befalls a client's topics and sessions, made to happen: its counter counts it and its event is in the client's log.</summary>
public sealed class ClientCausesTests : IDisposable
{
    private readonly ServiceProvider _client = new ServiceCollection()
        .AddMetrics()
        .AddLogging(logging => logging.AddFakeLogging().SetMinimumLevel(LogLevel.Debug))
        .BuildServiceProvider();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private ConnectOptions Connect => new()
    {
        ConnectTimeout = TestHost.Patience,
        PollingInterval = TimeSpan.FromMilliseconds(20),
        MeterFactory = _client.GetRequiredService<IMeterFactory>(),
        LoggerFactory = _client.GetRequiredService<ILoggerFactory>(),
    };

    private TopicClientOptions Options => QuickTopics.Options with { Connect = Connect };

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task A_topic_that_cannot_be_continued_is_counted_and_logged_with_what_is_lost()
    {
        await using TestHost host = await QuickTopics.StartAsync(options => options.TopicHistory = new TopicHistory { MaxCount = 2 });
        using MetricCollector<long> resets = Collect("duologue.client.topic.resets");
        TopicPosition first = await host.Topics.PublishAsync("news", "1", Token);
        foreach (string text in (string[])["2", "3", "4", "5"])
        {
            host.Topics.Publish("news", text);
        }

        await using TopicClient client = QuickTopics.Open(host, Options);
        await using TopicReader reader = TopicReader.Of(client, "news", first.ToString());
        Assert.Equal(2, Assert.IsType<TopicReset>(await reader.NextAsync()).Lost);

        await Eventually.True(() => Logged("ClientTopicReset").Length == 1);
        FakeLogRecord logged = Logged("ClientTopicReset")[0];
        Assert.Equal((2015, LogLevel.Warning, "news", "2"), (logged.Id.Id, logged.Level, logged.GetStructuredStateValue("Topic"), logged.GetStructuredStateValue("Lost")));
        Assert.Equal(1, Assert.Single(resets.GetMeasurementSnapshot()).Value);
    }

    [Fact]
    public async Task A_change_of_way_is_counted_and_logged_with_its_reason()
    {
        await using TestHost host = await QuickTopics.StartAsync(_ => { }, app => app.Use(WithoutWebSockets));
        using MetricCollector<long> changes = Collect("duologue.client.way.changes");
        host.Topics.Publish("news", "1");
        await using TopicClient client = QuickTopics.Open(host, Options);
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        await reader.ItemAsync();

        FakeLogRecord logged = Assert.Single(Logged("WayChanged"));
        Assert.Equal((2016, LogLevel.Information, "WebSocket", "ServerSentEvents"), (logged.Id.Id, logged.Level, logged.GetStructuredStateValue("From"), logged.GetStructuredStateValue("To")));
        Assert.NotEqual("", logged.GetStructuredStateValue("Reason"));
        Assert.Equal(1, Assert.Single(changes.GetMeasurementSnapshot()).Value);
    }

    [Fact]
    public async Task A_publish_that_is_repeated_is_counted_on_both_sides()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        await using var proxy = new Relay(host.Url.Port) { CutsFirstAnswers = 1 };
        using MetricCollector<long> repeats = Collect("duologue.client.publish.repeats");
        using var known = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.pubsub.repeats");
        await using var client = new TopicClient(new Uri(proxy.Url, "/topics"), Options with { Ways = FeedWays.LongPolling });

        await client.PublishAsync("news", "once", Token).WaitAsync(TestHost.Patience, Token);

        Assert.Equal(1, Assert.Single(repeats.GetMeasurementSnapshot()).Value);
        Assert.Equal(1, Assert.Single(known.GetMeasurementSnapshot()).Value);
    }

    [Theory]
    [InlineData(Transports.LongPolling)]
    [InlineData(Transports.Polling)]
    [InlineData(Transports.WebSocket)]
    public async Task A_session_that_opens_is_logged_with_its_transport(Transports transports)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));

        await using Connection connection = await ConnectAsync(host, "/talk?EIO=4", Connect with { Transports = transports });

        FakeLogRecord logged = Assert.Single(Logged("SessionOpened"));
        Assert.Equal((2020, LogLevel.Debug, $"{transports}"), (logged.Id.Id, logged.Level, logged.GetStructuredStateValue("Transport")));
    }

    [Fact]
    public async Task A_transport_that_does_not_get_through_is_logged_with_why()
    {
        await using TestHost host = await StartTalkAsync(WithoutWebSockets);

        await using Connection connection = await ConnectAsync(host, "/talk", Connect with { Transports = Transports.WebSocket | Transports.LongPolling });

        FakeLogRecord logged = Assert.Single(Logged("TransportPassedOver"));
        Assert.Equal((2021, LogLevel.Information, "WebSocket"), (logged.Id.Id, logged.Level, logged.GetStructuredStateValue("Transport")));
        Assert.Contains("426", logged.GetStructuredStateValue("Reason"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_that_goes_on_over_a_WebSocket_is_logged()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));

        await using Connection connection = await ConnectAsync(host, "/talk", Connect with { Transports = Transports.LongPolling | Transports.WebSocket, PollingFirst = true });

        await Eventually.True(() => Logged("TransportChanged").Length == 1);
        FakeLogRecord logged = Logged("TransportChanged")[0];
        Assert.Equal((2022, LogLevel.Debug, "LongPolling", "WebSocket"), (logged.Id.Id, logged.Level, logged.GetStructuredStateValue("From"), logged.GetStructuredStateValue("To")));
    }

    [Fact]
    public async Task A_session_that_stays_on_polling_is_logged_with_why()
    {
        await using TestHost host = await StartTalkAsync(WithoutWebSockets);

        await using Connection connection = await ConnectAsync(host, "/talk", Connect with { Transports = Transports.LongPolling | Transports.WebSocket, PollingFirst = true });

        await Eventually.True(() => Logged("TransportKept").Length == 1);
        FakeLogRecord logged = Logged("TransportKept")[0];
        Assert.Equal((2023, LogLevel.Information, "LongPolling"), (logged.Id.Id, logged.Level, logged.GetStructuredStateValue("Transport")));
        Assert.Contains("No WebSocket with", logged.GetStructuredStateValue("Reason"), StringComparison.Ordinal);
    }

    /// <summary>As a proxy does that knows no upgrades.</summary>
    private static Task WithoutWebSockets(HttpContext context, RequestDelegate next)
    {
        context.Request.Headers.Remove("Upgrade");
        context.Request.Headers.Remove("Connection");
        return next(context);
    }

    private static Task<TestHost> StartTalkAsync(Func<HttpContext, RequestDelegate, Task> before) => TestHost.StartAsync(app =>
    {
        app.Use(before);
        app.UseRouting();
        app.MapDuologue("/talk", Talks.Echo);
    });

    private static Task<Connection> ConnectAsync(TestHost host, string path, ConnectOptions options) => Connection.ConnectAsync(host.WebSocketUrl(path), options, Token).AsTask();

    private FakeLogRecord[] Logged(string name) => [.. _client.GetFakeLogCollector().GetSnapshot().Where(record => record.Id.Name == name)];

    private MetricCollector<long> Collect(string instrument) => new(_client.GetRequiredService<IMeterFactory>(), "Duologue", instrument);
}
