using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Duologue.Cli.Talk;
using Duologue.Cli.Tests.Support;
using Duologue.Tests.Shared;

namespace Duologue.Cli.Tests.Talk;

/// <summary>The talk as docs/talk.md describes it, through the real server.</summary>
public sealed class TalkTests
{
    [Fact]
    public async Task A_plain_text_is_talk_from_a_guest_and_an_upgrade_on_the_root_joins()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient one = await TestClient.JoinTalkAsync(server, "/");
        await using TestClient two = await TestClient.JoinTalkAsync(server, "/talk");
        await one.ReceiveTextAsync(line => line == "* guest-2 joined from a terminal");
        await one.SendAsync("hello everyone");
        Assert.Equal("guest-1: hello everyone", (await one.ReceiveAsync()).Text);
        Assert.Equal("guest-1: hello everyone", (await two.ReceiveAsync()).Text);
    }

    [Fact]
    public async Task A_server_with_as_many_topics_as_there_may_be_goes_on()
    {
        await using ServeTool server = await ServeTool.StartAsync("--max-topics", "1");
        await using TestClient page = await TestClient.ConnectAsync(server.At("/talk?name=Ben"), TalkProtocol.Name);
        await page.ReceiveEventAsync("clock");
        await page.ReceiveEventAsync("clock");
    }

    [Fact]
    public async Task A_plain_client_names_itself_asks_who_is_here_and_sees_others_leave()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient ada = await TestClient.JoinTalkAsync(server, "/?name=Ada");
        await using (TestClient other = await TestClient.JoinTalkAsync(server, "/?name=ADA"))
        {
            await ada.ReceiveTextAsync(line => line == "* ADA 2 joined from a terminal");
            await other.SendAsync("/name Grace");
            Assert.Equal("* ADA 2 is now Grace", await ada.ReceiveTextAsync(line => line.Contains("is now", StringComparison.Ordinal)));
            await ada.SendAsync("/who");
            Assert.Equal("* here: Ada, Grace", (await ada.ReceiveAsync()).Text);
        }

        Assert.Equal("* Grace left", (await ada.ReceiveAsync()).Text);
    }

    [Fact]
    public async Task A_line_cannot_pretend_to_be_anothers()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient ada = await TestClient.JoinTalkAsync(server, "/?name=Ada");
        await ada.SendAsync("hi\nBen: I agree");
        Assert.Equal("Ada: hi\n    Ben: I agree", (await ada.ReceiveAsync()).Text);
    }

    [Fact]
    public async Task An_event_client_is_welcomed_told_what_is_said_and_pushed_the_time()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient plain = await TestClient.JoinTalkAsync(server, "/?name=Ada");
        await using TestClient page = await TestClient.ConnectAsync(server.At("/talk?name=Ben"), TalkProtocol.Name);
        Assert.Equal(TalkProtocol.Name, page.Connection.Subprotocol);
        JsonElement welcome = await page.ReceiveEventAsync("welcome");
        Assert.Equal("Ben", welcome.GetProperty("you").GetProperty("name").GetString());
        Assert.Equal(["Ada", "Ben"], welcome.GetProperty("people").EnumerateArray().Select(each => each.GetProperty("name").GetString()));

        await plain.SendAsync("hello everyone");
        JsonElement said = await page.ReceiveEventAsync("said");
        Assert.Equal("hello everyone", said.GetProperty("text").GetString());
        Assert.Equal("Ada", said.GetProperty("from").GetProperty("name").GetString());
        Assert.Equal("terminal", said.GetProperty("from").GetProperty("kind").GetString());

        long first = (await page.ReceiveEventAsync("clock")).GetProperty("time").GetInt64();
        long second = (await page.ReceiveEventAsync("clock")).GetProperty("time").GetInt64();

        // About a second; where a tick is late, the next comes sooner.
        Assert.True(second > first);

        await page.SendAsync("""{"type":"ping","id":7}""");
        Assert.Equal(7, (await page.ReceiveEventAsync("pong")).GetProperty("id").GetInt64());
    }

    [Fact]
    public async Task Who_comes_back_before_the_old_line_is_known_to_be_dead_is_who_it_was()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient ben = await TestClient.JoinTalkAsync(server, "/?name=Ben");
        await using TestClient before = await TestClient.ConnectAsync(server.At("/talk?name=Ada"), TalkProtocol.Name);
        string key = (await before.ReceiveEventAsync("welcome")).GetProperty("key").GetString()!;
        await using TestClient after = await TestClient.ConnectAsync(server.At($"/talk?name=Ada&was={key}"), TalkProtocol.Name);
        Assert.Equal("Ada", (await after.ReceiveEventAsync("welcome")).GetProperty("you").GetProperty("name").GetString());
        Assert.Equal("* Ada joined from a terminal", (await ben.ReceiveAsync()).Text);
        Assert.Equal("* Ada left", (await ben.ReceiveAsync()).Text);
        Assert.Equal("* Ada joined from a terminal", (await ben.ReceiveAsync()).Text);
        await before.ClosedAsync();
        await ben.SendAsync("/who");
        Assert.Equal("* here: Ben, Ada", (await ben.ReceiveAsync()).Text);
    }

    [Fact]
    public async Task A_file_is_relayed_with_its_name_and_type_and_bytes()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient sender = await TestClient.ConnectAsync(server.At("/talk?name=Ada"), TalkProtocol.Name);
        await sender.ReceiveEventAsync("welcome");
        await using TestClient page = await TestClient.ConnectAsync(server.At("/talk"), TalkProtocol.Name);
        await using TestClient plain = await TestClient.JoinTalkAsync(server, "/");
        await page.ReceiveEventAsync("welcome");
        byte[] content = [.. Enumerable.Range(0, 200_000).Select(i => (byte)(i * 31))];
        await sender.SendAsync(Envelope("""{"name":"../a.png","mime":"image/png","ref":5}""", content));

        JsonElement own = await sender.ReceiveEventAsync("file");
        Assert.Equal(5, own.GetProperty("ref").GetInt32());
        (JsonElement head, byte[] received) = Open(await ReceiveBinaryAsync(page));
        Assert.Equal("a.png", head.GetProperty("name").GetString());
        Assert.Equal("image/png", head.GetProperty("mime").GetString());
        Assert.Equal(200_000, head.GetProperty("size").GetInt32());
        Assert.Equal(content, received);
        Assert.Equal("* Ada sent a.png (image/png, 195 KiB)", await plain.ReceiveTextAsync(line => line.Contains("sent", StringComparison.Ordinal)));
        Assert.Equal(content, await ReceiveBinaryAsync(plain));

        await using TestClient newcomer = await TestClient.ConnectAsync(server.At("/talk"), TalkProtocol.Name);
        (head, received) = Open(await ReceiveBinaryAsync(newcomer));
        Assert.True(head.GetProperty("past").GetBoolean());
        Assert.Equal(content, received);
    }

    [Fact]
    public async Task A_plain_clients_bytes_are_a_file()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient plain = await TestClient.JoinTalkAsync(server, "/");
        await using TestClient page = await TestClient.ConnectAsync(server.At("/talk"), TalkProtocol.Name);
        await page.ReceiveEventAsync("welcome");
        await plain.SendAsync(new byte[] { 1, 2, 3 });
        (JsonElement head, byte[] received) = Open(await ReceiveBinaryAsync(page));
        Assert.Equal("application/octet-stream", head.GetProperty("mime").GetString());
        Assert.Equal([1, 2, 3], received);
    }

    [Fact]
    public async Task What_is_not_passed_on_is_answered_with_the_reason()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient page = await TestClient.ConnectAsync(server.At("/talk"), TalkProtocol.Name);
        foreach ((string sent, string reason) in new[]
        {
            ("not json", "takes JSON objects"),
            ("""{"type":"dance"}""", "none of say, name and ping"),
            ("""{"type":"say","text":" "}""", "empty"),
            ("""{"type":"name","name":"\u200b"}""", "empty"),
            ($$"""{"type":"say","text":"{{new string('x', TalkLimits.Text + 1)}}"}""", "at most 4000"),
        })
        {
            await page.SendAsync(sent);
            Assert.Contains(reason, (await page.ReceiveEventAsync("error")).GetProperty("message").GetString(), StringComparison.Ordinal);
        }

        await page.SendAsync(new byte[] { 0, 9, 1 });
        Assert.Contains("length of its head", (await page.ReceiveEventAsync("error")).GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_refused_is_counted_by_its_reason_and_logged()
    {
        await using ServeTool server = await ServeTool.StartAsync("--log-level", "information");
        await using TestClient page = await TestClient.ConnectAsync(server.At("/talk"), TalkProtocol.Name);
        await page.SendAsync("not json");
        await page.SendAsync("""{"type":"say","text":" "}""");
        await page.SendAsync($$"""{"type":"say","text":"{{new string('x', TalkLimits.Text + 1)}}"}""");
        await using TestClient plain = await TestClient.JoinTalkAsync(server, "/");
        for (int i = 0; i < 1000 && !plain.Connection.Closed.IsCompleted; i++)
        {
            plain.Connection.Send($"{i}");
        }

        await plain.ClosedAsync();
        using var http = new HttpClient();
        Exposition metrics = Exposition.Parse(await http.GetStringAsync(server.Url + "/metrics", TestContext.Current.CancellationToken));

        // Each by the name that stands in the book, and no other. A talk that is this process's own is always there.
        foreach (TalkRefusal refusal in Enum.GetValues<TalkRefusal>().Where(each => each != TalkRefusal.Unavailable))
        {
            Assert.True(metrics.Sum("duologue_talk_refusals_total", $"duologue_talk_refusal=\"{TalkWatch.NameOf(refusal)}\"") > 0, $"{refusal} was not counted.");
        }

        await server.Tool.WaitForErrorAsync(line => line.Contains("what the talk does not pass on: malformed", StringComparison.Ordinal));
    }

    [Fact]
    public void Every_refusal_stands_in_the_book()
    {
        string book = File.ReadAllText(Repository.PathOf("docs/talk.md"));
        Assert.All(Enum.GetValues<TalkRefusal>(), refusal => Assert.Contains($"| `{TalkWatch.NameOf(refusal)}` | `{refusal}` |", book, StringComparison.Ordinal));
        Assert.Contains("4000 `TalkRefused`", book, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_is_too_fast_is_told_so_and_in_the_end_closed()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient plain = await TestClient.JoinTalkAsync(server, "/");
        for (int i = 0; i < 1000 && !plain.Connection.Closed.IsCompleted; i++)
        {
            plain.Connection.Send($"{i}");
        }

        await plain.ReceiveTextAsync(line => line.StartsWith("* not sent: Too fast", StringComparison.Ordinal));
        CloseInfo info = await plain.ClosedAsync();
        Assert.Equal(1008, info.Code);
        Assert.True(info.ByPeer);
    }

    [Fact]
    public async Task A_newcomer_is_told_the_history_a_plain_one_if_it_asks()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient ada = await TestClient.JoinTalkAsync(server, "/?name=Ada");
        foreach (string text in new[] { "one", "two", "three" })
        {
            await ada.SendAsync(text);
            await ada.ReceiveTextAsync(line => line == $"Ada: {text}");
        }

        await using TestClient page = await TestClient.ConnectAsync(server.At("/talk"), TalkProtocol.Name);
        Assert.Equal("one", (await page.ReceiveEventAsync("said")).GetProperty("text").GetString());
        await using TestClient asking = await TestClient.ConnectAsync(server.At("/?history=2"));
        Assert.Equal("Ada: two", (await asking.ReceiveAsync()).Text);
        Assert.Equal("Ada: three", (await asking.ReceiveAsync()).Text);
        await using TestClient silent = await TestClient.ConnectAsync(server.At("/?name=Ben"));
        await silent.SendAsync("four");
        Assert.Equal("Ben: four", (await silent.ReceiveAsync()).Text);
    }

    [Fact]
    public async Task A_plain_client_gets_the_clock_if_it_asks()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient plain = await TestClient.ConnectAsync(server.At("/?clock"));
        Assert.Matches(@"^\* it is \d\d:\d\d:\d\d UTC$", (await plain.ReceiveAsync()).Text);
    }

    private static byte[] Envelope(string head, byte[] content)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(head);
        byte[] length = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)bytes.Length);
        return [.. length, .. bytes, .. content];
    }

    private static (JsonElement Head, byte[] Content) Open(byte[] message)
    {
        int length = BinaryPrimitives.ReadUInt16BigEndian(message);
        return (JsonDocument.Parse(message.AsMemory(2, length)).RootElement, message[(2 + length)..]);
    }

    private static async Task<byte[]> ReceiveBinaryAsync(TestClient peer)
    {
        while (true)
        {
            (MessageType type, byte[] data, _) = await peer.ReceiveAsync();
            if (type == MessageType.Binary)
            {
                return data;
            }
        }
    }
}
