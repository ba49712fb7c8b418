using System.Net;
using System.Text.Json;
using Duologue.Cli.Serve;
using Duologue.Cli.Tests.Support;
using Duologue.Redis.Tests.Support;
using StackExchange.Redis;

namespace Duologue.Cli.Tests.Serve;

/// <summary>Several <c>duologue serve --redis</c> are nodes of one.</summary>
public sealed class RedisTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_published_to_one_node_is_polled_and_pushed_by_the_other()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool one = await StartAsync(store, "one");
        await using ServeTool two = await StartAsync(store, "two");
        using var http = new HttpClient();
        await using TestClient socket = await TestClient.ConnectAsync(two.At("/topics/news?after=now"));
        await socket.ReceiveAsync();
        using HttpResponseMessage posted = await http.PostAsync(new Uri($"{one.Url}/topics/news"), new StringContent("extra!"), Token);
        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        Assert.Contains("extra!", (await socket.ReceiveAsync()).Text, StringComparison.Ordinal);
        using JsonDocument page = JsonDocument.Parse(await http.GetStringAsync(new Uri($"{two.Url}/topics/news"), Token));
        Assert.Equal("extra!", page.RootElement.GetProperty("items")[0].GetProperty("data").GetString());
    }

    [Fact]
    public async Task What_is_sent_to_publish_at_one_node_reaches_the_fan_out_of_the_other()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool one = await StartAsync(store, "one");
        await using ServeTool two = await StartAsync(store, "two");
        await using TestClient listener = await TestClient.ConnectAsync(two.At("/fanout"));
        await using TestClient source = await TestClient.ConnectAsync(one.At("/fanout/publish"));
        Task<(MessageType, byte[] Data, string Text)> heard = ReceiveAsync(listener);

        // The node subscribes in its own time, and the fan-out has no history: it is told until it hears.
        while (!heard.IsCompleted)
        {
            await source.SendAsync("to all");
            await Task.WhenAny(heard, Task.Delay(100, Token));
        }

        Assert.Equal("to all", (await heard).Text);
    }

    [Fact]
    public async Task A_server_whose_redis_is_away_says_so_and_why_stays_and_comes_back()
    {
        await using var store = new RedisStore();
        await store.KillAsync();
        await using ServeTool server = await StartAsync(store, "one");
        string error = await server.Tool.WaitForErrorAsync(line => line.StartsWith("error:", StringComparison.Ordinal));
        Assert.Contains(store.Address, error, StringComparison.Ordinal);
        Assert.Contains("does not answer yet", error, StringComparison.Ordinal);
        string cause = await server.Tool.WaitForErrorAsync(line => line.Contains("cannot be reached", StringComparison.Ordinal));
        Assert.Contains($"Redis at {store.Address} cannot be reached: Connection refused.", cause, StringComparison.Ordinal);
        using var http = new HttpClient();
        using HttpResponseMessage page = await http.GetAsync(new Uri(server.Url), Token);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);

        await store.RestartAsync();
        await server.Tool.WaitForErrorAsync(line => line.Contains("is there; node one", StringComparison.Ordinal));
        using HttpResponseMessage posted = await http.PostAsync(new Uri($"{server.Url}/topics/news"), new StringContent("extra!"), Token);
        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        Assert.DoesNotContain("Exception", server.Tool.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_password_was_told_as_a_redis_that_cannot_be_reached()
    {
        await using var store = new RedisStore("--port", "{port}", "--requirepass", "right");
        await using ServeTool server = await ServeTool.StartAsync("--redis", store.Address + ",password=geheim", "--node", "one");
        string error = await server.Tool.WaitForErrorAsync(line => line.Contains("refuses", StringComparison.Ordinal));
        Assert.Contains($"Redis at {store.Address} refuses what makes the link: ", error, StringComparison.Ordinal);
        Assert.Contains("NOAUTH", error, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", server.Tool.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", server.Tool.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_takes_no_TLS_was_told_as_one_that_refuses_over_and_over()
    {
        await using var store = new RedisStore();
        await using ServeTool server = await ServeTool.StartAsync("--redis", store.Address + ",ssl=true,connectTimeout=1000,password=geheim", "--node", "one");
        string error = await server.Tool.WaitForErrorAsync(line => line.Contains("cannot be reached: ", StringComparison.Ordinal));
        Assert.Contains(store.Address, error, StringComparison.Ordinal);
        Assert.Contains("TLS", error, StringComparison.Ordinal);
        Assert.DoesNotContain("refuses", server.Tool.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", server.Tool.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", server.Tool.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_that_is_lost_is_said_and_so_is_its_return()
    {
        await using var store = new RedisStore();
        await using ServeTool server = await StartAsync(store, "one");
        using var http = new HttpClient();
        using HttpResponseMessage posted = await http.PostAsync(new Uri($"{server.Url}/topics/news"), new StringContent("extra!"), Token);
        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        await store.KillAsync();
        await server.Tool.WaitForErrorAsync(line => line.Contains("is lost", StringComparison.Ordinal));
        await store.RestartAsync();
        await server.Tool.WaitForErrorAsync(line => line.Contains("is there; node one", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_line_says_where_topics_are_and_no_password()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool server = await ServeTool.StartAsync("--redis", store.Address + ",password=geheim", "--node", "one");
        string line = await server.Tool.WaitForErrorAsync(line => line.Contains("  redis ", StringComparison.Ordinal));
        Assert.Contains($"{store.Address}, as node one", line, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", server.Tool.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("localhost", "localhost:6379")]
    [InlineData("cache.example.com:6380,ssl=true,password=geheim", "cache.example.com:6380")]
    [InlineData("127.0.0.1:1,[::1]:2", "127.0.0.1:1, [::1]:2")]
    public void Servers_are_read_and_shown(string given, string shown)
    {
        Assert.Null(RedisChoice.TryRead(given, out ConfigurationOptions? configuration));
        Assert.Equal(shown, RedisChoice.Describe(configuration!));
    }

    [Theory]
    [InlineData("localhost:6379,password=geheim,nonsense=1")]
    [InlineData("redis://:geheim@localhost:6379")]
    public void What_cannot_be_read_is_said_without_the_password(string given)
    {
        string? error = RedisChoice.TryRead(given, out _);
        Assert.NotNull(error);
        Assert.DoesNotContain("geheim", error, StringComparison.Ordinal);
        Assert.Contains("HOST:PORT", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "no server is named.")]
    [InlineData("localhost:port", "no host with a port from 1 to 65535 is named.")]
    [InlineData("localhost:99999", "'65535'.")]
    [InlineData("localhost:6379,nonsense=1", "not supported.")]
    public void What_cannot_be_read_was_said_to_name_no_server_or_with_two_full_stops(string given, string end)
    {
        string? error = RedisChoice.TryRead(given, out _);
        Assert.EndsWith(end, error, StringComparison.Ordinal);
        Assert.DoesNotContain("..", error, StringComparison.Ordinal);
    }

    private static Task<ServeTool> StartAsync(StoreServer store, string node) => ServeTool.StartAsync("--redis", store.Address, "--node", node);

    private static async Task<(MessageType Type, byte[] Data, string Text)> ReceiveAsync(TestClient client)
    {
        (MessageType type, byte[] data, string text) = await client.ReceiveAsync();
        return (type, data, text);
    }
}
