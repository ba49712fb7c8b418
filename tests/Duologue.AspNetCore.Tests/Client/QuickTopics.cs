using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>An application with topics at <c>/topics</c> that may be published to, and clients of it that are quick to come back.</summary>
internal static class QuickTopics
{
    public static readonly TopicClientOptions Options = new()
    {
        InitialDelay = TimeSpan.FromMilliseconds(1),
        MaxDelay = TimeSpan.FromMilliseconds(20),
        Spread = TimeSpan.FromMilliseconds(5),
        PollInterval = TimeSpan.FromMilliseconds(20),
        UpgradeInterval = Timeout.InfiniteTimeSpan,

        // What a busy machine answers late is no failure, of which tests count.
        Connect = new ConnectOptions { ConnectTimeout = TimeSpan.FromMinutes(1) },
    };

    public static TheoryData<FeedWays> EachWay => [FeedWays.WebSocket, FeedWays.ServerSentEvents, FeedWays.LongPolling, FeedWays.Polling];

    public static TopicClient Open(TestHost host, TopicClientOptions options) => new(new Uri(host.Url, "/topics"), options);

    public static Task<TestHost> StartAsync() => StartAsync(_ => { }, _ => { });

    public static Task<TestHost> StartAsync(Action<DuologueOptions> options) => StartAsync(options, _ => { });

    /// <param name="options">The server's.</param>
    /// <param name="before">What stands before the endpoint, as a proxy would.</param>
    public static Task<TestHost> StartAsync(Action<DuologueOptions> options, Action<WebApplication> before) => StartAsync(options, before, _ => { });

    public static Task<TestHost> StartAsync(Broker broker) => StartAsync(_ => { }, _ => { }, builder => builder.Services.AddSingleton(broker));

    private static Task<TestHost> StartAsync(Action<DuologueOptions> options, Action<WebApplication> before, Action<WebApplicationBuilder> build) => TestHost.StartAsync(
        app =>
        {
            before(app);

            // Before the endpoint is chosen, for some of the tests take away what it is chosen by.
            app.UseRouting();
            app.MapTopics("/topics/{**name}").WithOptions(endpoint => endpoint.AllowPublishing = true);
        },
        options,
        build);
}
