using System.Net;
using System.Text.Json;
using Duologue.Cli.Serve;
using Duologue.Cli.Terminal;
using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Serve;

public sealed class ServeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_printed_url_serves_the_page_with_a_strict_policy()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        using var http = new HttpClient();
        using HttpResponseMessage page = await http.GetAsync(server.Url, Token);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        string policy = page.Headers.GetValues("Content-Security-Policy").Single();
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        string html = await page.Content.ReadAsStringAsync(Token);
        Assert.Contains("<title>Duologue</title>", html, StringComparison.Ordinal);
        Assert.Equal("text/javascript", (await http.GetAsync(server.Url + "/page/app.js", Token)).Content.Headers.ContentType?.MediaType);

        using var again = new HttpRequestMessage(HttpMethod.Get, server.Url);
        again.Headers.IfNoneMatch.Add(page.Headers.ETag!);
        using HttpResponseMessage unchanged = await http.SendAsync(again, Token);
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
    }

    [Fact]
    public async Task A_clone_which_has_no_duologue_on_its_path_was_told_to_join_by_that()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        string line = await server.Tool.WaitForErrorAsync(line => line.Contains("in a terminal", StringComparison.Ordinal));
        Assert.EndsWith($"{ToolInvocation.Here} connect {server.Url.Replace("http", "ws", StringComparison.Ordinal)}", line.TrimEnd(), StringComparison.Ordinal);
        Assert.StartsWith("dotnet run ", ToolInvocation.Here, StringComparison.Ordinal);
        using var http = new HttpClient();
        string html = await http.GetStringAsync(new Uri(server.Url), Token);
        Assert.Contains("<code id=\"empty-command\">dotnet run -c Release --project src/Duologue.Cli -- connect ws:", html, StringComparison.Ordinal);
        Assert.DoesNotContain("duologue connect", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_path_with_an_escape_in_it_gave_orders_to_the_operators_terminal()
    {
        await using ServeTool server = await ServeTool.StartAsync("--log-level", "information");
        using var http = new HttpClient();
        using HttpResponseMessage answer = await http.GetAsync(server.Url + "/zz%1b%5b31m%0afail:%20forged", Token);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);

        string line = await server.Tool.WaitForErrorAsync(line => line.Contains("Request finished", StringComparison.Ordinal));

        Assert.Contains("/zz\u241b[31m fail: forged", line, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', server.Tool.Error);
    }

    [Fact]
    public async Task The_echo_is_byte_exact_and_takes_any_origin_at_every_path_it_is_mapped_to()
    {
        await using ServeTool server = await ServeTool.StartAsync("--echo", "/mirror", "--max-message-size", "4MiB");
        foreach (string path in new[] { "/echo", "/mirror" })
        {
            await using var peer = new TestClient(await Connection.ConnectAsync(
                server.At(path), new ConnectOptions { Origin = "https://elsewhere.example", MaxMessageSize = 1 << 24 }, Token));
            foreach (int size in new[] { 0, 1, 125, 126, 65_535, 65_536, 3_000_000 })
            {
                byte[] bytes = [.. Enumerable.Range(0, size).Select(i => (byte)(i * 7))];
                await peer.SendAsync(bytes);
                (MessageType type, byte[] data, _) = await peer.ReceiveAsync();
                Assert.Equal(MessageType.Binary, type);
                Assert.Equal(bytes, data);
            }

            await peer.SendAsync("""{"not":"looked at"} 🙂""");
            Assert.Equal("""{"not":"looked at"} 🙂""", (await peer.ReceiveAsync()).Text);
        }
    }

    [Theory]
    [InlineData("off")]
    [InlineData("epoll")]
    [InlineData("io_uring")]
    public async Task The_echo_runs_on_whatever_carries_the_connections(string eventLoop)
    {
        await using ServeTool server = await ServeTool.StartAsync("--event-loop", eventLoop, "--loops", "1");
        await using TestClient peer = await TestClient.ConnectAsync(server.At("/echo"));
        await peer.SendAsync("hello");
        Assert.Equal("hello", (await peer.ReceiveAsync()).Text);
    }

    [Fact]
    public async Task What_is_sent_to_publish_reaches_all_at_fanout()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient one = await TestClient.ConnectAsync(server.At("/fanout"));
        await using TestClient two = await TestClient.ConnectAsync(server.At("/fanout"));
        // A round trip with the server makes sure that both are subscribed.
        await one.Connection.PingAsync(Token);
        await two.Connection.PingAsync(Token);
        await using TestClient source = await TestClient.ConnectAsync(server.At("/fanout/publish"));
        await source.SendAsync("to all");
        await source.SendAsync(new byte[] { 1, 2 });
        foreach (TestClient peer in new[] { one, two })
        {
            Assert.Equal("to all", (await peer.ReceiveAsync()).Text);
            Assert.Equal([1, 2], (await peer.ReceiveAsync()).Data);
        }

        await one.SendAsync("not here");
        CloseInfo info = await one.ClosedAsync();
        Assert.Equal((1008, "/fanout only receives; send to /fanout/publish"), (info.Code, info.Reason));
    }

    [Fact]
    public async Task Limits_of_the_command_line_hold()
    {
        await using ServeTool server = await ServeTool.StartAsync("--max-message-size", "1KiB", "--max-connections-per-address", "2");
        await using TestClient first = await TestClient.ConnectAsync(server.At("/echo"));
        await using TestClient second = await TestClient.ConnectAsync(server.At("/talk"));
        HandshakeException refused = await Assert.ThrowsAsync<HandshakeException>(async () => await TestClient.ConnectAsync(server.At("/echo")));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        await first.SendAsync(new byte[1025]);
        Assert.Equal(1009, (await first.ClosedAsync()).Code);
        await second.SendAsync(new byte[1025]);
        Assert.Equal(1009, (await second.ClosedAsync()).Code);
    }

    [Fact]
    public async Task Other_sites_pages_may_not_join_the_talk_unless_listed()
    {
        await using ServeTool server = await ServeTool.StartAsync("--allow-origin", "https://friend.example");
        HandshakeException refused = await Assert.ThrowsAsync<HandshakeException>(
            async () => await Connection.ConnectAsync(server.At("/talk"), new ConnectOptions { Origin = "https://stranger.example" }, Token));
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        await using Connection friend = await Connection.ConnectAsync(server.At("/"), new ConnectOptions { Origin = "https://friend.example" }, Token);
        await using Connection own = await Connection.ConnectAsync(server.At("/"), new ConnectOptions { Origin = server.Url }, Token);
    }

    [Fact]
    public async Task A_taken_port_is_said_in_one_line()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        (int exitCode, string output, string error) = await Tool.RunAsync("", "serve", "--urls", server.Url);
        Assert.Equal(6, exitCode);
        Assert.Equal("", output);
        Assert.Matches(@"^error: http://127\.0\.0\.1:\d+ is taken[^\n]*--urls[^\n]*$", error);
    }

    [Fact]
    public async Task An_address_of_another_machine_was_said_by_a_number_of_the_system()
    {
        // RFC 5737: an address of nobody's.
        (int exitCode, _, string error) = await Tool.RunAsync("", "serve", "--urls", "http://192.0.2.1:8080");
        Assert.Equal(6, exitCode);
        Assert.Equal("error: Cannot listen on http://192.0.2.1:8080: this machine has no such address. Choose an address of this machine with --urls.", error.Trim());
    }

    [Theory]
    [InlineData("--max-message-size", "3XB")]
    [InlineData("--max-message-size", "0")]
    [InlineData("--ping-interval", "5")]
    [InlineData("--ping-interval", "0s")]
    [InlineData("--max-fragments", "-1")]
    [InlineData("--send-queue-policy", "Panic")]
    [InlineData("--log-level", "7")]
    [InlineData("--urls", "nonsense")]
    [InlineData("--urls", "https://127.0.0.1:0")]
    [InlineData("--urls", "http://localhost:99999")]
    [InlineData("--urls", "http://localhost:-1")]
    [InlineData("--echo", "no-slash")]
    [InlineData("--echo", "/talk")]
    [InlineData("--echo", "/metrics")]
    [InlineData("--metrics", "Some")]
    [InlineData("--allow-origin", "nonsense")]
    [InlineData("--node", "a.b")]
    [InlineData("--node-address", "10.0.0.1:8080")]
    [InlineData("--node-address", "http://10.0.0.1:8080")]
    [InlineData("--redis", "")]
    [InlineData("--redis", ",ssl=true")]
    [InlineData("--redis", "redis://localhost:6379")]
    [InlineData("--redis", "localhost:99999")]
    [InlineData("--redis", "a b:6379")]
    [InlineData("--no-such-option", "1")]
    public async Task A_bad_value_is_a_usage_error_that_shows_it(string option, string value)
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", "serve", "--urls", "http://127.0.0.1:0", option, value);
        Assert.Equal(2, exitCode);
        Assert.StartsWith("error: ", error, StringComparison.Ordinal);
        Assert.True(error.Contains(value, StringComparison.Ordinal) || error.Contains(option, StringComparison.Ordinal), error);
    }

    [Fact]
    public async Task Help_states_every_limit_with_its_default()
    {
        (int exitCode, string help, _) = await Tool.RunAsync("", "serve", "--help");
        Assert.Equal(0, exitCode);
        foreach (System.CommandLine.Option option in new ServeOptions().All)
        {
            Assert.Contains(option.Name, help, StringComparison.Ordinal);
        }

        foreach (string stated in new[] { "[default: 20s]", "[default: 4096]", "1MiB", "8MiB", "[default: Close]", "[default: Local]", "[default: 200]", "[default: 5s]", "[default: 10s]", "http://localhost:8080" })
        {
            Assert.Contains(stated, help, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Machines_are_told_in_json()
    {
        await using Tool tool = Tool.Start("serve", "--urls", "http://127.0.0.1:0", "--json");
        JsonElement listening = JsonDocument.Parse(await tool.WaitForOutAsync(line => line.Contains("listening", StringComparison.Ordinal))).RootElement;
        Assert.Matches(@"^http://127\.0\.0\.1:\d+$", listening.GetProperty("open").GetString());
        Assert.Contains("/echo", listening.GetProperty("endpoints").EnumerateArray().Select(each => each.GetString()));
        tool.Interrupt();
        (int exitCode, string output, string error) = await tool.WaitAsync();
        Assert.Equal(0, exitCode);
        Assert.EndsWith("""{"event":"stopped"}""", output, StringComparison.Ordinal);
        Assert.Equal("", error);
    }

    [Fact]
    public async Task Control_C_closes_every_conversation_before_it_ends()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using TestClient peer = await TestClient.ConnectAsync(server.At("/echo"));
        server.Tool.Interrupt();
        Assert.Equal(1001, (await peer.ClosedAsync()).Code);
        Assert.Equal(0, (await server.Tool.WaitAsync()).ExitCode);
    }

    [Fact]
    public async Task With_tls_it_speaks_wss_and_says_which_certificate()
    {
        await using ServeTool server = await ServeTool.StartAtAsync("https://127.0.0.1:0", "--tls");
        await server.Tool.WaitForErrorAsync(line => line.Contains("certificate", StringComparison.Ordinal));
        Assert.StartsWith("https://", server.Url, StringComparison.Ordinal);
        (int exitCode, string output, _) = await Tool.RunAsync("safe\n", "connect", $"{server.Socket}/echo", "--once", "--insecure");
        Assert.Equal((0, "safe"), (exitCode, output));
    }
}
