using System.Text.Json;
using Duologue.Cli.Connect;
using Duologue.Cli.Tests.Support;
using Duologue.Tests.Browser;

namespace Duologue.Cli.Tests.Connect;

public sealed class ConnectTests(ConnectTests.Server fixture) : IClassFixture<ConnectTests.Server>
{
    private string Socket => fixture.Tool.Socket;

    public sealed class Server : IAsyncLifetime
    {
        internal ServeTool Tool { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Tool = await ServeTool.StartAsync();

        public ValueTask DisposeAsync() => Tool.DisposeAsync();
    }

    [Fact]
    public async Task A_pipe_gets_the_answer_and_nothing_else()
    {
        (int exitCode, string output, string error) = await Tool.RunAsync("hi\n", "connect", $"{Socket}/echo", "--once");
        Assert.Equal((0, "hi", ""), (exitCode, output, error));
    }

    [Fact]
    public async Task Each_piped_line_is_a_message()
    {
        (int exitCode, string output, _) = await Tool.RunAsync("one\n\nthree ünï\n", "connect", $"{Socket}/echo");
        Assert.Equal((0, "one\n\nthree ünï"), (exitCode, output));
    }

    [Fact]
    public async Task Piped_bytes_are_one_message_byte_for_byte()
    {
        await using Tool tool = Tool.Start("connect", $"{Socket}/echo", "--binary", "--once", "--json");
        byte[] bytes = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 13))];
        await tool.WriteBytesAsync(bytes);
        tool.EndInput();
        (int exitCode, string output, _) = await tool.WaitAsync();
        JsonElement message = output.Split('\n').Select(line => JsonDocument.Parse(line).RootElement).Single(each => each.GetProperty("event").GetString() == "message");
        Assert.Equal(0, exitCode);
        Assert.Equal("binary", message.GetProperty("type").GetString());
        Assert.Equal(bytes, message.GetProperty("base64").GetBytesFromBase64());
    }

    [Fact]
    public async Task Verbose_prints_both_heads_as_they_went_over_the_wire()
    {
        (int exitCode, string output, string error) = await Tool.RunAsync(
            "hi\n", "connect", $"{Socket}/echo", "--once", "--verbose", "-H", "X-Room: [blue]", "--origin", "https://elsewhere.example");
        Assert.Equal((0, "hi"), (exitCode, output));
        foreach (string line in new[]
        {
            "> GET /echo HTTP/1.1", "> Upgrade: websocket", "> Sec-WebSocket-Version: 13", "> X-Room: [blue]", "> Origin: https://elsewhere.example",
            "< HTTP/1.1 101 Switching Protocols", "< Sec-WebSocket-Accept: ",
        })
        {
            Assert.Contains(line, error, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("RFC", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_says_what_each_line_means()
    {
        (_, _, string error) = await Tool.RunAsync("hi\n", "connect", $"{Socket}/echo", "--once", "--explain");
        Assert.Contains("It is what this key asks for.", error, StringComparison.Ordinal);
        Assert.Contains("Not a secret", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Over_HTTP2_the_explanation_tells_of_the_protocol()
    {
        await using ServeTool server = await ServeTool.StartAtAsync("https://127.0.0.1:0", "--tls");
        (int exitCode, string output, string error) = await Tool.RunAsync("hi\n", "connect", $"{server.Socket}/echo", "--once", "--explain", "--insecure", "--http", "2");
        Assert.Equal((0, "hi"), (exitCode, output));
        foreach (string line in new[] { "> :method: CONNECT", "> :protocol: websocket", "RFC 8441", "> :path: /echo", "> sec-websocket-version: 13", "< :status: 200", "OK: both sides speak WebSocket on this stream" })
        {
            Assert.Contains(line, error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task HTTP2_in_clear_text_with_a_server_that_speaks_1_1_is_an_error_that_says_so()
    {
        (int exitCode, _, string error) = await Tool.RunAsync("hi\n", "connect", $"{Socket}/echo", "--once", "--http", "2");
        Assert.Equal(3, exitCode);
        Assert.Contains("HTTP/2", error, StringComparison.Ordinal);
        (exitCode, _, error) = await Tool.RunAsync("hi\n", "connect", $"{Socket}/echo", "--http", "3");
        Assert.Equal(2, exitCode);
        Assert.Contains("--http", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_library_finds_wrong_is_said_in_the_words_of_the_tool()
    {
        await using ServeTool server = await ServeTool.StartAtAsync("https://127.0.0.1:0", "--tls");
        (int exitCode, _, string error) = await Tool.RunAsync("hi\n", "connect", $"{server.Socket}/echo");
        Assert.Equal(3, exitCode);
        Assert.Contains("--insecure", error, StringComparison.Ordinal);
        (exitCode, _, error) = await Tool.RunAsync("hi\n", "connect", $"{Socket}/echo", "--protocol", "a b");
        Assert.Equal(2, exitCode);
        Assert.Contains("The subprotocol \"a b\" is not a token", error, StringComparison.Ordinal);
        Assert.DoesNotContain("Parameter", error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_accept_that_does_not_fit_the_key_is_shown_as_wrong()
    {
        // The key and accept of RFC 6455 §1.3.
        const string Request = "GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        Assert.Contains("It is what this key asks for", HeaderNotes.ExplainHeader("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", false, Request), StringComparison.Ordinal);
        Assert.Contains("It should be s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", HeaderNotes.ExplainHeader("Sec-WebSocket-Accept", "wrong", false, Request), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Machines_are_told_in_json()
    {
        (int exitCode, string output, string error) = await Tool.RunAsync(
            "hi\n", "connect", $"{Socket}/echo", "--once", "--json", "--verbose");
        JsonElement[] events = [.. output.Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(["handshake", "open", "message", "close"], events.Select(each => each.GetProperty("event").GetString()));
        Assert.StartsWith("GET /echo HTTP/1.1\r\n", events[0].GetProperty("request").GetString(), StringComparison.Ordinal);
        Assert.Equal("hi", events[2].GetProperty("text").GetString());
        Assert.Equal(1000, events[3].GetProperty("code").GetInt32());
        Assert.Equal((0, ""), (exitCode, error));
    }

    [Fact]
    public async Task A_subprotocol_is_offered_and_agreed_on()
    {
        (_, string output, _) = await Tool.RunAsync("", "connect", $"{Socket}/talk", "--protocol", "unknown", "--protocol", "duologue.talk.v1", "--once", "--json");
        Assert.Contains("\"protocol\":\"duologue.talk.v1\"", output, StringComparison.Ordinal);
        Assert.Contains("welcome", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ping_prints_round_trips()
    {
        await using Tool tool = Tool.Start("connect", $"{Socket}/echo", "--ping", "50ms", "--json");
        await tool.WaitForOutAsync(line => line.Contains("\"ping\"", StringComparison.Ordinal));
        tool.Interrupt();
        (int exitCode, string output, _) = await tool.WaitAsync();
        Assert.Equal(0, exitCode);
        Assert.Contains("\"event\":\"close\",\"code\":1000", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nonsense", "Did you mean ws://nonsense?")]
    [InlineData("localhost:8080", "Did you mean ws://localhost:8080?")]
    [InlineData("ftp://host/", "expected ws://")]
    [InlineData("ws://host/#part", "fragment")]
    public async Task A_bad_url_is_a_usage_error(string url, string hint)
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", "connect", url);
        Assert.Equal(2, exitCode);
        Assert.Contains(hint, error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    [Theory]
    [InlineData("-H", "no colon")]
    [InlineData("-H", "Upgrade: other")]
    [InlineData("--protocol", "with space")]
    [InlineData("--proxy", "nonsense")]
    [InlineData("--wait", "5")]
    public async Task A_bad_option_is_a_usage_error(string option, string value)
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", "connect", $"{Socket}/echo", option, value);
        Assert.Equal(2, exitCode);
        Assert.StartsWith("error: ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_there_and_a_refusal_have_codes_of_their_own()
    {
        // Port 9 (discard) of the loopback: nothing listens there.
        (int exitCode, _, string error) = await Tool.RunAsync("", "connect", "ws://127.0.0.1:9/");
        Assert.Equal(3, exitCode);
        Assert.StartsWith("error: ", error, StringComparison.Ordinal);
        Assert.Equal(4, (await Tool.RunAsync("", "connect", $"{Socket}/nowhere")).ExitCode);
        Assert.Equal(4, (await Tool.RunAsync("", "connect", $"{Socket}/talk", "--origin", "https://stranger.example")).ExitCode);
    }

    [Fact]
    public async Task A_close_with_an_error_code_shows_in_the_exit_code()
    {
        (int exitCode, _, string error) = await Tool.RunAsync("not here\n", "connect", $"{Socket}/fanout", "--wait", "none");
        Assert.Equal(5, exitCode);
        Assert.Contains("1008 \"/fanout only receives", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_answer_in_time_shows_in_the_exit_code()
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", "connect", $"{Socket}/fanout", "--once", "--wait", "200ms");
        Assert.Equal(7, exitCode);
        Assert.Contains("--wait", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lost_server_shows_in_the_exit_code()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using Tool tool = Tool.Start("connect", $"{server.Socket}/echo", "--json");
        await tool.WaitForOutAsync(line => line.Contains("\"open\"", StringComparison.Ordinal));
        await server.Tool.KillAsync();
        (int exitCode, string output, _) = await tool.WaitAsync();
        Assert.Equal(5, exitCode);
        Assert.Contains("\"wasClean\":false", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_line_that_was_cut_was_said_to_be_closed_by_this_side()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        await using Tool tool = Tool.Start("connect", $"{server.Socket}/echo");
        await tool.WriteBytesAsync("hi\n"u8.ToArray());
        await tool.WaitForOutAsync(line => line == "hi");
        await server.Tool.KillAsync();
        (int exitCode, _, string error) = await tool.WaitAsync();
        Assert.Equal(5, exitCode);
        Assert.Equal("Closed when the line was cut: 1006 (ConnectionLost, not clean)", error.Trim());
    }

    [Fact]
    public async Task A_line_that_waited_for_a_slow_server_was_lost_without_a_word_when_it_was_told_to_stop()
    {
        // Not so long that it leaves in fragments: what of it has not left by then could still be taken back.
        const int Length = 1024 * 1024;
        await using RawServer silent = RawServer.StartAccepting(peer => Task.Delay(Timeout.Infinite, peer.Stop));
        silent.Go();
        await using Tool tool = Tool.Start("connect", silent.Url, "--json");
        await tool.WaitForOutAsync(line => line.Contains("\"open\"", StringComparison.Ordinal));

        // When the system keeps no more, the tool takes no more either.
        Task writing;
        do
        {
            writing = tool.WriteAsync(new string('x', Length) + "\n");
        }
        while (await Task.WhenAny(writing, Task.Delay(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken)) == writing);

        tool.Interrupt();
        (int exitCode, string output, _) = await tool.WaitAsync();
        JsonElement unsent = JsonDocument.Parse(Assert.Single(output.Split('\n'), line => line.Contains("\"unsent\"", StringComparison.Ordinal))).RootElement;
        Assert.Equal((5, Length), (exitCode, unsent.GetProperty("size").GetInt32()));
        await Assert.ThrowsAnyAsync<IOException>(() => writing);
    }

    [Fact]
    public async Task Input_of_which_only_a_part_was_sent_when_it_was_told_to_stop_is_said_to_be_cut_and_passes_for_no_message()
    {
        List<RawFrame> frames = [];
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RawServer server = RawServer.Start(async peer =>
        {
            await peer.AcceptAsync();
            try
            {
                do
                {
                    frames.Add(await peer.ReadFrameAsync());
                    begun.TrySetResult();
                }
                while (frames[^1].Opcode != 8);
            }
            finally
            {
                ended.SetResult();
            }
        });
        server.Go();
        await using Tool tool = Tool.Start("connect", server.Url, "--binary", "--json");
        await tool.WaitForOutAsync(line => line.Contains("\"open\"", StringComparison.Ordinal));
        await tool.WriteBytesAsync(new byte[256 * 1024]);
        await begun.Task.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        tool.Interrupt();
        await ended.Task.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        (int exitCode, string output, _) = await tool.WaitAsync();
        Assert.Single(output.Split('\n'), line => line.Contains("\"unsent\"", StringComparison.Ordinal));
        Assert.Equal(5, exitCode);
        Assert.Equal((false, 2), (frames[0].Fin, frames[0].Opcode));
        Assert.DoesNotContain(frames, frame => frame is { Fin: true, Opcode: 0 });
    }

    [Fact]
    public async Task Input_that_is_no_text_is_refused()
    {
        await using Tool tool = Tool.Start("connect", $"{Socket}/echo");
        await tool.WriteBytesAsync([0xff, 0xfe, (byte)'\n']);
        tool.EndInput();
        (int exitCode, _, string error) = await tool.WaitAsync();
        Assert.Equal(2, exitCode);
        Assert.Contains("--binary", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("shared", "shared", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "both sides forget after each message")]
    [InlineData("dedicated", "dedicated", "permessage-deflate", "may refer to those before them")]
    [InlineData("dedicated:10", "dedicated", "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10", "refers back at most 1024 bytes")]
    [InlineData("dedicated", "off", null, null)]
    [InlineData("off", "dedicated", null, null)]
    public async Task Compression_is_agreed_told_and_explained(string server, string client, string? agreed, string? note)
    {
        await using ServeTool tool = await ServeTool.StartAsync("--compression", server, "--threshold", "0");
        string line = string.Concat(Enumerable.Repeat("again and ", 500));
        (int exitCode, string output, string error) = await Tool.RunAsync(line + "\n", "connect", $"{tool.Socket}/echo", "--once", "--json", "--explain", "--compression", client);
        JsonElement[] events = [.. output.Split('\n').Select(each => JsonDocument.Parse(each).RootElement)];
        JsonElement open = events.Single(each => each.GetProperty("event").GetString() == "open");
        Assert.Equal(0, exitCode);
        Assert.Equal(agreed, open.TryGetProperty("extensions", out JsonElement extensions) ? extensions.GetString() : null);
        Assert.Equal(line, events.Single(each => each.GetProperty("event").GetString() == "message").GetProperty("text").GetString());
        if (note is not null)
        {
            (_, _, error) = await Tool.RunAsync("x\n", "connect", $"{tool.Socket}/echo", "--once", "--explain", "--compression", client);
            Assert.Contains(note, error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("dedicated:8")]
    public async Task A_mode_that_is_none_is_refused_with_those_that_are(string mode)
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", "connect", $"{Socket}/echo", "--compression", mode);
        Assert.Equal(2, exitCode);
        Assert.Contains("off, shared, dedicated", error, StringComparison.Ordinal);
        Assert.Contains(mode, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("permessage-deflate; client_max_window_bits", true, "the server may say how far back the client refers")]
    [InlineData("permessage-deflate; server_max_window_bits=9", false, "the server refers back at most 512 bytes")]
    [InlineData("permessage-deflate; client_no_context_takeover", false, "the client forgets after each message")]
    [InlineData("permessage-deflate; foo", false, "unknown parameter")]
    [InlineData("x-snappy", true, "x-snappy is not known here")]
    [InlineData("a b", true, "RFC 6455")]
    public void The_header_of_extensions_is_explained(string value, bool isRequest, string note) =>
        Assert.Contains(note, ExtensionNotes.Explain(value, isRequest), StringComparison.Ordinal);
}
