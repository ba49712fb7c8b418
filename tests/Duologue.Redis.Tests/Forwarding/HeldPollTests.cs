using System.Net;
using System.Text.Json;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Redis.Tests;

/// <summary>Issue 6, §3: a node finishes its forwards when it stops, and does not hang by them.</summary>
public class HeldPollTests
{
    private const string Engine = "/echo?EIO=4&transport=polling";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_node_in_the_middle_waited_at_its_stop_for_a_poll_until_its_sessions_next_ping()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node a = await StartOwnerAsync(store);
        await using Node b = await StartInTheMiddleAsync(store, TimeSpan.FromSeconds(10));
        using var client = new HttpClient { Timeout = Node.Patience };
        await AssertPollEndsAsync(client, a, b);
    }

    [Fact]
    public async Task A_node_in_the_middle_waited_at_its_stop_for_a_poll_as_long_as_that_may_be_held()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node a = await StartOwnerAsync(store);

        // For an hour, so that only its being asked ends it.
        await using Node b = await StartInTheMiddleAsync(store, longest: null);
        using var client = new HttpClient { Timeout = Node.Patience };
        await AssertPollEndsAsync(client, a, b);
    }

    [Fact]
    public async Task An_owner_that_cannot_be_asked_for_the_answer_is_asked_again()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using var line = new Relay();
        await using Node a = await StartOwnerAsync(store, line.Url);
        await using Node b = await StartInTheMiddleAsync(store, longest: null);
        using var client = new HttpClient { Timeout = Node.Patience };
        line.LeadTo(a.Port);
        await AssertPollEndsAsync(client, a, b, async stop =>
        {
            // The poll keeps its connection; who comes now is not let through.
            line.LeadTo();
            Task stopping = stop();
            await Eventually.True(() => b.HasLogged("RedisPollEndNotAsked"));
            line.LeadTo(a.Port);
            await stopping;
        });
    }

    [Fact]
    public async Task Nobody_but_a_node_ends_a_poll()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node a = await StartOwnerAsync(store);
        using var client = new HttpClient { Timeout = Node.Patience };
        using var request = new HttpRequestMessage(HttpMethod.Delete, HeldPoll.EndOf(new Uri(a.Url), 7));
        string mark = ForwardMark.Create("made up", "DELETE", request.RequestUri!.PathAndQuery, "http", null, 0, a.Broker.Registry.StoreTime);
        request.Headers.Add(ForwardMark.Header, mark);
        await client.SendAsync(request, Token);

        // It is a request like any other, which the application sees.
        Assert.Contains(a.Requests, seen => seen.Method == "DELETE");
    }

    private static Task<Node> StartOwnerAsync(StoreServer store) => StartOwnerAsync(store, new Uri("http://127.0.0.1:0"));

    private static Task<Node> StartOwnerAsync(StoreServer store, Uri address) =>
        Node.StartAsync(store, options => (options.NodeName, options.NodeAddress) = ("a", address), options => (options.KeepAliveInterval, options.KeepAliveTimeout) = (TimeSpan.FromHours(1), TimeSpan.FromHours(1)));

    private static async Task<Node> StartInTheMiddleAsync(StoreServer store, TimeSpan? longest)
    {
        Node b = await Node.StartAsync(store.PatientAddress, options => (options.NodeName, options.LongestForwardedPoll) = ("b", longest), host: options => options.ShutdownTimeout = Node.Patience, services: services => services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Debug)));
        while ((await b.Broker.Registry.FindAsync("a", Token))?.Address is null)
        {
            await Task.Delay(10, Token);
        }

        return b;
    }

    private static Task AssertPollEndsAsync(HttpClient client, Node a, Node b) => AssertPollEndsAsync(client, a, b, static stop => stop());

    private static async Task AssertPollEndsAsync(HttpClient client, Node a, Node b, Func<Func<Task>, Task> stopping)
    {
        string opened = await client.GetStringAsync(a.Url + Engine, Token);
        string sid = JsonDocument.Parse(opened[1..]).RootElement.GetProperty("sid").GetString()!;
        Task<string> held = client.GetStringAsync($"{b.Url}{Engine}&sid={sid}", Token);
        await Eventually.True(() => a.Requests.Any(seen => seen.SessionId == sid));

        await stopping(b.StopAsync).WaitAsync(Node.Patience, Token);
        Assert.Equal("6", await held);

        // Its session has lost nothing, and goes on by another node.
        using HttpResponseMessage posted = await client.PostAsync($"{a.Url}{Engine}&sid={sid}", new StringContent("4after"), Token);
        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        Assert.Equal("4after", await client.GetStringAsync($"{a.Url}{Engine}&sid={sid}", Token));
    }
}
