using System.Text.Json;
using Duologue.Cli.Talk;
using Duologue.Cli.Tests.Support;
using Duologue.Redis.Tests.Support;

namespace Duologue.Cli.Tests.Talk;

/// <summary>The talk of several <c>duologue serve --redis</c> is one, as docs/talk.md describes it.</summary>
public sealed class SharedTalkTests
{
    [Fact]
    public async Task Two_people_on_two_nodes_are_in_one_talk()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool one = await StartAsync(store, "one");
        await using ServeTool two = await StartAsync(store, "two");
        (TestClient ada, JsonElement adas) = await WelcomeAsync(one, "?name=Ada");
        (TestClient other, JsonElement others) = await WelcomeAsync(two, "?name=ADA");
        await using TestClient firstOwned = ada, secondOwned = other;
        Assert.Equal("ADA 2", NameOf(others.GetProperty("you")));
        Assert.Equal(["Ada", "ADA 2"], others.GetProperty("people").EnumerateArray().Select(NameOf));
        Assert.Equal(adas.GetProperty("talk").GetString(), others.GetProperty("talk").GetString());
        Assert.NotEqual(adas.GetProperty("you").GetProperty("id").GetInt32(), others.GetProperty("you").GetProperty("id").GetInt32());
        Assert.Equal("ADA 2", NameOf((await ada.ReceiveEventAsync("joined")).GetProperty("who")));

        await ada.SendAsync("""{"type":"say","text":"hello"}""");
        await other.SendAsync("""{"type":"say","text":"hello to you"}""");
        string[] heardByOne = [await HearAsync(ada), await HearAsync(ada)];
        Assert.Equal<IEnumerable<string>>(heardByOne, [await HearAsync(other), await HearAsync(other)]);
        await other.SendAsync("""{"type":"name","name":"Grace"}""");
        Assert.Equal("Grace", NameOf((await ada.ReceiveEventAsync("named")).GetProperty("who")));

        await using TestClient plain = await TestClient.ConnectAsync(two.At("/?history=2"));
        Assert.Equal<IEnumerable<string>>(heardByOne.Select(each => each.Split('/')[1]), [(await plain.ReceiveAsync()).Text, (await plain.ReceiveAsync()).Text]);
        await plain.SendAsync("/who");
        Assert.Equal("* here: Ada, Grace, guest-3", await plain.ReceiveTextAsync(line => line.StartsWith("* here", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_node_that_comes_later_has_the_same_people_and_history_and_files()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool one = await StartAsync(store, "one");
        await using TestClient ada = await TestClient.JoinTalkAsync(one, "/?name=Ada");
        byte[] content = [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i * 31))];
        await ada.SendAsync("said before");
        await ada.ReceiveTextAsync(line => line == "Ada: said before");
        await ada.SendAsync(content);
        await ada.ReceiveTextAsync(line => line.StartsWith("* Ada sent", StringComparison.Ordinal));

        await using ServeTool two = await StartAsync(store, "two");
        (TestClient late, JsonElement welcome) = await WelcomeAsync(two, "");
        await using TestClient owned = late;
        Assert.Equal(["Ada", "guest-2"], welcome.GetProperty("people").EnumerateArray().Select(NameOf));
        Assert.Equal("1/Ada: said before", await HearAsync(late));
        (MessageType type, byte[] file, _) = await late.ReceiveAsync();
        Assert.Equal(MessageType.Binary, type);
        Assert.Equal(content, file[^content.Length..]);
    }

    [Fact]
    public async Task The_people_of_a_node_that_is_killed_leave_and_who_comes_back_by_another_has_missed_nothing()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool one = await StartAsync(store, "one");
        await using ServeTool two = await StartAsync(store, "two");
        await using TestClient ben = await TestClient.JoinTalkAsync(one, "/?name=Ben");
        (TestClient before, JsonElement welcome) = await WelcomeAsync(two, "?name=Ada");
        await using TestClient left = before;
        await using TestClient silent = await TestClient.JoinTalkAsync(two, "/?name=Cy");
        await ben.ReceiveTextAsync(line => line == "* Cy joined from a terminal");
        await two.Tool.KillAsync();
        await ben.SendAsync("said meanwhile");
        string key = welcome.GetProperty("key").GetString()!;
        (TestClient after, JsonElement again) = await WelcomeAsync(one, $"?name=Ada&was={key}");
        await using TestClient owned = after;
        Assert.Equal("Ada", NameOf(again.GetProperty("you")));
        Assert.Equal(welcome.GetProperty("talk").GetString(), again.GetProperty("talk").GetString());
        Assert.Equal("1/Ben: said meanwhile", await HearAsync(after));
        await ben.ReceiveTextAsync(line => line == "* Cy left");
        await ben.SendAsync("/who");
        Assert.Equal("* here: Ben, Ada", await ben.ReceiveTextAsync(line => line.StartsWith("* here", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_node_that_stops_takes_its_people_with_it()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool one = await StartAsync(store, "one");
        await using ServeTool two = await StartAsync(store, "two", "--drain-window", "100ms");
        await using TestClient ben = await TestClient.JoinTalkAsync(one, "/?name=Ben");
        await using TestClient ada = await TestClient.JoinTalkAsync(two, "/?name=Ada");
        await ben.ReceiveTextAsync(line => line == "* Ada joined from a terminal");
        two.Tool.Terminate();
        await ben.ReceiveTextAsync(line => line == "* Ada left");
        (int code, _, string error) = await two.Tool.WaitAsync();
        Assert.Equal(0, code);
        Assert.DoesNotContain("fail:", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_passed_on_while_redis_is_away_is_said_and_the_talk_goes_on_when_it_is_back()
    {
        await using var store = new RedisStore();
        await using ServeTool one = await StartAsync(store, "one");
        await using TestClient ada = await TestClient.JoinTalkAsync(one, "/?name=Ada");
        await ada.SendAsync("before");
        await ada.ReceiveTextAsync(line => line == "Ada: before");
        await store.KillAsync();
        await ada.SendAsync("meanwhile");
        await ada.ReceiveTextAsync(line => line.StartsWith("* not sent: ", StringComparison.Ordinal));
        await store.RestartAsync();
        await one.Tool.WaitForErrorAsync(line => line.Contains("is there; node one", StringComparison.Ordinal));
        await ada.SendAsync("after");
        await ada.ReceiveTextAsync(line => line == "Ada: after");
        Assert.DoesNotContain("Exception", one.Tool.Error, StringComparison.Ordinal);
    }

    private static Task<ServeTool> StartAsync(StoreServer store, string node, params string[] more) =>
        ServeTool.StartAsync(["--redis", store.Address, "--node", node, .. more]);

    private static async Task<(TestClient Client, JsonElement Welcome)> WelcomeAsync(ServeTool node, string query)
    {
        TestClient client = await TestClient.ConnectAsync(node.At("/talk" + query), TalkProtocol.Name);
        return (client, await client.ReceiveEventAsync("welcome"));
    }

    private static async Task<string> HearAsync(TestClient client)
    {
        JsonElement said = await client.ReceiveEventAsync("said");
        return $"{said.GetProperty("seq").GetInt32()}/{NameOf(said.GetProperty("from"))}: {said.GetProperty("text").GetString()}";
    }

    private static string NameOf(JsonElement person) => person.GetProperty("name").GetString()!;
}
