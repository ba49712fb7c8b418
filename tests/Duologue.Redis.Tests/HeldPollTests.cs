using System.Net;
using System.Text.Json;
using Duologue.Redis.Tests.Support;

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
        await using Node a = await Node.StartAsync(store, options => options.NodeName = "a", options => (options.KeepAliveInterval, options.KeepAliveTimeout) = (TimeSpan.FromHours(1), TimeSpan.FromHours(1)));
        await using Node b = await Node.StartAsync(store.PatientAddress, options => options.NodeName = "b", host: options => options.ShutdownTimeout = Node.Patience);
        while ((await b.Broker.Registry.FindAsync("a", Token))?.Address is null)
        {
            await Task.Delay(10, Token);
        }

        using var client = new HttpClient { Timeout = Node.Patience };
        string opened = await client.GetStringAsync(a.Url + Engine, Token);
        string sid = JsonDocument.Parse(opened[1..]).RootElement.GetProperty("sid").GetString()!;
        Task<string> held = client.GetStringAsync($"{b.Url}{Engine}&sid={sid}", Token);
        await Eventually.True(() => a.Requests.Any(seen => seen.SessionId == sid));

        await b.StopAsync().WaitAsync(Node.Patience, Token);
        Assert.Equal("6", await held);

        // Its session has lost nothing, and goes on by another node.
        using HttpResponseMessage posted = await client.PostAsync($"{a.Url}{Engine}&sid={sid}", new StringContent("4after"), Token);
        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        Assert.Equal("4after", await client.GetStringAsync($"{a.Url}{Engine}&sid={sid}", Token));
    }
}
