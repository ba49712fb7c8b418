using System.Diagnostics;
using System.Net;
using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Feed;

public class LongPollTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_request_is_held_until_there_is_news()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        Task<FeedPage>[] polls = [.. Enumerable.Range(0, 20).Select(_ => feed.PollAsync("/topics/news?wait=50"))];
        await feed.HeldAsync("news", 20);
        Assert.All(polls, poll => Assert.False(poll.IsCompleted));

        feed.Topics.Publish("news", "extra!");

        Assert.All(await Task.WhenAll(polls), page => Assert.Equal(["extra!"], page.Data));
        await feed.HeldAsync("news", 0);
        await Eventually.True(() => feed.Topics.Count == 0);
    }

    [Fact]
    public async Task A_request_of_a_user_who_had_been_signed_out_was_held_on()
    {
        await using FeedHost feed = await FeedHost.StartWithUsersAsync();
        Task<FeedPage> ann = feed.PollAsync("/topics/news?wait=1500&user=ann");
        Task<FeedPage> bob = feed.PollAsync("/topics/news?wait=1500&user=bob");
        await feed.HeldAsync("news", 2);

        feed.Host.Connections.CloseByUser("ann", 4001, "signed out");

        // Empty: who asks again is judged anew.
        Assert.Empty((await ann).Data);
        await feed.HeldAsync("news", 1);
        feed.Topics.Publish("news", "for bob");
        Assert.Equal(["for bob"], (await bob).Data);
    }

    [Fact]
    public async Task What_is_there_already_is_given_at_once()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        feed.Topics.Publish("news", "old");
        FeedPage page = await feed.PollAsync("/topics/news?wait=50");
        Assert.Equal(["old"], page.Data);
    }

    [Fact]
    public async Task Without_news_the_answer_is_empty_with_the_same_cursor()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        feed.Topics.Publish("news", "old");
        string next = (await feed.PollAsync("/topics/news")).Next;
        long start = Stopwatch.GetTimestamp();
        FeedPage page = await feed.PollAsync($"/topics/news?after={next}&wait=0.3");
        Assert.Equal((next, 0, false), (page.Next, page.Data.Length, page.Reset));
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromSeconds(0.25));
        using HttpResponseMessage same = await feed.SendAsync(FeedHost.Get($"/topics/news?after={next}&wait=0.1", ("If-None-Match", $"\"{next}\"")));
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
    }

    [Fact]
    public async Task A_wait_is_cut_to_the_most()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.MaxWait = TimeSpan.FromMilliseconds(100));
        Assert.Empty((await feed.PollAsync("/topics/news?wait=86400")).Data);
    }

    [Fact]
    public async Task Prefer_wait_is_the_same()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        Task<HttpResponseMessage> poll = feed.SendAsync(FeedHost.Get("/topics/news", ("Prefer", "respond-async, wait=50")));
        await feed.HeldAsync("news", 1);
        feed.Topics.Publish("news", "extra!");
        using HttpResponseMessage response = await poll;
        Assert.Equal(["extra!"], FeedPage.Parse(await response.Content.ReadAsStringAsync(Token)).Data);
        Assert.Equal(["wait=50"], response.Headers.GetValues("Preference-Applied"));
    }

    [Fact]
    public async Task From_now_on_means_from_when_it_was_asked()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        feed.Topics.Publish("news", "old");
        Task<FeedPage> poll = feed.PollAsync("/topics/news?after=now&wait=50");
        await feed.HeldAsync("news", 1);
        feed.Topics.Publish("news", "new");
        Assert.Equal(["new"], (await poll).Data);
    }

    [Fact]
    public async Task A_client_that_goes_is_forgotten()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using var gone = new CancellationTokenSource();
        Task<HttpResponseMessage> poll = feed.Http.SendAsync(FeedHost.Get("/topics/news?wait=50"), gone.Token);
        await feed.HeldAsync("news", 1);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => poll);
        await feed.HeldAsync("news", 0);
        await Eventually.True(() => feed.Topics.Count == 0);
    }

    [Fact]
    public async Task A_stopping_server_holds_nobody()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        Task<FeedPage> poll = feed.PollAsync("/topics/news?wait=50");
        await feed.HeldAsync("news", 1);
        Task stopped = feed.Host.StopAsync();
        Assert.Empty((await poll).Data);
        await stopped.WaitAsync(TestHost.Patience, Token);
    }

    [Fact]
    public async Task Held_requests_count_as_connections()
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => options.MaxConnections = 1);
        Task<FeedPage> held = feed.PollAsync("/topics/news?wait=50");
        await feed.HeldAsync("news", 1);
        using HttpResponseMessage refused = await feed.SendAsync(FeedHost.Get("/topics/news?wait=50"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Contains("MaxConnections", await refused.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Empty((await feed.PollAsync("/topics/news")).Data);
        feed.Topics.Publish("news", "extra!");
        await held;
        await Eventually.True(() => feed.Topics.Count == 0);
        Assert.Equal(["extra!"], (await feed.PollAsync("/topics/news?wait=50")).Data);
    }

    [Fact]
    public async Task Too_many_topics_is_503()
    {
        await using FeedHost feed = await FeedHost.StartAsync(_ => { }, options => options.MaxTopics = 1);
        feed.Topics.Publish("the one", "x");
        using HttpResponseMessage refused = await feed.SendAsync(FeedHost.Get("/topics/another?wait=50"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Contains("MaxTopics", await refused.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }
}
