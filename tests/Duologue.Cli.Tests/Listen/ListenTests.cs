using System.Net.Sockets;
using System.Text.Json;
using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Listen;

public sealed class ListenTests
{
    [Fact]
    public async Task It_prints_what_it_gets_and_sends_its_input_to_all()
    {
        await using Tool listen = Tool.Start("listen", "--urls", "http://127.0.0.1:0", "--path", "/chat", "--json");
        Uri url = await FindUrlAsync(listen, "/chat");
        await using TestClient one = await TestClient.ConnectAsync(url);
        await using TestClient two = await TestClient.ConnectAsync(url);
        await listen.WaitForOutAsync(line => line.Contains("\"open\",\"id\":2", StringComparison.Ordinal));
        await listen.WriteAsync("to all\n");
        Assert.Equal("to all", (await one.ReceiveAsync()).Text);
        Assert.Equal("to all", (await two.ReceiveAsync()).Text);

        await one.SendAsync("from one");
        JsonElement message = JsonDocument.Parse(await listen.WaitForOutAsync(line => line.Contains("\"message\"", StringComparison.Ordinal))).RootElement;
        Assert.Equal("from one", message.GetProperty("text").GetString());

        await two.Connection.CloseAsync(1000, "bye");
        await listen.WaitForOutAsync(line => line.Contains("\"reason\":\"bye\"", StringComparison.Ordinal));
        listen.Interrupt();
        Assert.Equal(1001, (await one.ClosedAsync()).Code);
        Assert.Equal(0, (await listen.WaitAsync()).ExitCode);
    }

    [Fact]
    public async Task One_that_did_not_read_held_up_the_others()
    {
        await using Tool listen = Tool.Start("listen", "--urls", "http://127.0.0.1:0", "--json");
        Uri url = await FindUrlAsync(listen, "/");
        using TcpClient silent = await ConnectSilentAsync(url);
        await listen.WaitForOutAsync(line => line.Contains("\"open\",\"id\":1", StringComparison.Ordinal));
        await using TestClient reader = await TestClient.ConnectAsync(url);
        await listen.WaitForOutAsync(line => line.Contains("\"open\",\"id\":2", StringComparison.Ordinal));

        // More than a system keeps for who does not read, and less than the tool does.
        string[] lines = [.. Enumerable.Range(0, 12 * 16).Select(i => $"{i}".PadRight(64 * 1024, '.'))];
        Task writing = Task.Run(
            async () =>
            {
                foreach (string line in lines)
                {
                    await listen.WriteAsync(line + "\n");
                }
            },
            TestContext.Current.CancellationToken);
        foreach (string line in lines)
        {
            Assert.Equal(line, (await reader.ReceiveAsync()).Text);
        }

        await writing;
        Assert.DoesNotContain("\"close\"", listen.Out, StringComparison.Ordinal);

        // What waited for it is not forgotten in silence.
        silent.Client.LingerState = new LingerOption(true, 0);
        silent.Close();
        JsonElement close = JsonDocument.Parse(await listen.WaitForOutAsync(line => line.Contains("\"close\"", StringComparison.Ordinal))).RootElement;
        Assert.Equal(1, close.GetProperty("id").GetInt32());
        Assert.True(close.GetProperty("unsentBytes").GetInt64() > 0);
    }

    [Fact]
    public async Task A_line_that_waited_for_a_slow_client_was_lost_without_a_word_when_it_was_told_to_stop()
    {
        await using Tool listen = Tool.Start("listen", "--urls", "http://127.0.0.1:0", "--json");
        Uri url = await FindUrlAsync(listen, "/");
        using TcpClient silent = await ConnectSilentAsync(url);
        await listen.WaitForOutAsync(line => line.Contains("\"open\",\"id\":1", StringComparison.Ordinal));
        await using TestClient reader = await TestClient.ConnectAsync(url);
        await listen.WaitForOutAsync(line => line.Contains("\"open\",\"id\":2", StringComparison.Ordinal));

        // The first all but fills the queue of the one that does not read, whatever its system keeps, so that the second waits for it.
        foreach (int length in new[] { 15 * 1024 * 1024, 12 * 1024 * 1024 })
        {
            Task<(MessageType Type, byte[] Data, string Text)> receiving = SendThroughAsync(length);
            while (await Task.WhenAny(receiving, Task.Delay(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken)) != receiving)
            {
                // It is there, however long this takes: a pong that nobody asked for.
                await silent.GetStream().WriteAsync(new byte[] { 0x8A, 0x80, 0, 0, 0, 0 }, TestContext.Current.CancellationToken);
            }

            Assert.Equal(length, (await receiving).Data.Length);
        }

        async Task<(MessageType Type, byte[] Data, string Text)> SendThroughAsync(int length)
        {
            await listen.WriteAsync(new string('x', length) + "\n");
            return await reader.ReceiveAsync();
        }

        listen.Interrupt();
        (int exitCode, string output, _) = await listen.WaitAsync();
        JsonElement unsent = JsonDocument.Parse(Assert.Single(output.Split('\n'), line => line.Contains("\"unsent\"", StringComparison.Ordinal))).RootElement;
        Assert.Equal((0, 1, 12 * 1024 * 1024), (exitCode, unsent.GetProperty("id").GetInt32(), unsent.GetProperty("size").GetInt32()));
    }

    [Fact]
    public async Task In_a_pipe_messages_come_as_they_are()
    {
        await using Tool listen = Tool.Start("listen", "--urls", "http://127.0.0.1:0", "--once");
        string line = await listen.WaitForErrorAsync(line => line.Contains("ws://", StringComparison.Ordinal));
        string url = line[line.IndexOf("ws://", StringComparison.Ordinal)..].Split(' ')[0];
        (int exitCode, _, _) = await Tool.RunAsync("first\nsecond\n", "connect", url, "--wait", "1ms");
        Assert.Equal(0, exitCode);
        (int listenCode, string output, _) = await listen.WaitAsync();
        Assert.Equal((0, "first\nsecond"), (listenCode, output));
    }

    [Theory]
    [InlineData("off", "")]
    [InlineData("shared", "permessage-deflate")]
    [InlineData("dedicated:12", "permessage-deflate")]
    public async Task It_compresses_as_it_is_told(string mode, string agreed)
    {
        await using Tool listen = Tool.Start("listen", "--urls", "http://127.0.0.1:0", "--compression", mode, "--json");
        Uri url = await FindUrlAsync(listen, "/");
        await using Connection client = await Connection.ConnectAsync(url, new ConnectOptions { Compression = Compression.Shared, UseProxy = false }, TestContext.Current.CancellationToken);
        Assert.Equal(agreed, client.Extensions.Split(';')[0]);
        await listen.WaitForOutAsync(line => line.Contains("\"open\",\"id\":1", StringComparison.Ordinal));
        string text = new('x', 1000);
        await listen.WriteAsync(text + "\n");
        Assert.Equal(text, (await client.ReceiveAsync(TestContext.Current.CancellationToken)).Text);
    }

    [Fact]
    public async Task A_line_that_nobody_gets_is_said_to_be_unsent()
    {
        await using Tool listen = Tool.Start("listen", "--urls", "http://127.0.0.1:0");
        await listen.WaitForErrorAsync(line => line.Contains("ws://", StringComparison.Ordinal));
        await listen.WriteAsync("hello?\n");
        await listen.WaitForErrorAsync(line => line.Contains("not sent, nobody is connected: hello?", StringComparison.Ordinal));
    }

    [Fact]
    public async Task It_agrees_on_a_subprotocol_and_sends_bytes_if_told()
    {
        await using Tool listen = Tool.Start("listen", "--urls", "http://127.0.0.1:0", "--protocol", "chat.v2", "--binary", "--json");
        Uri url = await FindUrlAsync(listen, "/");
        await using TestClient peer = await TestClient.ConnectAsync(url, "chat.v1", "chat.v2");
        Assert.Equal("chat.v2", peer.Connection.Subprotocol);
        await listen.WaitForOutAsync(line => line.Contains("\"open\",\"id\":1", StringComparison.Ordinal));
        await listen.WriteAsync("bytes\n");
        Assert.Equal((MessageType.Binary, 5), await ReceiveSizeAsync(peer));
    }

    [Theory]
    [InlineData("--path", "chat")]
    [InlineData("--urls", "https://127.0.0.1:0")]
    [InlineData("--allow-origin", "nonsense")]
    public async Task A_bad_option_is_a_usage_error(string option, string value)
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", "listen", "--urls", "http://127.0.0.1:0", option, value);
        Assert.Equal(2, exitCode);
        Assert.Contains(value, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_taken_port_is_said_in_one_line()
    {
        await using ServeTool server = await ServeTool.StartAsync();
        (int exitCode, _, string error) = await Tool.RunAsync("", "listen", "--urls", server.Url);
        Assert.Equal(6, exitCode);
        Assert.DoesNotContain('\n', error);
    }

    // Of a client whose system takes in a few KB, and which reads nothing.
    private static async Task<TcpClient> ConnectSilentAsync(Uri url)
    {
        var silent = new TcpClient { ReceiveBufferSize = 4096 };
        await silent.ConnectAsync(url.Host, url.Port, TestContext.Current.CancellationToken);
        await silent.GetStream().WriteAsync("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        return silent;
    }

    private static async Task<(MessageType Type, int Size)> ReceiveSizeAsync(TestClient peer)
    {
        (MessageType type, byte[] data, _) = await peer.ReceiveAsync();
        return (type, data.Length);
    }

    private static async Task<Uri> FindUrlAsync(Tool listen, string path)
    {
        JsonElement listening = JsonDocument.Parse(await listen.WaitForOutAsync(line => line.Contains("listening", StringComparison.Ordinal))).RootElement;
        return new Uri(string.Concat("ws", listening.GetProperty("open").GetString().AsSpan(4), path));
    }
}
