using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Feed;

public class PublishingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("text/plain", "\"a\"\r\n b", "\"\\\"a\\\"\\r\\n b\"")]
    [InlineData("text/plain; charset=utf-8", "täxt", "\"täxt\"")]
    [InlineData("text/plain; charset=\"UTF-8\"", "täxt", "\"täxt\"")]
    [InlineData("application/x-www-form-urlencoded", "as curl sends it", "\"as curl sends it\"")]
    [InlineData("application/json", "{ \"a\" :\r\n 1.50 }", "{\"a\":1.50}")]
    [InlineData("application/vnd.x+json", "[]", "[]")]
    [InlineData("application/octet-stream", "hi", "\"aGk=\"")]
    [InlineData("text/plain", "", "\"\"")]
    public async Task What_is_posted_is_published(string contentType, string body, string data)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        using HttpResponseMessage response = await PostAsync(feed, "/topics/news", contentType, Encoding.UTF8.GetBytes(body));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using JsonDocument answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Token));
        string page = await feed.Http.GetStringAsync("/topics/news", Token);
        Assert.Contains($"\"data\":{data}", page, StringComparison.Ordinal);
        Assert.Equal(answer.RootElement.GetProperty("id").GetString(), FeedPage.Parse(page).Next);
    }

    [Fact]
    public async Task Publishing_is_refused_until_the_endpoint_allows_it()
    {
        await using FeedHost feed = await FeedHost.StartAsync();
        using HttpResponseMessage response = await PostAsync(feed, "/topics/news", "text/plain", "x"u8.ToArray());
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Contains("AllowPublishing", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Empty((await feed.PollAsync("/topics/news")).Data);
    }

    [Fact]
    public async Task The_application_says_who_may_publish_what()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint =>
        {
            endpoint.AllowPublishing = true;
            endpoint.AuthorizePublish = access => access.Topic == "open";
        });
        using HttpResponseMessage yes = await PostAsync(feed, "/topics/open", "text/plain", "x"u8.ToArray());
        using HttpResponseMessage no = await PostAsync(feed, "/topics/news", "text/plain", "x"u8.ToArray());
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Forbidden), (yes.StatusCode, no.StatusCode));
    }

    [Theory]
    [InlineData("image/png", "x", 415, "text/plain")]
    [InlineData("text/plain; charset=latin1", "x", 415, "UTF-8")]
    [InlineData(null, "x", 415, "Content-Type")]
    [InlineData("application/json", "{", 400, "JSON")]
    [InlineData("application/json", "1 2", 400, "JSON")]
    [InlineData("application/json", "", 400, "JSON")]
    [InlineData("application/json", """["\ud800"]""", 400, "surrogate")]
    [InlineData("text/plain", "12345678901", 413, "MaxMessageSize")]
    public async Task What_cannot_be_published_is_said(string? contentType, string body, int status, string expected)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => (endpoint.AllowPublishing, endpoint.MaxMessageSize) = (true, 10));
        using HttpResponseMessage response = await PostAsync(feed, "/topics/news", contentType, Encoding.UTF8.GetBytes(body));
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Contains(expected, await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Empty((await feed.PollAsync("/topics/news")).Data);
    }

    [Fact]
    public async Task Text_that_is_not_UTF8_is_refused()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        using HttpResponseMessage response = await PostAsync(feed, "/topics/news", "text/plain", [0xC0, 0x80]);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Theory]
    [InlineData(new byte[] { (byte)'"', 0xFF, (byte)'"' })]
    [InlineData(new byte[] { (byte)'"', 0xED, 0xA0, 0x80, (byte)'"' })]
    [InlineData(new byte[] { (byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)':', (byte)'1', (byte)'}' })]
    public async Task JSON_that_is_not_UTF8_was_published_with_other_characters(byte[] body)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        using HttpResponseMessage response = await PostAsync(feed, "/topics/news", "application/json", body);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("UTF-8", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Empty((await feed.PollAsync("/topics/news")).Data);
    }

    [Theory]
    [InlineData("zz\r\n", "chunk")]
    [InlineData("5\r\nabcdefgh\r\n0\r\n\r\n", "chunk")]
    [InlineData("ffffffff\r\nabc", "chunk")]
    public async Task A_body_that_breaks_HTTP_was_an_unhandled_exception(string chunks, string expected)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        await using RawClient client = await RawClient.ConnectAsync(feed.Host.Url);
        RawAnswer answer = await client.RequestAsync($"POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        Assert.Equal(400, answer.Status);
        Assert.Contains(expected, answer.Body, StringComparison.OrdinalIgnoreCase);
        Assert.Empty((await feed.PollAsync("/topics/news")).Data);
        Assert.DoesNotContain(feed.Host.Log.GetSnapshot(), record => record.Level >= LogLevel.Error);
    }

    [Theory]
    [InlineData("gzip", "text/plain", 415)]
    [InlineData("br", "application/octet-stream", 415)]
    [InlineData("identity, GZIP", "application/json", 415)]
    [InlineData("identity", "text/plain", 200)]
    public async Task A_compressed_body_was_published_as_it_came_or_refused_as_no_UTF8(string coding, string contentType, int status)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        using var content = new ByteArrayContent("1"u8.ToArray());
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        Assert.True(content.Headers.TryAddWithoutValidation("Content-Encoding", coding));
        using HttpResponseMessage response = await feed.Http.PostAsync("/topics/news", content, Token);
        Assert.Equal(status, (int)response.StatusCode);
        if (status == 415)
        {
            Assert.Contains(coding, await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            Assert.Equal("identity", Assert.Single(response.Headers.GetValues("Accept-Encoding")));
            Assert.Empty((await feed.PollAsync("/topics/news")).Data);
        }
    }

    [Fact]
    public async Task A_body_that_is_cut_by_a_reset_of_its_stream_was_counted_by_nobody()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapTopics("/topics/{**name}").WithOptions(endpoint => endpoint.AllowPublishing = true),
            _ => { },
            builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = HttpProtocols.Http2)));
        using var refusals = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.pubsub.feed.refusals");
        await using RawHttp2Client client = await RawHttp2Client.ConnectAsync(host.Url);
        await client.SendHeadersAsync(1, (":method", "POST"), (":scheme", "http"), (":path", "/topics/news"), (":authority", host.Url.Authority), ("content-type", "text/plain"));
        await client.SendAsync(Http2Frame.Data, 0, 1, "begun"u8.ToArray());
        await client.SendAsync(Http2Frame.Reset, 0, 1, [0, 0, 0, 8]);

        await Eventually.True(() => refusals.LastMeasurement is not null);

        Assert.Equal("body", refusals.LastMeasurement!.Tags["duologue.feed.refusal"]);
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Level >= LogLevel.Error);
    }

    [Fact]
    public async Task A_body_of_unknown_length_that_is_too_large_is_refused()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => (endpoint.AllowPublishing, endpoint.MaxMessageSize) = (true, 100_000));
        await using RawClient client = await RawClient.ConnectAsync(feed.Host.Url);
        string chunk = $"{50_000:x}\r\n{new string('a', 50_000)}\r\n";
        RawAnswer answer = await client.RequestAsync($"POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}1\r\na\r\n0\r\n\r\n");
        Assert.Equal(413, answer.Status);
    }

    [Fact]
    public async Task Too_many_topics_is_503()
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true, options => options.MaxTopics = 1);
        using HttpResponseMessage first = await PostAsync(feed, "/topics/a", "text/plain", "x"u8.ToArray());
        using HttpResponseMessage second = await PostAsync(feed, "/topics/b", "text/plain", "x"u8.ToArray());
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (first.StatusCode, second.StatusCode));
        Assert.NotNull(second.Headers.RetryAfter);
    }

    [Theory]
    [InlineData("text/plain", "text")]
    [InlineData("application/json", "[1]")]
    [InlineData("application/octet-stream", "bytes")]
    public async Task A_repeat_with_the_same_key_answers_the_first_and_publishes_nothing(string contentType, string body)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        byte[] bytes = Encoding.UTF8.GetBytes(body);
        string first = await PublishAsync("k-1");
        string other = await PublishAsync("k-2");
        Assert.Equal(first, await PublishAsync("k-1"));
        Assert.Equal(first, await PublishAsync("\"k-1\""));
        Assert.NotEqual(first, other);
        Assert.Equal([first, other], (await feed.PollAsync("/topics/news")).Ids);

        async Task<string> PublishAsync(string key)
        {
            using HttpResponseMessage response = await PostAsync(feed, "/topics/news", contentType, bytes, key);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            using JsonDocument answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Token));
            return answer.RootElement.GetProperty("id").GetString()!;
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"\"")]
    [InlineData("two words")]
    [InlineData("back\\slash")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345")]
    public async Task A_key_that_breaks_a_rule_is_refused(string key)
    {
        await using FeedHost feed = await FeedHost.StartAsync(endpoint => endpoint.AllowPublishing = true);
        using HttpResponseMessage response = await PostAsync(feed, "/topics/news", "text/plain", "x"u8.ToArray(), key);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("64 characters", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Empty((await feed.PollAsync("/topics/news")).Data);
    }

    private static Task<HttpResponseMessage> PostAsync(FeedHost feed, string path, string? contentType, byte[] body) => PostAsync(feed, path, contentType, body, null);

    private static async Task<HttpResponseMessage> PostAsync(FeedHost feed, string path, string? contentType, byte[] body, string? key)
    {
        var content = new ByteArrayContent(body);
        if (contentType is not null)
        {
            content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        }

        return await feed.SendAsync(request);
    }
}
