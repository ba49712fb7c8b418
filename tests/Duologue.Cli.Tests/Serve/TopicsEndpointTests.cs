using System.Net;
using System.Text.Json;
using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Serve;

public sealed class TopicsEndpointTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_posted_is_polled_and_pushed()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(server.Url) };
        await using TestClient socket = await TestClient.ConnectAsync(server.At("/topics/news?after=now"));
        await socket.ReceiveAsync();
        using HttpResponseMessage posted = await http.PostAsync(new Uri("/topics/news", UriKind.Relative), new StringContent("extra!"), Token);
        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        string page = await http.GetStringAsync(new Uri("/topics/news?wait=30", UriKind.Relative), Token);
        using JsonDocument document = JsonDocument.Parse(page);
        Assert.Equal("extra!", document.RootElement.GetProperty("items")[0].GetProperty("data").GetString());
        Assert.Contains("extra!", (await socket.ReceiveAsync()).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("talk/events")]
    [InlineData("fanout")]
    public async Task The_topics_of_the_talk_and_the_fan_out_are_not_shown(string topic)
    {
        await using ServeTool server = await ServeTool.StartAsync();
        using var http = new HttpClient();
        using HttpResponseMessage read = await http.GetAsync(new Uri($"{server.Url}/topics/{topic}"), Token);
        using HttpResponseMessage posted = await http.PostAsync(new Uri($"{server.Url}/topics/{topic}"), new StringContent("x"), Token);
        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden), (read.StatusCode, posted.StatusCode));
    }
}
