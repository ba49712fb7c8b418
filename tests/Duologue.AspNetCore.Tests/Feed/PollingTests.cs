using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Duologue.AspNetCore.Tests.Feed;

public class PollingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_poll_gives_what_is_new_and_the_same_cursor_if_nothing_is()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        FeedPage nothing = await feed.PollAsync("/topics/news");
        Assert.Empty(nothing.Data);
        Assert.Equal(nothing.Next, (await feed.PollAsync($"/topics/news?after={nothing.Next}")).Next);

        feed.Topics.Publish("news", "one");
        feed.Topics.Publish("news", "two");
        FeedPage page = await feed.PollAsync($"/topics/news?after={nothing.Next}");
        Assert.Equal(("one|two", false), (page.All, page.Reset));
        Assert.Equal(page.Next, page.Ids[1]);
        FeedPage again = await feed.PollAsync($"/topics/news?after={page.Next}");
        Assert.Equal((page.Next, 0, false), (again.Next, again.Data.Length, again.Reset));
        Assert.Equal(["two"], (await feed.PollAsync($"/topics/news?after={page.Ids[0]}")).Data);
        Assert.Equal(["one", "two"], (await feed.PollAsync("/topics/news")).Data);
        Assert.Equal(["one", "two"], (await feed.PollAsync("/topics/news?after=oldest")).Data);
        Assert.Equal((page.Next, 0), ((await feed.PollAsync("/topics/news?after=now")).Next, 0));
    }

    [Fact]
    public async Task Who_has_the_newest_gets_304()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        feed.Topics.Publish("news", "one");
        FeedPage page = await feed.PollAsync("/topics/news");

        using HttpResponseMessage same = await feed.SendAsync(FeedHost.Get($"/topics/news?after={page.Next}", ("If-None-Match", $"\"other\", W/\"{page.Next}\"")));
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        Assert.Equal("", await same.Content.ReadAsStringAsync(Token));

        // The history is behind the oldest place: there is something to give.
        using HttpResponseMessage all = await feed.SendAsync(FeedHost.Get("/topics/news", ("If-None-Match", $"\"{page.Next}\"")));
        Assert.Equal(HttpStatusCode.OK, all.StatusCode);
    }

    [Fact]
    public async Task A_long_history_is_given_in_pages()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint =>
        {
            endpoint.MaxItems = 40;
            endpoint.MaxPageBytes = 1_000;
        });
        for (int i = 0; i < 150; i++)
        {
            feed.Topics.Publish("news", i < 140 ? $"{i}" : $"{i}".PadRight(400, '.'));
        }

        var all = new List<string>();
        var sizes = new List<int>();
        string after = "oldest";
        for (FeedPage page; (page = await feed.PollAsync($"/topics/news?limit=100&after={after}")).Data.Length > 0; after = page.Next)
        {
            all.AddRange(page.Data);
            sizes.Add(page.Data.Length);
        }

        Assert.Equal(Enumerable.Range(0, 150).Select(i => $"{i}"), all.Select(text => text.TrimEnd('.')));
        Assert.Equal([40, 40, 40, 22, 2, 2, 2, 2], sizes);
        Assert.Equal(7, (await feed.PollAsync("/topics/news?limit=7")).Data.Length);
    }

    [Fact]
    public async Task A_cursor_that_the_history_has_let_go_is_told_what_is_lost()
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => options.TopicHistory = new TopicHistory { MaxCount = 3 });
        feed.Topics.Publish("news", "0");
        FeedPage first = await feed.PollAsync("/topics/news");
        for (int i = 1; i <= 5; i++)
        {
            feed.Topics.Publish("news", $"{i}");
        }

        FeedPage page = await feed.PollAsync($"/topics/news?after={first.Next}");
        Assert.Equal(("3|4|5", true, 2L), (page.All, page.Reset, page.Lost));
        Assert.False((await feed.PollAsync($"/topics/news?after={page.Next}")).Reset);

        FeedPage unknown = await feed.PollAsync("/topics/news?after=1-1");
        Assert.Equal(("3|4|5", true, null), (unknown.All, unknown.Reset, unknown.Lost));
    }

    [Fact]
    public async Task Text_JSON_and_binary_data()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        const string Text = "line\r\nline \"quoted\" \u2028 🙂 </script>";
        feed.Topics.Publish("t", Text);
        feed.Topics.Publish("t", [0, 1, 255], MessageType.Binary);
        await feed.Topics.PublishAsync("t", new Dictionary<string, int> { ["answer"] = 42 }, (JsonTypeInfo<Dictionary<string, int>>)JsonSerializerOptions.Default.GetTypeInfo(typeof(Dictionary<string, int>)), Token);

        using JsonDocument page = JsonDocument.Parse(await feed.Http.GetStringAsync("/topics/t", Token));
        JsonElement[] items = [.. page.RootElement.GetProperty("items").EnumerateArray()];
        Assert.Equal(Text, items[0].GetProperty("data").GetString());
        Assert.False(items[0].TryGetProperty("type", out _));
        Assert.Equal("binary", items[1].GetProperty("type").GetString());
        Assert.Equal([0, 1, 255], items[1].GetProperty("data").GetBytesFromBase64());
        Assert.Equal(42, items[2].GetProperty("data").GetProperty("answer").GetInt32());
        Assert.InRange(items[0].GetProperty("time").GetInt64(), DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeMilliseconds(), DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeMilliseconds());
    }

    [Theory]
    [InlineData("/topics/a%0Ab", 400, "U+000A")]
    [InlineData("/topics/a//b", 400, "segment")]
    [InlineData("/topics/news/*", 400, "*")]
    [InlineData("/topics/news?after=rubbish", 400, "after has is no cursor")]
    [InlineData("/topics/news?limit=0", 400, "limit")]
    [InlineData("/topics/news?limit=x", 400, "limit")]
    [InlineData("/topics/news?wait=-1", 400, "wait")]
    [InlineData("/topics/news?wait=NaN", 400, "wait")]
    [InlineData("/topics/news?wait=soon", 400, "wait")]
    [InlineData("/topics", 404, "Name a topic")]
    public async Task What_is_wrong_is_said(string path, int status, string expected)
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using HttpResponseMessage response = await feed.SendAsync(FeedHost.Get(path));
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Contains(expected, await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        await Eventually.True(
            () => feed.Host.Log.GetSnapshot().Any(record => record.Id == new EventId(3305, "FeedRefused") && record.Message.Contains($"with {status} (", StringComparison.Ordinal)),
            () => "The log does not tell of it.");
    }

    [Fact]
    public async Task A_name_that_is_too_long_is_refused()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        await feed.PollAsync($"/topics/{new string('a', 256)}");
        using HttpResponseMessage response = await feed.SendAsync(FeedHost.Get($"/topics/{new string('a', 257)}"));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("257 characters", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Other_methods_are_refused()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using HttpResponseMessage response = await feed.SendAsync(new HttpRequestMessage(HttpMethod.Delete, "/topics/news"));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.Equal(["GET", "OPTIONS", "POST"], response.Content.Headers.Allow.Order());
    }

    [Fact]
    public async Task Polls_make_no_topics()
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => options.MaxTopics = 1);
        for (int i = 0; i < 5; i++)
        {
            await feed.PollAsync($"/topics/{i}");
        }

        feed.Topics.Publish("the one", "fits");
        Assert.Equal(["fits"], (await feed.PollAsync("/topics/the%20one")).Data);
        InvalidOperationException refused = Assert.ThrowsAny<InvalidOperationException>(() => feed.Topics.Publish("another", "does not"));
        Assert.Contains("DuologueOptions.MaxTopics.", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_application_says_who_may_read_what()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AuthorizeSubscribe = access =>
            access.Topic == "broken" ? throw new InvalidOperationException("bug") : access.Topic.StartsWith("public/", StringComparison.Ordinal));
        await feed.PollAsync("/topics/public/a");
        foreach (string topic in new[] { "secret", "broken" })
        {
            using HttpResponseMessage response = await feed.SendAsync(FeedHost.Get($"/topics/{topic}"));
            Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        }

        Assert.Contains(feed.Host.Log.GetSnapshot(), record => record.Id.Name == "TopicHookFailed" && record.Exception?.Message == "bug");
    }

    [Fact]
    public async Task The_pattern_must_have_a_name_and_the_options_their_ranges()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            Assert.Contains("{**name}", Assert.Throws<ArgumentException>(() => app.MapTopics("/topics")).Message, StringComparison.Ordinal);
            OptionsValidationException wrong = Assert.Throws<OptionsValidationException>(() => app.MapTopics("/a/{**name}").WithOptions(endpoint =>
            {
                endpoint.MaxWait = TimeSpan.Zero;
                endpoint.MaxItems = 0;
                endpoint.MaxPageBytes = 0;
            }));
            Assert.Equal(3, wrong.Failures.Count());
        });
    }

    [Fact]
    public async Task A_pattern_that_takes_no_slashes_hid_the_topics_whose_names_have_some()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            ArgumentException error = Assert.Throws<ArgumentException>(() => app.MapTopics("/topics/{name}"));
            Assert.StartsWith("MapTopics(\"/topics/{name}\"): {name} stands for one segment of the URL", error.Message, StringComparison.Ordinal);
            Assert.Contains("{**name}", error.Message, StringComparison.Ordinal);
            Assert.Contains("{name:required}", error.Message, StringComparison.Ordinal);

            // Here it is meant, or could not be otherwise.
            app.MapTopics("/plain/{name:required}");
            app.MapTopics("/rooms/{name}/feed");
            app.MapTopics("/star/{*name}");
        });
        using var http = new HttpClient { BaseAddress = host.Url };
        foreach ((string path, HttpStatusCode status) in (IEnumerable<(string, HttpStatusCode)>)[("/plain/a", HttpStatusCode.OK), ("/plain/a/b", HttpStatusCode.NotFound), ("/rooms/a/feed", HttpStatusCode.OK), ("/star/a/b", HttpStatusCode.OK)])
        {
            using HttpResponseMessage response = await http.GetAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken);
            Assert.Equal((path, status), (path, response.StatusCode));
        }
    }
}
