using System.Net;
using System.Text.Json;
using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Serve;

public sealed class SessionsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/engine.io/")]
    [InlineData("/echo")]
    [InlineData("/talk")]
    public async Task The_handshake_says_what_the_switches_say(string path)
    {
        await using ServeTool server = await ServeTool.StartAsync("--echo", "/engine.io", "--ping-interval", "300ms", "--ping-timeout", "200ms", "--node", "n1");
        using var http = new HttpClient { BaseAddress = new Uri(server.Url) };

        string open = await http.GetStringAsync(new Uri($"{path}?EIO=4&transport=polling", UriKind.Relative), Token);

        using JsonDocument document = JsonDocument.Parse(open[1..]);
        JsonElement said = document.RootElement;
        Assert.Equal((300, 200, 1_000_000), (said.GetProperty("pingInterval").GetInt32(), said.GetProperty("pingTimeout").GetInt32(), said.GetProperty("maxPayload").GetInt32()));
        Assert.StartsWith("n1.", said.GetProperty("sid").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_is_echoed()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(server.Url) };
        string open = await http.GetStringAsync(new Uri("/echo/?EIO=4&transport=polling", UriKind.Relative), Token);
        using JsonDocument document = JsonDocument.Parse(open[1..]);
        var session = new Uri($"/echo/?EIO=4&transport=polling&sid={document.RootElement.GetProperty("sid").GetString()}", UriKind.Relative);

        using HttpResponseMessage posted = await http.PostAsync(session, new StringContent("4one\u001ebAQID\u001e4three"), Token);

        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        Assert.Equal("4one\u001ebAQID\u001e4three", await http.GetStringAsync(session, Token));
        using HttpResponseMessage closed = await http.PostAsync(session, new StringContent("1"), Token);
        Assert.Equal(HttpStatusCode.OK, closed.StatusCode);
    }
}
