using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Duologue.Soak;
using Duologue.Tests.Shared;

namespace Duologue.Cluster.Tests.Balancers;

/// <summary>Balancers that know nothing of sessions, in front of three nodes that forward to each other: docs/scale-out.md as it stands, without an option more.</summary>
[Collection(nameof(OneAtATime))]
public sealed partial class ForwardedSessionTests(ThreeNodes nodes) : IClassFixture<ThreeNodes>
{
    private const string Engine = "/echo?EIO=4&transport=polling";
    private const int Attempts = 3;

    // Neither a heartbeat nor the balancer's patience ends a session in the time that it has to find that its node is gone.
    private static readonly string[] SlowHeartbeat = ["--ping-interval", "60s", "--ping-timeout", "10m"];
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("haproxy.cfg")]
    [InlineData("nginx.conf")]
    public async Task A_session_by_turns_has_every_message_once_and_in_order(string file)
    {
        await using Balancer balancer = await nodes.BalanceAsync(file, SlowHeartbeat, Token);
        await ReachAllAsync(nodes.All);
        string[] numbers = [.. Enumerable.Range(1, 50).Select(number => number.ToString(CultureInfo.InvariantCulture))];
        Assert.Equal(numbers, await EchoAllAsync(balancer, Polled, upgrades: false, numbers));
        Assert.Equal(numbers, await EchoAllAsync(balancer, Upgraded, upgrades: true, numbers));
    }

    [Theory]
    [InlineData("haproxy.cfg")]
    [InlineData("nginx.conf")]
    public async Task A_session_whose_node_is_killed_is_gone_at_once_and_our_client_goes_on_at_another(string file)
    {
        Needs.Redis();
        Needs.Program(Balancer.ProgramOf(file));
        await using Soak.Cluster cluster = await Soak.Cluster.StartAsync(file, isPersistent: true, SlowHeartbeat, Token);
        await ReachAllAsync(cluster.Nodes);
        NodeProcess dead = await KillOwnerAsync(cluster, cluster.Nodes, Polled, Transport.LongPolling);
        await KillOwnerAsync(cluster, cluster.Nodes.Where(node => node != dead), Upgraded, Transport.WebSocket);
    }

    private static ConnectOptions Polled => new() { Transports = Transports.LongPolling, ConnectTimeout = Needs.Patience };

    private static ConnectOptions Upgraded => new() { Transports = Transports.WebSocket | Transports.LongPolling, PollingFirst = true, ConnectTimeout = Needs.Patience };

    private static async Task ReachAllAsync(NodeProcess[] nodes)
    {
        using var http = new HttpClient { Timeout = Needs.Patience };
        foreach (NodeProcess node in nodes)
        {
            foreach (NodeProcess other in nodes.Where(other => other != node))
            {
                await ReachAsync(http, node, other);
            }
        }
    }

    /// <summary>Waits until a node knows where another is: it tells by itself that the session has ended, where this one would say that the node is gone.</summary>
    private static async Task ReachAsync(HttpClient http, NodeProcess from, NodeProcess to)
    {
        using var patience = new CancellationTokenSource(Needs.Patience);
        while ((await http.GetAsync(new Uri($"{from.Url}{Engine}&sid={to.Name}.none"), Token)).StatusCode != HttpStatusCode.BadRequest)
        {
            Assert.False(patience.IsCancellationRequested, $"{from.Name} does not forward to {to.Name}: {from.Said}");
            await Task.Delay(50, Token);
        }
    }

    /// <summary>Has the messages echoed, half of them one by one and half at once. A node that had no processor for a whole lease is gone, and its sessions with it: then once more, with another session.</summary>
    private static async Task<string[]> EchoAllAsync(Balancer balancer, ConnectOptions options, bool upgrades, string[] messages)
    {
        for (int attempt = 1; ; attempt++)
        {
            // What failed with an origin is remembered for it: each attempt has its own.
            await using var line = new Relay(balancer.Port);
            List<string> echoed = [];
            try
            {
                await using Connection connection = await Connection.ConnectAsync(new Uri($"ws://{line.Address}/echo"), options, Token);
                int half = messages.Length / 2;
                foreach (string message in messages[..half])
                {
                    await connection.SendAsync(message, Token);
                    echoed.Add(await ReceiveAsync(connection));
                }

                await WaitAsync(() => !upgrades || connection.Transport == Transport.WebSocket || connection.Closed.IsCompleted, "The session did not change to a WebSocket.");
                foreach (string message in messages[half..])
                {
                    await connection.SendAsync(message, Token);
                }

                await connection.SendAsync("end", Token);
                for (string message = await ReceiveAsync(connection); message != "end"; message = await ReceiveAsync(connection))
                {
                    echoed.Add(message);
                }

                return [.. echoed];
            }
            catch (ConnectionClosedException) when (attempt < Attempts)
            {
                Assert.Equal(messages[..echoed.Count], echoed);
            }
        }
    }

    private static async Task<NodeProcess> KillOwnerAsync(Soak.Cluster cluster, IEnumerable<NodeProcess> living, ConnectOptions options, Transport transport)
    {
        await using var line = new Relay(cluster.Balancer.Port);
        await using var client = new DuologueClient(new Uri($"ws://{line.Address}/echo"), new DuologueClientOptions { Connect = options, InitialDelay = TimeSpan.FromMilliseconds(50) });
        await client.OpenAsync(Token);
        await EchoAsync(client, "before");
        await WaitAsync(() => client.Connection?.Transport == transport, $"The session is not on {transport}.");
        Connection session = client.Connection!;
        NodeProcess owner = await FindOwnerAsync(living);

        await owner.KillAsync();

        CloseInfo end = await session.Closed.WaitAsync(AtOnce, Token);
        Assert.Equal((1006, CloseCause.ConnectionLost), (end.Code, end.Cause));

        // What any client of Engine.IO is told, whichever node its request comes to.
        using var http = new HttpClient { BaseAddress = cluster.Url, Timeout = Needs.Patience };
        for (int request = 0; request < cluster.Nodes.Length; request++)
        {
            using HttpResponseMessage gone = await http.GetAsync(new Uri($"{Engine}&sid={owner.Name}.none", UriKind.Relative), Token).WaitAsync(AtOnce, Token);
            Assert.Equal((HttpStatusCode.Gone, """{"code":1,"message":"Session ID unknown"}"""), (gone.StatusCode, await gone.Content.ReadAsStringAsync(Token)));
        }

        await EchoAsync(client, "after");
        await client.CloseAsync();
        return owner;
    }

    /// <summary>Says it until it is echoed: what was under way when a session ended may be lost.</summary>
    private static async Task EchoAsync(DuologueClient client, string text)
    {
        Task echoed = HearAsync();
        while (!echoed.IsCompleted)
        {
            client.Send(text, WhenAway.Keep);
            await Task.WhenAny(echoed, Task.Delay(1_000, Token));
        }

        await echoed;

        async Task HearAsync()
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
            patience.CancelAfter(Needs.Patience);
            await foreach (Message message in client.ReadAllAsync(patience.Token))
            {
                if (message.Text == text)
                {
                    return;
                }
            }
        }
    }

    /// <summary>The node that has the only connection that there is.</summary>
    private static async Task<NodeProcess> FindOwnerAsync(IEnumerable<NodeProcess> living)
    {
        using var http = new HttpClient { Timeout = Needs.Patience };
        NodeProcess? owner = null;
        await WaitAsync(
            async () =>
            {
                List<NodeProcess> owners = [];
                foreach (NodeProcess node in living)
                {
                    string metrics = await http.GetStringAsync(new Uri(node.Url + "/metrics"), Token);
                    int open = OpenConnections().Matches(metrics).Sum(match => int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture));
                    owners.AddRange(Enumerable.Repeat(node, open));
                }

                owner = owners.Count == 1 ? owners[0] : null;
                return owner is not null;
            },
            "The session is at no node, or at several.");
        return owner!;
    }

    private static async Task<string> ReceiveAsync(Connection connection) => (await connection.ReceiveAsync(Token).AsTask().WaitAsync(Needs.Patience, Token)).Text;

    private static Task WaitAsync(Func<bool> condition, string otherwise) => WaitAsync(() => Task.FromResult(condition()), otherwise);

    private static async Task WaitAsync(Func<Task<bool>> condition, string otherwise)
    {
        using var patience = new CancellationTokenSource(Needs.Patience);
        while (!await condition())
        {
            Assert.False(patience.IsCancellationRequested, otherwise);
            await Task.Delay(50, Token);
        }
    }

    [GeneratedRegex(@"^duologue_server_active_connections\{.*\} (\d+)", RegexOptions.Multiline)]
    private static partial Regex OpenConnections();
}
