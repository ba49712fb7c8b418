using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>Any node takes the requests of any session: it sends them to the one that has it, or says that there is none.</summary>
public class SessionForwarderTests
{
    private const string Engine = "/echo?EIO=4&transport=polling";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_session_is_polled_and_changes_to_a_WebSocket_through_another_node(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node a = await Node.StartAsync(store, options => options.NodeName = "a");
        await using Node b = await Node.StartAsync(store, options => options.NodeName = "b");
        await ReachAsync(b, "a");
        using var client = new HttpClient { Timeout = Node.Patience };
        string sid = await OpenAsync(client, a);
        Assert.StartsWith("a.", sid, StringComparison.Ordinal);

        HttpResponseMessage posted = await client.PostAsync($"{b.Url}{Engine}&sid={sid}", new StringContent("4hello"), Token);
        Assert.Equal("ok", await posted.Content.ReadAsStringAsync(Token));
        Assert.Equal("4hello", await client.GetStringAsync($"{b.Url}{Engine}&sid={sid}", Token));

        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"{b.Url.Replace("http", "ws", StringComparison.Ordinal)}/echo?EIO=4&transport=websocket&sid={sid}"), Token);
        await SendAsync(socket, "2probe");
        Assert.Equal("3probe", await ReceiveAsync(socket));
        await SendAsync(socket, "5");
        await SendAsync(socket, "4through");
        Assert.Equal("4through", await ReceiveAsync(socket));
        socket.Abort();
    }

    [Fact]
    public async Task The_owner_sees_the_client_and_not_the_node_that_forwards_and_believes_nobody_else()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has 127.0.0.5 without being told.");
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node a = await Node.StartAsync(store, options => options.NodeName = "a");
        await using Node b = await Node.StartAsync(store, options => options.NodeName = "b");
        await ReachAsync(b, "a");
        using HttpClient client = ClientAt("127.0.0.5");
        string sid = await OpenAsync(client, a);

        using var request = new HttpRequestMessage(HttpMethod.Post, $"{b.Url}{Engine}&sid={sid}") { Content = new StringContent("4x") };
        request.Headers.Host = "chat.example";
        request.Headers.Add("X-Forwarded-For", "10.9.8.7");
        Assert.Equal(HttpStatusCode.OK, (await client.SendAsync(request, Token)).StatusCode);
        SeenRequest seen = Assert.Single(a.Requests, seen => seen.Method == "POST");
        Assert.Equal((sid, IPAddress.Parse("127.0.0.5"), "http", "chat.example"), (seen.SessionId, seen.Address, seen.Scheme, seen.Host));

        // Whoever makes a mark up is who he is, and is not forwarded.
        string mark = ForwardMark.Create(b.Broker.Registry.Own.Secret, "GET", $"{Engine}&sid={sid}", "https", IPAddress.Parse("10.1.2.3"), 1, b.Broker.Registry.StoreTime);
        Assert.Equal(HttpStatusCode.OK, await MarkedAsync(client, a, mark, "/topics/t"));
        Assert.Equal(IPAddress.Parse("127.0.0.5"), a.Requests.Last().Address);
        Assert.Equal(HttpStatusCode.Gone, await MarkedAsync(client, b, mark, $"{Engine}&sid={sid}"));
    }

    [Fact]
    public async Task A_session_whose_node_is_unknown_dead_or_not_to_be_reached_is_gone_at_once()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node b = await Node.StartAsync(store, options => options.NodeName = "b");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        using var client = new HttpClient { Timeout = Node.Patience };

        HttpResponseMessage unknown = await client.GetAsync($"{b.Url}{Engine}&sid=nobody.abc", Token);
        Assert.Equal((HttpStatusCode.Gone, "{\"code\":1,\"message\":\"Session ID unknown\"}"), (unknown.StatusCode, await unknown.Content.ReadAsStringAsync(Token)));

        // Its own, which has ended, is another matter.
        Assert.Equal(HttpStatusCode.BadRequest, (await client.GetAsync($"{b.Url}{Engine}&sid=b.abc", Token)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await client.GetAsync($"{b.Url}{Engine}&sid=__proto__", Token)).StatusCode);

        // Killed, and its lease still lasts: nobody listens there. Bound and not listening, so that nobody else can take the port meanwhile.
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await RegisterAsync(link, "dead", new Uri($"http://127.0.0.1:{((IPEndPoint)silent.LocalEndPoint!).Port}"));

        await ReachAsync(b, "dead");
        Assert.Equal(HttpStatusCode.Gone, (await client.GetAsync($"{b.Url}{Engine}&sid=dead.abc", Token)).StatusCode);
        Assert.Equal(HttpStatusCode.Gone, (await client.PostAsync($"{b.Url}{Engine}&sid=dead.abc", new StringContent("4x"), Token)).StatusCode);
        Assert.True(b.HasLogged("RedisForwardFailed"));

        // One whose address is another's: nobody sends it on, and on.
        await RegisterAsync(link, "mirror", new Uri(b.Url));
        await ReachAsync(b, "mirror");
        Assert.Equal(HttpStatusCode.Gone, (await client.GetAsync($"{b.Url}{Engine}&sid=mirror.abc", Token)).StatusCode);
        Assert.Equal(2, b.Requests.Count(seen => seen.SessionId == "mirror.abc"));
    }

    [Fact]
    public async Task The_log_of_a_node_that_forwards_had_the_ids_of_sessions()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        using var client = new HttpClient { Timeout = Node.Patience };
        await using Node a = await Node.StartAsync(store, options => options.NodeName = "a");
        string sid = await OpenAsync(client, a);
        await using Node b = await Node.StartAsync(store, options => options.NodeName = "b");
        await ReachAsync(b, "a");

        Assert.Equal("6", await client.GetStringAsync($"{b.Url}{Engine}&sid={sid}&wait=0&access_token=secret", Token));

        // ASP.NET Core's own log of requests is the application's to set.
        IEnumerable<string> logged = b.Logged.Where(record => record.Category?.StartsWith("Microsoft.AspNetCore.", StringComparison.Ordinal) != true).Select(record => record.Message);
        Assert.DoesNotContain(logged, message => message.Contains(sid, StringComparison.Ordinal) || message.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Requests_for_a_node_that_does_not_listen_filled_the_log()
    {
        const int Requests = 200;
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node b = await Node.StartAsync(store, options => options.NodeName = "b");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        using var deaf = new System.Net.Sockets.Socket(SocketType.Stream, ProtocolType.Tcp);
        deaf.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await RegisterAsync(link, "dead", new Uri($"http://127.0.0.1:{((IPEndPoint)deaf.LocalEndPoint!).Port}"));
        await ReachAsync(b, "dead");
        using var client = new HttpClient { Timeout = Node.Patience };
        for (int i = 0; i < Requests; i++)
        {
            Assert.Equal(HttpStatusCode.Gone, (await client.GetAsync($"{b.Url}{Engine}&sid=dead.{i}", Token)).StatusCode);
        }

        int warnings = b.Logged.Count(record => record.Level == LogLevel.Warning);
        Assert.True(warnings <= Requests / 2, $"{warnings} warnings of {Requests} requests");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_request_for_a_machine_that_answers_nothing_was_504_though_its_lease_was_over(bool isConnected)
    {
        Assert.SkipUnless(isConnected || OperatingSystem.IsLinux(), "Only Linux is known to swallow a SYN for which there is no room.");
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node b = await Node.StartAsync(store, options => (options.NodeName, options.ForwardConnectTimeout) = ("b", Node.Patience));
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        using var machine = new SilentMachine();
        if (!isConnected)
        {
            await machine.SwallowAsync();
        }

        NodeRegistry silent = await RegisterAsync(link, "silent", machine.Address);
        await ReachAsync(b, "silent");
        using var client = new HttpClient { Timeout = Node.Patience };
        Task<HttpResponseMessage> get = client.GetAsync($"{b.Url}{Engine}&sid=silent.abc", Token);
        Task<HttpResponseMessage> post = client.PostAsync($"{b.Url}{Engine}&sid=silent.abc", new StringContent("4x"), Token);
        await Eventually.True(() => b.Services.GetRequiredService<SessionForwarder>().Active == 2);
        Assert.False(get.IsCompleted || post.IsCompleted);

        // As whoever finds its lease over does.
        await silent.LeaveAsync(Token);
        Assert.Equal((HttpStatusCode.Gone, HttpStatusCode.Gone), ((await get).StatusCode, (await post).StatusCode));
    }

    [Fact]
    public async Task A_node_that_lives_by_its_lease_and_is_not_reached_is_another_matter_than_one_that_is_gone()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux is known to swallow a SYN for which there is no room.");
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node b = await Node.StartAsync(store, options => (options.NodeName, options.ForwardConnectTimeout) = ("b", TimeSpan.FromSeconds(1)));
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        using var machine = new SilentMachine();
        await machine.SwallowAsync();
        await RegisterAsync(link, "silent", machine.Address);
        await ReachAsync(b, "silent");
        using var client = new HttpClient { Timeout = Node.Patience };
        HttpResponseMessage answer = await client.GetAsync($"{b.Url}{Engine}&sid=silent.abc", Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
        using var socket = new ClientWebSocket { Options = { CollectHttpResponseDetails = true } };
        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(new Uri($"{b.Url.Replace("http", "ws", StringComparison.Ordinal)}/echo?EIO=4&transport=websocket&sid=silent.abc"), Token));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, socket.HttpStatusCode);
    }

    [Fact]
    public async Task A_node_that_stops_ends_the_WebSockets_that_go_through_it_and_exits()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node a = await Node.StartAsync(store, options => options.NodeName = "a");
        await using Node b = await Node.StartAsync(store, options => options.NodeName = "b");
        await ReachAsync(b, "a");
        using var client = new HttpClient { Timeout = Node.Patience };
        string sid = await OpenAsync(client, a);
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"{b.Url.Replace("http", "ws", StringComparison.Ordinal)}/echo?EIO=4&transport=websocket&sid={sid}"), Token);
        await SendAsync(socket, "2probe");
        Assert.Equal("3probe", await ReceiveAsync(socket));
        await SendAsync(socket, "5");
        await SendAsync(socket, "4through");
        Assert.Equal("4through", await ReceiveAsync(socket));

        Task stopped = b.StopAsync();
        await Assert.ThrowsAsync<WebSocketException>(async () =>
        {
            while ((await socket.ReceiveAsync(new ArraySegment<byte>(new byte[100]), Token).WaitAsync(Node.Patience, Token)).MessageType != WebSocketMessageType.Close)
            {
            }

            throw new WebSocketException("Closed.");
        });
        await stopped.WaitAsync(Node.Patience, Token);

        // The session went with its WebSocket, and its own node, which stays, says so.
        while (!(await (await client.GetAsync($"{a.Url}{Engine}&sid={sid}", Token)).Content.ReadAsStringAsync(Token)).Contains("Session ID unknown", StringComparison.Ordinal))
        {
            await Task.Delay(10, Token);
        }
    }

    [Fact]
    public async Task Our_client_whose_node_is_gone_opens_a_new_session_on_another_by_the_same_transport()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using var line = new Relay(store.Port);
        await using Node a = await Node.StartAsync(line.Address, options => options.NodeName = "a");
        await using Node b = await Node.StartAsync(store, options => options.NodeName = "b");
        await ReachAsync(b, "a");
        await using var balancer = new Relay(a.Port);
        var options = new DuologueClientOptions
        {
            Connect = new ConnectOptions { Transports = Transports.LongPolling | Transports.Polling, ConnectTimeout = Node.Patience },
            InitialDelay = TimeSpan.FromMilliseconds(10),
        };
        await using var client = new DuologueClient(new Uri($"ws://{balancer.Address}/echo"), options);
        await client.OpenAsync(Token);
        await Eventually.True(() => a.Requests.Any(seen => seen.SessionId.StartsWith("a.", StringComparison.Ordinal)));

        // Nobody hears of it any more; the next request goes elsewhere, while one is still held there.
        line.Break();
        await Eventually.True(() => b.Broker.Nodes.Count == 1);
        balancer.LeadTo(b.Port);
        await client.SendAsync("refused", WhenAway.Keep, Token);
        await Eventually.True(() => b.Requests.Any(seen => seen.SessionId.StartsWith("b.", StringComparison.Ordinal)));
        Assert.Contains(b.Requests, seen => seen.SessionId.StartsWith("a.", StringComparison.Ordinal));

        await client.SendAsync("after", WhenAway.Keep, Token);
        await foreach (Message message in client.ReadAllAsync(Token))
        {
            if (message.Text == "after")
            {
                break;
            }
        }

        Assert.Equal(Transport.LongPolling, client.Connection!.Transport);
    }

    [Fact]
    public void A_mark_is_good_for_one_node_one_request_and_half_a_minute()
    {
        DateTimeOffset now = DateTimeOffset.UnixEpoch.AddDays(20_000);
        foreach (IPAddress? address in new[] { IPAddress.Parse("192.0.2.7"), IPAddress.Parse("2001:db8::7"), null })
        {
            string mark = ForwardMark.Create("secret", "GET", "/echo?sid=a.b", "https", address, 4711, now);
            ForwardedClient client = ForwardMark.Read(mark, "secret", "GET", "/echo?sid=a.b", now.AddSeconds(29))!;
            Assert.Equal(("https", address, 4711), (client.Scheme, client.Address, client.Port));
            Assert.NotNull(ForwardMark.Read(mark, "secret", "GET", "/echo?sid=a.b", now.AddSeconds(-29)));
            Assert.Null(ForwardMark.Read(mark, "another", "GET", "/echo?sid=a.b", now));
            Assert.Null(ForwardMark.Read(mark, "secret", "POST", "/echo?sid=a.b", now));
            Assert.Null(ForwardMark.Read(mark, "secret", "GET", "/echo?sid=a.c", now));
            Assert.Null(ForwardMark.Read(mark, "secret", "GET", "/echo?sid=a.b", now.AddSeconds(31)));
            Assert.Null(ForwardMark.Read(mark, "secret", "GET", "/echo?sid=a.b", now.AddSeconds(-31)));
            Assert.Null(ForwardMark.Read(mark.Replace("4711", "4712", StringComparison.Ordinal), "secret", "GET", "/echo?sid=a.b", now));
            Assert.Null(ForwardMark.Read(mark[..^1], "secret", "GET", "/echo?sid=a.b", now));
        }

        Assert.All(
            [null, "", "1 http - 0 1", "x http - 0 1 y", "1 ftp - 0 1 y", "1 http nowhere 0 1 y", "1 http - 65536 1 y", "1 http - 0 x y"],
            mark => Assert.Null(ForwardMark.Read(mark, "secret", "GET", "/", DateTimeOffset.UnixEpoch)));
    }

    [Fact]
    public void The_number_of_a_mark_is_known_again_for_as_long_as_it_can_be_good()
    {
        var time = new FakeTimeProvider();
        var seen = new SeenNonces(time);
        for (int i = 0; i < 10; i++)
        {
            Assert.True(seen.TryAdd(i));
            time.Advance(ForwardMark.Tolerance / 2);
            Assert.All(Enumerable.Range(Math.Max(0, i - 3), Math.Min(i + 1, 4)), before => Assert.False(seen.TryAdd(before)));
        }

        time.Advance(ForwardMark.Tolerance * 5);
        Assert.True(seen.TryAdd(0));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_mark_that_somebody_has_read_on_its_way_was_good_again(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node a = await Node.StartAsync(store, options => options.NodeName = "a");
        using var client = new HttpClient { Timeout = Node.Patience };
        string mark = ForwardMark.Create(a.Broker.Registry.Own.Secret, "GET", "/topics/t", "https", IPAddress.Parse("10.1.2.3"), 1, a.Broker.Registry.StoreTime);
        await MarkedAsync(client, a, mark, "/topics/t");
        Assert.Equal((IPAddress.Parse("10.1.2.3"), "https"), (a.Requests.Last().Address, a.Requests.Last().Scheme));
        await MarkedAsync(client, a, mark, "/topics/t");
        Assert.Equal((IPAddress.Loopback, "http"), (a.Requests.Last().Address, a.Requests.Last().Scheme));
    }

    [Fact]
    public async Task What_a_client_wrote_into_a_proxys_header_of_another_name_was_believed_behind_a_forward()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node a = await StartBehindProxyAsync(store, "a");
        await using Node b = await StartBehindProxyAsync(store, "b");
        await ReachAsync(b, "a");
        using var client = new HttpClient { Timeout = Node.Patience };
        string sid = await OpenAsync(client, a);
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{b.Url}{Engine}&sid={sid}") { Content = new StringContent("4x") };

        // The proxy has added the last address; the first is the client's own idea.
        request.Headers.Add("X-Chain", "10.9.8.7, 10.1.1.1");
        Assert.Equal(HttpStatusCode.OK, (await client.SendAsync(request, Token)).StatusCode);
        SeenRequest seen = Assert.Single(a.Requests, seen => seen.Method == "POST");
        Assert.Equal(IPAddress.Parse("10.1.1.1"), seen.Address);
    }

    private static Task<Node> StartBehindProxyAsync(StoreServer store, string name) => Node.StartAsync(
        store.PatientAddress,
        options => options.NodeName = name,
        services: services => services.Configure<ForwardedHeadersOptions>(options =>
        {
            (options.ForwardedHeaders, options.ForwardedForHeaderName) = (ForwardedHeaders.XForwardedFor, "X-Chain");
            options.KnownProxies.Clear();
            options.KnownIPNetworks.Clear();
        }));

    private static async Task ReachAsync(Node from, string node)
    {
        while ((await from.Broker.Registry.FindAsync(node, Token))?.Address is null)
        {
            await Task.Delay(10, Token);
        }
    }

    private static async Task<NodeRegistry> RegisterAsync(ConnectionMultiplexer link, string name, Uri address)
    {
        var registry = new NodeRegistry(
            new RedisBrokerOptions { NodeName = name, NodeAddress = address, HeartbeatInterval = TimeSpan.FromSeconds(60) },
            name,
            new TopicScripts("duologue:").Prefix,
            TimeProvider.System,
            NullLogger.Instance,
            () => link.GetDatabase(),
            new CallLimit(TimeProvider.System));
        await registry.RenewAsync(Token);
        Assert.True(registry.IsRegistered);
        return registry;
    }

    private static async Task<string> OpenAsync(HttpClient client, Node node)
    {
        string packet = await client.GetStringAsync(node.Url + Engine, Token);
        return JsonDocument.Parse(packet[1..]).RootElement.GetProperty("sid").GetString()!;
    }

    private static async Task<HttpStatusCode> MarkedAsync(HttpClient client, Node node, string mark, string target)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, node.Url + target);
        request.Headers.TryAddWithoutValidation(ForwardMark.Header, mark);
        return (await client.SendAsync(request, Token)).StatusCode;
    }

    private static HttpClient ClientAt(string address) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (context, token) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
            await socket.ConnectAsync(context.DnsEndPoint, token);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        Timeout = Node.Patience,
    };

    private static Task SendAsync(ClientWebSocket socket, string text) => socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, Token);

    private static async Task<string> ReceiveAsync(ClientWebSocket socket)
    {
        byte[] buffer = new byte[1_000];
        WebSocketReceiveResult result = await socket.ReceiveAsync(new ArraySegment<byte>(buffer), Token).WaitAsync(Node.Patience, Token);
        return Encoding.UTF8.GetString(buffer, 0, result.Count);
    }
}
