using System.CommandLine;
using System.Text.Json;
using Duologue.Cli.Connect;
using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Connect;

/// <summary><c>duologue connect --transport</c>.</summary>
public sealed class TransportTests(ConnectTests.Server fixture) : IClassFixture<ConnectTests.Server>
{
    private string Echo => $"{fixture.Tool.Socket}/echo";

    [Theory]
    [InlineData("websocket", "websocket", "One connection")]
    [InlineData("long-polling", "long-polling", "is answered when there is news")]
    [InlineData("polling", "polling", "asks every few seconds")]
    [InlineData("auto", "websocket", "One connection")]
    [InlineData("Polling,LONG-polling", "long-polling", "is answered when there is news")]
    public async Task The_conversation_goes_over_what_is_allowed_and_the_notes_say_which(string allowed, string carries, string note)
    {
        (int exitCode, string output, string error) = await Tool.RunAsync(
            "hi\n", "connect", Echo, "--once", "--wait", "50s", "--timeout", "50s", "--explain", "--transport", allowed, "--polling-interval", "50ms");

        Assert.Equal((0, "hi"), (exitCode, output));
        Assert.Contains($"= Transport: {carries}\n", error, StringComparison.Ordinal);
        Assert.Contains(note, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_the_option_it_is_a_WebSocket_and_only_who_asks_is_told()
    {
        (int exitCode, string output, string error) = await Tool.RunAsync("hi\n", "connect", Echo, "--once", "--wait", "50s");
        Assert.Equal((0, "hi", ""), (exitCode, output, error));

        (exitCode, output, _) = await Tool.RunAsync("hi\n", "connect", Echo, "--once", "--wait", "50s", "--json");
        JsonElement open = Event(output, "open");
        Assert.Equal((0, "websocket"), (exitCode, open.GetProperty("transport").GetString()));
    }

    [Fact]
    public async Task Polling_first_loses_nothing_whenever_the_change_comes()
    {
        (int exitCode, string output, _) = await Tool.RunAsync(
            "hi\n", "connect", Echo, "--once", "--wait", "50s", "--timeout", "50s", "--transport", "auto", "--polling-first");

        Assert.Equal((0, "hi"), (exitCode, output));
    }

    [Fact]
    public void The_options_reach_the_client()
    {
        var set = new ConnectOptionsSet();
        var command = new Command("connect") { set.Url };
        foreach (Option option in set.All)
        {
            command.Add(option);
        }

        ParseResult parsed = command.Parse(["ws://host/", "--transport", "websocket,polling", "--polling-first", "--polling-interval", "5s"]);

        Assert.Empty(parsed.Errors);
        Assert.True(set.TryGetOptions(parsed, null, out ConnectOptions? options, out _));
        Assert.Equal((Transports.WebSocket | Transports.Polling, true, TimeSpan.FromSeconds(5)), (options.Transports, options.PollingFirst, options.PollingInterval));
    }

    [Fact]
    public async Task Piped_bytes_are_one_message_over_polling_too()
    {
        byte[] bytes = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 13))];
        await using Tool tool = Tool.Start("connect", Echo, "--binary", "--once", "--wait", "50s", "--timeout", "50s", "--json", "--transport", "long-polling");
        await tool.WriteBytesAsync(bytes);
        tool.EndInput();

        (int exitCode, string output, string error) = await tool.WaitAsync();

        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal(bytes, Event(output, "message").GetProperty("base64").GetBytesFromBase64());
    }

    [Fact]
    public async Task A_ping_that_a_session_does_not_have_is_said_and_the_conversation_goes_on()
    {
        (int exitCode, string output, string error) = await Tool.RunAsync(
            "hi\n", "connect", Echo, "--once", "--wait", "50s", "--timeout", "50s", "--ping", "1s", "--transport", "long-polling");

        Assert.Equal((0, "hi"), (exitCode, output));
        Assert.Contains("No --ping here:", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("websocket, long-polling, polling", "--transport", "carrier-pigeon")]
    [InlineData("websocket, long-polling, polling", "--transport", "polling,")]
    [InlineData("--transport auto", "--polling-first")]
    [InlineData("--transport auto", "--polling-first", "--transport", "polling")]
    [InlineData("10ms to 55s", "--polling-interval", "2m")]
    [InlineData("Subprotocols", "--transport", "polling", "--protocol", "chat")]
    public async Task What_cannot_be_is_a_usage_error(string hint, params string[] options)
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", ["connect", Echo, .. options]);

        Assert.Equal(2, exitCode);
        Assert.Contains(hint, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("auto", Transports.WebSocket | Transports.LongPolling | Transports.Polling)]
    [InlineData("websocket, polling", Transports.WebSocket | Transports.Polling)]
    [InlineData("", Transports.None)]
    [InlineData("websocket,none", Transports.None)]
    public void Names_are_read(string text, Transports expected)
    {
        Assert.Equal(expected != Transports.None, TransportNames.TryParse(text, out Transports transports));
        Assert.Equal(expected, transports);
    }

    private static JsonElement Event(string output, string name) =>
        output.Split('\n').Select(line => JsonDocument.Parse(line).RootElement).Single(each => each.GetProperty("event").GetString() == name);
}
