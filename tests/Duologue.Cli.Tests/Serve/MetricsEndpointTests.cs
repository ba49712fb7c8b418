using System.Net;
using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Serve;

public class MetricsEndpointTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Metrics_are_Prometheus_text_that_ascends_with_a_conversation()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        using var http = new HttpClient();
        await TalkAsync(server);
        Exposition before = await ReadAsync(http, server, each => each.Sum("duologue_server_connection_duration_seconds_count") >= 1);

        await TalkAsync(server);
        Exposition after = await ReadAsync(http, server, each => each.Sum("duologue_server_connection_duration_seconds_count") >= 2);

        Assert.Equal(before.Sum("duologue_server_messages_received_total") + 1, after.Sum("duologue_server_messages_received_total"));
        Assert.Equal(before.Sum("duologue_server_messages_sent_total") + 1, after.Sum("duologue_server_messages_sent_total"));
        Assert.Equal(2, after.Sum("duologue_server_connection_duration_seconds_count", "duologue_close_cause=\"peer_closed\""));
        Assert.Equal(0, after.Sum("duologue_server_active_connections"));
        Assert.Equal("counter", after.TypeOf("duologue_server_messages_received_total"));
        Assert.Equal("gauge", after.TypeOf("duologue_server_active_connections"));
        var later = after.Counters.ToDictionary(each => each.Series, each => each.Value);
        Assert.All(before.Counters, each => Assert.True(later[each.Series] >= each.Value, $"{each.Series} went down."));

        // The web server's and the runtime's own stand beside ours.
        foreach (string family in new[] { "kestrel_active_connections", "kestrel_connection_duration_seconds", "http_server_request_duration_seconds", "dotnet_gc_collections_total", "dotnet_gc_pause_time_seconds_total" })
        {
            Assert.Contains(family, after.Families);
        }
    }

    [Theory]
    [InlineData("Host", "evil.test", HttpStatusCode.Forbidden)]
    [InlineData("X-Forwarded-For", "203.0.113.9", HttpStatusCode.Forbidden)]
    [InlineData("Forwarded", "for=203.0.113.9", HttpStatusCode.Forbidden)]
    [InlineData("Host", "localhost", HttpStatusCode.OK)]
    public async Task By_default_only_programs_on_this_machine_may_read_them(string header, string value, HttpStatusCode expected)
    {
        await using ServeTool server = await ServeTool.StartAsync();
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, server.Url + "/metrics");
        request.Headers.TryAddWithoutValidation(header, value);

        using HttpResponseMessage answer = await http.SendAsync(request, Token);

        Assert.Equal(expected, answer.StatusCode);
        if (expected == HttpStatusCode.Forbidden)
        {
            Assert.Contains("--metrics", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task All_may_read_them_where_the_command_line_says_so()
    {
        await using ServeTool server = await ServeTool.StartAsync("--metrics", "All");
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, server.Url + "/metrics");
        request.Headers.TryAddWithoutValidation("X-Forwarded-For", "203.0.113.9");

        using HttpResponseMessage answer = await http.SendAsync(request, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("text/plain", answer.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task Off_means_that_there_is_no_such_page()
    {
        await using ServeTool server = await ServeTool.StartAsync("--metrics", "Off");
        using var http = new HttpClient();

        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync(server.Url + "/metrics", Token)).StatusCode);
    }

    private static async Task TalkAsync(ServeTool server)
    {
        await using TestClient client = await TestClient.ConnectAsync(server.At("/echo"));
        await client.SendAsync("counted");
        Assert.Equal("counted", (await client.ReceiveAsync()).Text);
    }

    /// <summary>Reads until the end of the conversation, which the server learns after its client, is counted.</summary>
    private static async Task<Exposition> ReadAsync(HttpClient http, ServeTool server, Func<Exposition, bool> isIt)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(Tool.Patience);
        while (true)
        {
            Exposition read = Exposition.Parse(await http.GetStringAsync(server.Url + "/metrics", patience.Token));
            if (isIt(read))
            {
                return read;
            }

            await Task.Delay(50, patience.Token);
        }
    }
}
