using System.Globalization;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;
using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Feed;

public class TopicsHandlerTests
{
    [Fact]
    public async Task Many_topics_on_one_socket()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        feed.Topics.Publish("a", "old");
        using ClientWebSocket socket = await feed.Host.OpenTopicsAsync();

        await socket.SendTextAsync("""{"type":"subscribe","topic":"a","after":"oldest","ref":1}""");
        AssertJson("""{"topic":"a","ref":1,"type":"subscribed"}""", await socket.ReceiveTextAsync());
        JsonElement page = await ReceiveAsync(socket);
        Assert.Equal(("items", "a", "old"), (Text(page, "type"), Text(page, "topic"), Text(page.GetProperty("items")[0], "data")));

        await socket.SendTextAsync("""{"type":"subscribe","topic":"b"}""");
        AssertJson("""{"topic":"b","type":"subscribed"}""", await socket.ReceiveTextAsync());
        JsonElement empty = await ReceiveAsync(socket);
        Assert.Equal(("b", 0), (Text(empty, "topic"), empty.GetProperty("items").GetArrayLength()));
        Assert.Equal(FeedPage.Parse(page.GetRawText()).Next, FeedPage.Parse(page.GetRawText()).Ids[0]);

        await socket.SendTextAsync("""{"type":"publish","topic":"b","data":{"x": 1},"ref":"p"}""");
        JsonElement[] two = [await ReceiveAsync(socket), await ReceiveAsync(socket)];
        JsonElement item = two.Single(message => Text(message, "type") == "items");
        JsonElement published = two.Single(message => Text(message, "type") == "published");
        Assert.Equal("""{"x":1}""", item.GetProperty("items")[0].GetProperty("data").GetRawText());
        Assert.Equal((Text(item, "next"), "p", "b"), (Text(published, "id"), Text(published, "ref"), Text(published, "topic")));

        await socket.SendTextAsync("""{"type":"unsubscribe","topic":"b","ref":3}""");
        AssertJson("""{"type":"unsubscribed","topic":"b","ref":3}""", await socket.ReceiveTextAsync());
        feed.Topics.Publish("b", "unheard");
        feed.Topics.Publish("a", "heard");
        Assert.Equal("heard", Text((await ReceiveAsync(socket)).GetProperty("items")[0], "data"));
        await socket.SendTextAsync("""{"type":"ping","ref":4}""");
        AssertJson("""{"type":"pong","ref":4}""", await socket.ReceiveTextAsync());
    }

    [Fact]
    public async Task A_null_was_published_by_POST_and_no_data_on_a_socket()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        using ClientWebSocket socket = await feed.Host.OpenTopicsAsync();

        await socket.SendTextAsync("""{"type":"publish","topic":"a","data":null,"ref":1}""");
        Assert.Equal("published", Text(await ReceiveAsync(socket), "type"));
        using HttpResponseMessage posted = await feed.Http.PostAsync("/topics/a", JsonContent.Create<object?>(null), TestContext.Current.CancellationToken);
        Assert.True(posted.IsSuccessStatusCode);

        string page = await feed.Http.GetStringAsync("/topics/a", TestContext.Current.CancellationToken);
        Assert.Equal(2, page.Split("\"data\":null}").Length - 1);

        await socket.SendTextAsync("""{"type":"publish","topic":"a","ref":2}""");
        Assert.Equal("bad_request", Text(await ReceiveAsync(socket), "code"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_being_handed_out_meanwhile_came_behind_unsubscribed(bool isPresence)
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using ClientWebSocket early = await feed.Host.OpenTopicsAsync();
        await SubscribeAsync(early);
        Connection first = Latest();
        using ClientWebSocket second = await feed.Host.OpenTopicsAsync();
        await SubscribeAsync(second);
        ConnectionState stuck = ConnectionState.Of(Latest(), out _);
        using ClientWebSocket leaving = await feed.Host.OpenTopicsAsync();
        await SubscribeAsync(leaving);
        using ClientWebSocket last = await feed.Host.OpenTopicsAsync();
        Connection other = Latest();

        // The second of them can be given nothing for a while, so that those behind it wait for what they are to have. What the first has by then does not leave before all have it.
        await Eventually.True(() => first.BufferedAmount == 0);
        using var release = new ManualResetEventSlim();
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task holding = Task.Factory.StartNew(
            () =>
            {
                lock (stuck)
                {
                    held.SetResult();
                    release.Wait(TestHost.Patience);
                }
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        await held.Task;
        Task handingOut = Task.Run(() => _ = isPresence ? other.Subscribe("t") : feed.Topics.Publish("t", "news") != default, TestContext.Current.CancellationToken);
        await Eventually.True(() => first.BufferedAmount > 0);
        await leaving.SendTextAsync("""{"type":"unsubscribe","topic":"t"}""");
        Task<JsonElement> answer = ReceiveAsync(leaving);
        await Task.WhenAny(answer, Task.Delay(300, TestContext.Current.CancellationToken));
        release.Set();
        await Task.WhenAll(holding, handingOut);

        List<string> types = [Text(await answer, "type")];
        await leaving.SendTextAsync("""{"type":"ping"}""");
        while (types[^1] != "pong")
        {
            types.Add(Text(await ReceiveAsync(leaving), "type"));
        }

        // What has its place before is there before; nothing is behind.
        Assert.Equal([isPresence ? "joined" : "items", "unsubscribed", "pong"], types);

        Connection Latest() => feed.Host.Connections.MaxBy(connection => int.Parse(connection.Id, CultureInfo.InvariantCulture))!;

        async Task SubscribeAsync(ClientWebSocket socket)
        {
            await socket.SendTextAsync($$"""{"type":"subscribe","topic":"t","presence":{{(isPresence ? "true" : "false")}}}""");
            string last;
            do
            {
                last = Text(await ReceiveAsync(socket), "type");
            }
            while (last != (isPresence ? "present" : "items"));
        }
    }

    [Fact]
    public async Task Text_and_binary_are_published_as_such()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        using ClientWebSocket socket = await feed.Host.OpenTopicsAsync();
        await socket.SendTextAsync("""{"type":"publish","topic":"t","data":"text"}""");
        await socket.ReceiveTextAsync();
        await socket.SendTextAsync("""{"type":"publish","topic":"t","data":"AAH/","encoding":"base64"}""");
        await socket.ReceiveTextAsync();
        TopicPage page = await feed.Topics.ReadAsync("t", TopicStart.Oldest, 10, TestContext.Current.CancellationToken);
        Assert.Equal([(MessageType.Text, false), (MessageType.Binary, false)], page.Messages.Select(message => (message.Type, message.IsJson)));
        Assert.Equal([0, 1, 255], page.Messages[1].Data.ToArray());
    }

    [Fact]
    public async Task A_repeat_with_the_same_key_is_published_once()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        List<string> ids = [];
        for (int socket = 0; socket < 2; socket++)
        {
            using ClientWebSocket publisher = await feed.Host.OpenTopicsAsync();
            foreach (string message in (string[])["""{"type":"publish","topic":"t","data":"text","key":"1"}""", """{"type":"publish","topic":"t","data":[],"key":"2"}""", """{"type":"publish","topic":"t","data":"AAH/","encoding":"base64","key":"3"}"""])
            {
                await publisher.SendTextAsync(message);
                ids.Add(Text(await ReceiveAsync(publisher), "id"));
            }
        }

        Assert.Equal(ids[..3], ids[3..]);
        Assert.Equal(ids[..3], (await feed.PollAsync("/topics/t")).Ids);
        using ClientWebSocket other = await feed.Host.OpenTopicsAsync();
        await other.SendTextAsync("""{"type":"publish","topic":"t","data":"text","key":"no key","ref":9}""");
        JsonElement error = await ReceiveAsync(other);
        Assert.Equal(("bad_request", 9), (Text(error, "code"), error.GetProperty("ref").GetInt32()));
    }

    [Fact]
    public async Task Wildcards_are_live_and_the_application_is_asked_for_each_topic()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AuthorizeSubscribe = access => !access.Topic.Contains("secret", StringComparison.Ordinal));
        using ClientWebSocket socket = await feed.Host.OpenTopicsAsync();
        await socket.SendTextAsync("""{"type":"subscribe","topic":"news/**"}""");
        AssertJson("""{"topic":"news/**","type":"subscribed"}""", await socket.ReceiveTextAsync());
        feed.Topics.Publish("news/secret", "no");
        feed.Topics.Publish("other", "no");
        feed.Topics.Publish("news/a", "yes");
        feed.Topics.Publish("news/a/b", "yes, too");
        JsonElement first = await ReceiveAsync(socket);
        JsonElement second = await ReceiveAsync(socket);
        Assert.Equal(("news/a", "news/a/b"), (Text(first, "topic"), Text(second, "topic")));
        await socket.SendTextAsync("""{"type":"unsubscribe","topic":"news/**"}""");
        await socket.ReceiveTextAsync();
        Assert.Equal(default, feed.Topics.Publish("news/a", "unheard"));
    }

    [Fact]
    public async Task Presence_tells_who_is_there_who_joins_and_who_leaves()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using ClientWebSocket watcher = await feed.Host.OpenTopicsAsync();
        await watcher.SendTextAsync("""{"type":"subscribe","topic":"room","presence":true}""");
        await watcher.ReceiveTextAsync();
        await watcher.ReceiveTextAsync();
        JsonElement present = await ReceiveAsync(watcher);
        Assert.Equal(("present", 1), (Text(present, "type"), present.GetProperty("subscribers").GetArrayLength()));

        using ClientWebSocket guest = await feed.Host.ConnectAsync("/topics/room");
        JsonElement joined = await ReceiveAsync(watcher);
        Assert.Equal(("joined", "room"), (Text(joined, "type"), Text(joined, "topic")));
        guest.Abort();
        JsonElement left = await ReceiveAsync(watcher);
        Assert.Equal("left", Text(left, "type"));
        Assert.Equal(Text(joined.GetProperty("subscriber"), "id"), Text(left.GetProperty("subscriber"), "id"));
    }

    [Theory]
    [InlineData("""{"type":"publish","topic":"a","ref":"p7","data":{"x":1,"x":2}}""")]
    [InlineData("""{"data":[[1]],"ref":"p7","type":1}""")]
    [InlineData("""{"ref":"p7","data":""")]
    public async Task What_was_no_request_was_refused_without_the_ref_that_stood_in_it(string request)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        using ClientWebSocket socket = await feed.Host.OpenTopicsAsync();
        await socket.SendTextAsync(request);
        JsonElement error = await ReceiveAsync(socket);
        Assert.Equal(("error", "bad_message", "p7"), (Text(error, "type"), Text(error, "code"), Text(error, "ref")));
    }

    [Theory]
    [InlineData("no json", "bad_message")]
    [InlineData("[]", "bad_message")]
    [InlineData("null", "bad_message")]
    [InlineData("""{"type":"dance"}""", "bad_message")]
    [InlineData("""{"topic":"a"}""", "bad_message")]
    [InlineData("""{"type":"subscribe","topic":"a","topic":"b"}""", "bad_message")]
    [InlineData("""{"type":"ping","ref":{}}""", "bad_message")]
    [InlineData("""{"type":"subscribe"}""", "bad_topic")]
    [InlineData("""{"type":"subscribe","topic":"a//b"}""", "bad_topic")]
    [InlineData("""{"type":"subscribe","topic":"a","after":"rubbish"}""", "bad_cursor")]
    [InlineData("""{"type":"subscribe","topic":"*","after":"oldest"}""", "bad_request")]
    [InlineData("""{"type":"subscribe","topic":"secret"}""", "forbidden")]
    [InlineData("""{"type":"unsubscribe","topic":"a"}""", "not_subscribed")]
    [InlineData("""{"type":"publish","topic":"*","data":1}""", "bad_topic")]
    [InlineData("""{"type":"publish","topic":"closed","data":1}""", "forbidden")]
    [InlineData("""{"type":"publish","topic":"a"}""", "bad_request")]
    [InlineData("""{"type":"publish","topic":"a","data":"?","encoding":"base64"}""", "bad_request")]
    [InlineData("""{"type":"publish","topic":"a","data":"?","encoding":"rot13"}""", "bad_request")]
    [InlineData("""{"type":"publish","topic":"a","data":"\ud800"}""", "bad_request")]
    [InlineData("""{"type":"publish","topic":"a","data":"\ud800","encoding":"base64"}""", "bad_request")]
    [InlineData("""{"type":"publish","topic":"a","data":["\udc00"]}""", "bad_request")]
    [InlineData("""{"type":"ping","ref":"\ud800"}""", "bad_message")]
    [InlineData("""{"type":"subscribe","topic":"\ud800"}""", "bad_message")]
    [InlineData("""{"\ud800":1,"ref":""", "bad_message")]
    public async Task What_is_wrong_is_said_and_the_socket_goes_on(string request, string code)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint =>
        {
            endpoint.AllowPublishing = true;
            endpoint.AuthorizeSubscribe = access => access.Topic != "secret";
            endpoint.AuthorizePublish = access => access.Topic != "closed";
        });
        using ClientWebSocket socket = await feed.Host.OpenTopicsAsync();
        await socket.SendTextAsync(request);
        JsonElement error = await ReceiveAsync(socket);
        Assert.Equal(("error", code), (Text(error, "type"), Text(error, "code")));
        Assert.NotEmpty(Text(error, "message"));
        await socket.SendTextAsync("""{"type":"ping"}""");
        AssertJson("""{"type":"pong"}""", await socket.ReceiveTextAsync());
    }

    [Fact]
    public async Task Limits_are_errors_that_name_them()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true, options => (options.MaxTopics, options.MaxTopicsPerConnection) = (2, 1));
        using ClientWebSocket socket = await feed.Host.OpenTopicsAsync();
        await socket.SendTextAsync("""{"type":"subscribe","topic":"a"}""");
        await socket.ReceiveTextAsync();
        await socket.ReceiveTextAsync();
        await socket.SendTextAsync("""{"type":"subscribe","topic":"a"}""");
        Assert.Contains("already_subscribed", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
        await socket.SendTextAsync("""{"type":"subscribe","topic":"b"}""");
        JsonElement own = await ReceiveAsync(socket);
        Assert.Equal(("limit", "max_topics_per_connection"), (Text(own, "code"), Text(own, "limit")));
        Assert.Contains("MaxTopicsPerConnection", Text(own, "message"), StringComparison.Ordinal);
        feed.Topics.Publish("c", "x");
        await socket.SendTextAsync("""{"type":"publish","topic":"d","data":1,"ref":9}""");
        JsonElement error = await ReceiveAsync(socket);
        Assert.Equal(("limit", "max_topics", 9), (Text(error, "code"), Text(error, "limit"), error.GetProperty("ref").GetInt32()));
    }

    [Fact]
    public async Task A_client_without_the_subprotocol_is_refused()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        RawAnswer answer = await feed.Host.HandshakeAsync("/topics");
        Assert.Equal(400, answer.Status);
        Assert.Contains(TopicsProtocol.Name, answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_socket_of_many_topics_had_a_handler_and_a_setup_of_its_own()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using ClientWebSocket one = await feed.Host.OpenTopicsAsync();
        using ClientWebSocket other = await feed.Host.OpenTopicsAsync();
        ConnectionSetup[] setups = [.. feed.Host.Connections.Open.Select(connection => connection.Setup)];
        Assert.Equal(2, setups.Length);
        Assert.Same(setups[0], setups[1]);
    }

    private static async Task<JsonElement> ReceiveAsync(ClientWebSocket socket)
    {
        string text = await socket.ReceiveTextAsync();
        Assert.False(text.StartsWith("close", StringComparison.Ordinal), text);
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private static void AssertJson(string expected, string actual)
    {
        using JsonDocument e = JsonDocument.Parse(expected);
        using JsonDocument a = JsonDocument.Parse(actual);
        Assert.True(JsonElement.DeepEquals(e.RootElement, a.RootElement), actual);
    }
}
