using System.Net;
using Duologue.AspNetCore.Tests.Feed;

namespace Duologue.AspNetCore.Tests.Handshake;

public class CorsHeadersTests
{
    private const string Friend = "https://friend.example";

    [Fact]
    public async Task Pages_of_other_origins_may_not_read_unless_listed()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowedOrigins.Add(Friend));
        using HttpResponseMessage stranger = await feed.SendAsync(FeedHost.Get("/topics/news", ("Origin", "https://stranger.example")));
        Assert.Equal(HttpStatusCode.Forbidden, stranger.StatusCode);
        Assert.False(stranger.Headers.Contains("Access-Control-Allow-Origin"));

        using HttpResponseMessage friend = await feed.SendAsync(FeedHost.Get("/topics/news", ("Origin", Friend)));
        Assert.Equal(HttpStatusCode.OK, friend.StatusCode);
        Assert.Equal([Friend], friend.Headers.GetValues("Access-Control-Allow-Origin"));
        Assert.Equal(["true"], friend.Headers.GetValues("Access-Control-Allow-Credentials"));
        Assert.Contains("Origin", friend.Headers.Vary);

        using HttpResponseMessage own = await feed.SendAsync(FeedHost.Get("/topics/news", ("Origin", feed.Host.Url.GetLeftPart(UriPartial.Authority))));
        Assert.Equal(HttpStatusCode.OK, own.StatusCode);
    }

    [Fact]
    public async Task Any_origin_reads_without_credentials()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowAnyOrigin());
        using HttpResponseMessage response = await feed.SendAsync(FeedHost.Get("/topics/news", ("Origin", "null")));
        Assert.Equal(["*"], response.Headers.GetValues("Access-Control-Allow-Origin"));
        Assert.False(response.Headers.Contains("Access-Control-Allow-Credentials"));
    }

    [Theory]
    [InlineData(Friend, HttpStatusCode.NoContent)]
    [InlineData("https://stranger.example", HttpStatusCode.Forbidden)]
    public async Task A_preflight_is_answered(string origin, HttpStatusCode expected)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowedOrigins.Add(Friend));
        using var request = new HttpRequestMessage(HttpMethod.Options, "/topics/news/today");
        request.Headers.Add("Origin", origin);
        request.Headers.Add("Access-Control-Request-Method", "POST");
        using HttpResponseMessage response = await feed.SendAsync(request);
        Assert.Equal(expected, response.StatusCode);
        Assert.Equal(expected == HttpStatusCode.NoContent, response.Headers.Contains("Access-Control-Allow-Methods"));
    }

    [Theory]
    [InlineData("cross-site", HttpStatusCode.Forbidden)]
    [InlineData("same-origin", HttpStatusCode.OK)]
    public async Task A_page_of_another_site_opened_a_stream_without_saying_whose_it_is(string site, HttpStatusCode expected)
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using HttpResponseMessage stream = await feed.SendAsync(FeedHost.Get("/topics/news", ("Accept", "text/event-stream"), ("Sec-Fetch-Site", site)));
        Assert.Equal(expected, stream.StatusCode);

        // A link to what a topic has is a link as any other.
        using HttpResponseMessage poll = await feed.SendAsync(FeedHost.Get("/topics/news", ("Sec-Fetch-Site", site)));
        Assert.Equal(HttpStatusCode.OK, poll.StatusCode);
    }

    [Fact]
    public async Task A_WebSocket_of_another_origin_is_refused_like_a_poll()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowedOrigins.Add(Friend));
        foreach (string path in new[] { "/topics/news", "/topics" })
        {
            Assert.Equal(403, (await feed.Host.HandshakeAsync(path, ("Origin", "https://stranger.example"), ("Sec-WebSocket-Protocol", TopicsProtocol.Name))).Status);
            Assert.Equal(101, (await feed.Host.HandshakeAsync(path, ("Origin", Friend), ("Sec-WebSocket-Protocol", TopicsProtocol.Name))).Status);
        }
    }
}
