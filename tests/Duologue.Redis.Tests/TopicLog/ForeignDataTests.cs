using System.Net;
using System.Net.WebSockets;
using System.Text;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>Others have a hand in the same Redis: what they leave in a key that is Duologue's is told by name, and hurts nobody else.</summary>
public class ForeignDataTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_publish_that_redis_refused_was_answered_with_500()
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store);
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await stranger.GetDatabase().StringSetAsync("duologue:v3:{t:bad}h", "another application's");

        BrokerUnavailableException error = await Assert.ThrowsAsync<BrokerUnavailableException>(() => node.Topics.PublishAsync("bad", "x", Token).AsTask());
        Assert.False(error.IsUnknown);
        Assert.Contains("WRONGTYPE", error.Message, StringComparison.Ordinal);

        using var http = new HttpClient();
        using HttpResponseMessage answer = await http.PostAsync($"{node.Url}/topics/bad", new StringContent("x"), Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("WRONGTYPE", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    // OOM is in ROOM: it was told that Redis takes nothing for the moment, and of LOADING nothing until it was too late.
    [Theory]
    [InlineData("ROOM")]
    [InlineData("LOADING")]
    public async Task A_topic_with_the_code_of_an_error_in_its_name_was_taken_for_that_error(string topic)
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store, options => options.PublishTimeout = TimeSpan.FromSeconds(5));
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await stranger.GetDatabase().StringSetAsync($"duologue:v3:{{t:{topic}}}h", "another application's");

        BrokerUnavailableException error = await Assert.ThrowsAsync<BrokerUnavailableException>(() => node.Topics.PublishAsync(topic, "x", Token).AsTask());
        Assert.False(error.IsUnknown);
        Assert.StartsWith($"Redis refuses the message: WRONGTYPE The key duologue:v3:{{t:{topic}}}h is a string", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_publish_that_redis_refused_ended_the_socket_and_its_other_topics()
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store);
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await stranger.GetDatabase().StringSetAsync("duologue:v3:{t:bad}h", "another application's");

        using var socket = new ClientWebSocket();
        socket.Options.AddSubProtocol("duologue.topics.v1");
        await socket.ConnectAsync(new Uri($"{node.Url.Replace("http", "ws", StringComparison.Ordinal)}/topics"), Token);
        await socket.SendAsync(Encoding.UTF8.GetBytes("""{"type":"subscribe","topic":"good"}"""), WebSocketMessageType.Text, true, Token);
        Assert.Contains("subscribed", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
        Assert.Contains("items", await socket.ReceiveTextAsync(), StringComparison.Ordinal);

        await socket.SendAsync(Encoding.UTF8.GetBytes("""{"type":"publish","topic":"bad","data":"x","ref":1}"""), WebSocketMessageType.Text, true, Token);
        string error = await socket.ReceiveTextAsync();
        Assert.Contains("unavailable", error, StringComparison.Ordinal);
        Assert.Contains("WRONGTYPE", error, StringComparison.Ordinal);
        await node.Topics.PublishAsync("good", "after", Token);
        Assert.Contains("after", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("l", null)]
    [InlineData("h", "epoch")]
    public async Task A_log_with_what_is_no_entry_was_answered_with_500(string key, string? field)
    {
        await using var store = new RedisStore();
        await using Node node = await Node.StartAsync(store);
        await node.Topics.PublishAsync("t", "x", Token);
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await (field is null
            ? stranger.GetDatabase().ListRightPushAsync($"duologue:v3:{{t:t}}{key}", "another application's")
            : (Task)stranger.GetDatabase().HashSetAsync($"duologue:v3:{{t:t}}{key}", field, "another application's"));

        BrokerUnavailableException error = await Assert.ThrowsAsync<BrokerUnavailableException>(() => node.Topics.ReadAsync("t", TopicStart.Oldest, 10, Token).AsTask());
        Assert.Contains("duologue:v3:{t:t}", error.Message, StringComparison.Ordinal);

        using var http = new HttpClient();
        using HttpResponseMessage answer = await http.GetAsync($"{node.Url}/topics/t", Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
    }

    [Fact]
    public async Task A_message_that_is_in_the_log_was_refused_as_if_it_were_in_none()
    {
        await using var store = new RedisStore();
        await using ConnectionMultiplexer administrator = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await administrator.GetDatabase().ExecuteAsync("ACL", "SETUSER", "node", "on", ">secret", "~*", "&*", "+@all");
        await using Node node = await Node.StartAsync(store.PatientAddress + ",user=node,password=secret");
        await administrator.GetDatabase().ExecuteAsync("ACL", "SETUSER", "node", "-publish");

        BrokerUnavailableException error = await Assert.ThrowsAsync<BrokerUnavailableException>(() => node.Topics.PublishAsync("t", "x", "key", Token).AsTask());
        Assert.Contains("tell others", error.Message, StringComparison.Ordinal);
        Assert.Single((await node.Topics.ReadAsync("t", TopicStart.Oldest, 10, Token)).Messages);
        Assert.True(error.IsUnknown);

        // Who repeats it with its key is told where it stands.
        await administrator.GetDatabase().ExecuteAsync("ACL", "SETUSER", "node", "+publish");
        Assert.Equal(1, (await node.Topics.PublishAsync("t", "x", "key", Token)).Offset);
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task One_field_of_the_registry_that_is_no_node_ended_all_leases(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        await using Node first = await Node.StartAsync(store);
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        IDatabase database = stranger.GetDatabase();
        await database.HashSetAsync("duologue:v3:nodes", [new HashEntry("=bad", "another application's"), new HashEntry("bad", "x")]);

        await using Node second = await Node.StartAsync(store);
        await Eventually.True(() => first.Broker.Nodes.Count == 2 && second.Broker.Nodes.Count == 2);
        Assert.False(await database.HashExistsAsync("duologue:v3:nodes", "=bad"));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task A_copy_of_a_nodes_entry_ended_the_hearing_of_who_subscribes(string kind)
    {
        await using StoreServer store = StoreServer.Start(kind);
        Node first = await Node.StartAsync(store, options => options.NodeName = "first");
        await using Node second = await Node.StartAsync(store, options => options.NodeName = "second");
        await Eventually.True(() => first.Broker.Nodes.Contains("second"));
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        IDatabase database = stranger.GetDatabase();
        string entry = (string)(await database.HashGetAsync("duologue:v3:nodes", "=second"))!;
        string copy = "9999999999999" + entry[entry.IndexOf(' ', StringComparison.Ordinal)..];
        await database.HashSetAsync("duologue:v3:nodes", "=copy", copy);
        await Eventually.True(() => first.Broker.Nodes.Contains("copy"));

        second.Broker.Announce("room", new TopicSubscriber("one", null), joined: true);

        await Eventually.True(() => first.Topics.CountSubscribers("room") == 1);

        // That its end is none by an error is what this is for: it waits for what hears.
        await first.DisposeAsync();
    }
}
