using System.Net;
using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Feed;

public class EventStreamTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Events_are_pushed_with_their_cursor_as_id()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        feed.Topics.Publish("news", "one");
        await using EventReader stream = await EventReader.OpenAsync(feed, "/topics/news");
        Dictionary<string, string> beginning = await stream.ReadAsync();
        Assert.Equal(["id", "retry"], beginning.Keys.Order());
        Dictionary<string, string> one = await stream.ReadAsync();
        Assert.Contains("\"data\":\"one\"", one["data"], StringComparison.Ordinal);
        await feed.HeldAsync("news", 1);
        feed.Topics.Publish("news", "two\r\nlines");
        Dictionary<string, string> two = await stream.ReadAsync();
        Assert.Contains("\"data\":\"two\\r\\nlines\"", two["data"], StringComparison.Ordinal);
        Assert.Contains($"\"id\":\"{two["id"]}\"", two["data"], StringComparison.Ordinal);
        Assert.False(two.ContainsKey("event"));

        // Who comes back with the id of the first gets the second.
        await using EventReader back = await EventReader.OpenAsync(feed, "/topics/news?after=now", ("Last-Event-ID", one["id"]));
        await back.ReadAsync();
        Assert.Equal(two["id"], (await back.ReadAsync())["id"]);
    }

    [Fact]
    public async Task Who_is_cut_before_the_first_event_comes_back_to_where_it_was()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        feed.Topics.Publish("news", "old");
        string id;
        await using (EventReader stream = await EventReader.OpenAsync(feed, "/topics/news?after=now"))
        {
            id = (await stream.ReadAsync())["id"];
        }

        feed.Topics.Publish("news", "missed");
        await using EventReader back = await EventReader.OpenAsync(feed, "/topics/news?after=now", ("Last-Event-ID", id));
        await back.ReadAsync();
        Assert.Contains("missed", (await back.ReadAsync())["data"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_of_a_user_who_had_been_signed_out_went_on()
    {
        await using FeedHost feed = await FeedHost.StartWithUsersAsync();
        await using EventReader ann = await EventReader.OpenAsync(feed, "/topics/news?user=ann");
        await using EventReader bob = await EventReader.OpenAsync(feed, "/topics/news?user=bob");
        await using EventReader nobody = await EventReader.OpenAsync(feed, "/topics/news");
        await ann.ReadAsync();
        await bob.ReadAsync();
        await nobody.ReadAsync();
        await feed.HeldAsync("news", 3);

        Assert.Equal(0, feed.Host.Connections.CloseByUser("ann", 4001, "signed out"));

        Assert.Empty(await ann.ReadAsync());
        await feed.HeldAsync("news", 2);
        feed.Topics.Publish("news", "for the others");
        Assert.Contains("for the others", (await bob.ReadAsync())["data"], StringComparison.Ordinal);
        Assert.Contains("for the others", (await nobody.ReadAsync())["data"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_lost_is_an_event()
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => options.TopicHistory = new TopicHistory { MaxCount = 2 });
        feed.Topics.Publish("news", "0");
        string cursor = (await feed.PollAsync("/topics/news")).Next;
        for (int i = 1; i <= 4; i++)
        {
            feed.Topics.Publish("news", $"{i}");
        }

        await using EventReader stream = await EventReader.OpenAsync(feed, $"/topics/news?after={cursor}");
        await stream.ReadAsync();
        Dictionary<string, string> reset = await stream.ReadAsync();
        Assert.Equal("reset", reset["event"]);
        FeedPage page = FeedPage.Parse(reset["data"]);
        Assert.Equal((true, 2L, reset["id"]), (page.Reset, page.Lost, page.Next));
        Assert.Contains("\"data\":\"3\"", (await stream.ReadAsync())["data"], StringComparison.Ordinal);
        Assert.Contains("\"data\":\"4\"", (await stream.ReadAsync())["data"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cut_before_the_reset_hid_the_gap_because_the_beginning_had_an_id_behind_it()
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => options.TopicHistory = new TopicHistory { MaxCount = 1 });
        feed.Topics.Publish("news", "0");
        string cursor = (await feed.PollAsync("/topics/news")).Next;
        feed.Topics.Publish("news", "1");
        feed.Topics.Publish("news", "2");
        await using EventReader stream = await EventReader.OpenAsync(feed, $"/topics/news?after={cursor}");
        Assert.Equal(["retry"], (await stream.ReadAsync()).Keys);
        Assert.Equal("reset", (await stream.ReadAsync())["event"]);
    }

    [Fact]
    public async Task A_stream_at_rest_shows_signs_of_life()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.KeepAliveInterval = TimeSpan.FromMilliseconds(50));
        await using EventReader stream = await EventReader.OpenAsync(feed, "/topics/news");
        await stream.ReadAsync();
        Assert.Equal("", (await stream.ReadAsync())[""]);
        Assert.Equal("", (await stream.ReadAsync())[""]);
    }

    [Fact]
    public async Task A_stream_is_present_and_ends_with_the_server()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        await using EventReader stream = await EventReader.OpenAsync(feed, "/topics/news");
        await stream.ReadAsync();
        Assert.Equal(1, feed.Topics.CountSubscribers("news"));
        Assert.Single(feed.Topics.ListSubscribers("news"));
        await feed.HeldAsync("news", 1);
        Task stopped = feed.Host.StopAsync();
        Assert.Empty(await stream.ReadAsync());
        await stopped.WaitAsync(TestHost.Patience, Token);
    }

    [Fact]
    public async Task A_wrong_id_is_refused()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using HttpResponseMessage response = await feed.SendAsync(FeedHost.Get("/topics/news", ("Accept", "text/event-stream"), ("Last-Event-ID", "rubbish")));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("Last-Event-ID", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    /// <summary>Reads a stream of events.</summary>
    private sealed class EventReader(HttpResponseMessage response, StreamReader reader) : IAsyncDisposable
    {
        public static async Task<EventReader> OpenAsync(FeedHost feed, string path, params (string Name, string Value)[] headers)
        {
            HttpResponseMessage response = await feed.SendAsync(FeedHost.Get(path, [("Accept", "text/event-stream"), .. headers]));
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
            return new EventReader(response, new StreamReader(await response.Content.ReadAsStreamAsync(Token)));
        }

        /// <summary>The fields of the next event; of a comment, its text under ""; none if the stream has ended.</summary>
        public async Task<Dictionary<string, string>> ReadAsync()
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
            patience.CancelAfter(TestHost.Patience);
            var fields = new Dictionary<string, string>();
            while (await reader.ReadLineAsync(patience.Token) is { Length: > 0 } line)
            {
                string[] pair = line.Split(':', 2);
                fields.Add(pair[0], pair[1].TrimStart(' '));
            }

            return fields;
        }

        public ValueTask DisposeAsync()
        {
            reader.Dispose();
            response.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
