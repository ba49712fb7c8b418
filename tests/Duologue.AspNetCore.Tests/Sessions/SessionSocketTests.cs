using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>The WebSocket transport of a session, from its opening or after a change, packet by packet.</summary>
public class SessionSocketTests
{
    private const string Path = "/engine.io/?EIO=4&transport=websocket";

    private static Task<TestHost> StartAsync() => StartAsync(_ => { });

    private static Task<TestHost> StartAsync(Action<DuologueOptions> options) =>
        TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"), options);

    [Fact]
    public async Task A_session_may_be_a_WebSocket_from_its_opening_on()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket socket = await host.ConnectAsync(Path);
        string open = await socket.ReceiveTextAsync();

        Assert.StartsWith("0{\"sid\":\"", open, StringComparison.Ordinal);
        Assert.Contains("\"upgrades\":[]", open, StringComparison.Ordinal);
        Assert.Equal(Transport.WebSocket, host.Connections.Single().Transport);
        foreach (string text in new[] { "4hello", "4", "4€🍵" })
        {
            await socket.SendTextAsync(text);
            Assert.Equal(text, await socket.ReceiveTextAsync());
        }

        await socket.CloseAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Binary_travels_as_frames_or_where_the_client_says_so_as_base64(bool base64)
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket socket = await host.ConnectAsync(base64 ? Path + "&b64=1" : Path);
        await socket.ReceiveTextAsync();

        await socket.SendAsync(new byte[] { 1, 2, 3, 4 }, WebSocketMessageType.Binary, true, TestContext.Current.CancellationToken);
        byte[] buffer = new byte[64];
        WebSocketReceiveResult echoed = await socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken);

        Assert.Equal(base64 ? WebSocketMessageType.Text : WebSocketMessageType.Binary, echoed.MessageType);
        Assert.Equal(base64 ? "bAQIDBA=="u8.ToArray() : [1, 2, 3, 4], buffer[..echoed.Count]);
        await socket.SendTextAsync("bAQIDBA==");
        Assert.Equal(echoed.Count, (await socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken)).Count);
        await socket.CloseAsync();
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("")]
    [InlineData("2")]
    [InlineData("2probe")]
    [InlineData("1")]
    public async Task A_bad_packet_and_a_close_end_the_WebSocket_and_the_session(string packet)
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket socket = await host.ConnectAsync(Path);
        await socket.ReceiveTextAsync();
        Connection connection = host.Connections.Single();

        await socket.SendTextAsync(packet);

        Assert.StartsWith("close", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(packet == "1" ? CloseCause.PeerClosed : CloseCause.ProtocolViolation, info.Cause);
    }

    [Fact]
    public async Task A_message_over_the_payload_closes_with_1009()
    {
        await using TestHost host = await StartAsync(options => options.MaxSessionPayload = 100);
        using ClientWebSocket socket = await host.ConnectAsync(Path);
        await socket.ReceiveTextAsync();
        Connection connection = host.Connections.Single();

        await socket.SendTextAsync(new string('4', 101));

        Assert.StartsWith("close 1009", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
        Assert.Equal(CloseCause.MessageTooBig, (await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken)).Cause);
    }

    [Fact]
    public async Task The_server_pings_and_closes_without_a_pong()
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"), Beat, build => build.Services.AddSingleton<TimeProvider>(time));
        using ClientWebSocket socket = await host.ConnectAsync(Path);
        await socket.ReceiveTextAsync();
        Connection connection = host.Connections.Single();

        // Once it echoes its heartbeat has begun.
        await socket.SendTextAsync("4x");
        Assert.Equal("4x", await socket.ReceiveTextAsync());
        for (int round = 0; round < 3; round++)
        {
            time.Advance(TimeSpan.FromMilliseconds(400));
            Assert.Equal("2", await socket.ReceiveTextAsync());
            await socket.SendTextAsync("3");

            // Behind the pong: so the server has had it.
            await socket.SendTextAsync("4x");
            Assert.Equal("4x", await socket.ReceiveTextAsync());
        }

        time.Advance(TimeSpan.FromMilliseconds(400));
        Assert.Equal("2", await socket.ReceiveTextAsync());
        time.Advance(TimeSpan.FromMilliseconds(400));

        Assert.Equal(CloseCause.KeepAliveTimeout, (await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken)).Cause);
    }

    [Fact]
    public async Task The_server_closes_with_its_code_and_reason()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket socket = await host.ConnectAsync(Path);
        await socket.ReceiveTextAsync();
        Task<CloseInfo> closing = host.Connections.Single().CloseAsync(4001, "enough").AsTask();

        Assert.Equal("close 4001 enough", await socket.ReceiveTextAsync());
        await socket.CloseAsync();

        CloseInfo info = await closing.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(CloseCause.LocalClose, info.Cause);
    }

    [Fact]
    public async Task The_end_of_the_WebSocket_is_the_end_of_the_session()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        using ClientWebSocket socket = await client.CompleteUpgradeAsync();
        Connection connection = host.Connections.Single();
        await socket.SendTextAsync("4x");
        Assert.Equal("4x", await socket.ReceiveTextAsync());

        await socket.CloseAsync();

        Assert.Equal(CloseCause.PeerClosed, await EndOf(connection));
        Assert.Equal(400, (await client.GetAsync()).Status);
    }

    [Fact]
    public async Task A_session_changes_to_a_WebSocket_with_what_waits_and_stays_there()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        using ClientWebSocket socket = await client.UpgradeAsync();
        await socket.SendTextAsync("2probe");
        Assert.Equal("3probe", await socket.ReceiveTextAsync());

        // The client waits for the end of its poll before it changes.
        Assert.Equal((200, "6"), await client.GetAsync());
        Assert.Equal((200, "ok"), await client.PostAsync("4meanwhile"));
        connection.Send("and this");
        await socket.SendTextAsync("5");

        Assert.Equal("4meanwhile", await socket.ReceiveTextAsync());
        Assert.Equal("4and this", await socket.ReceiveTextAsync());
        Assert.Equal(Transport.WebSocket, connection.Transport);
        Assert.Equal(400, (await client.GetAsync()).Status);
        Assert.Equal(400, (await host.HandshakeAsync($"/engine.io/?EIO=4&transport=websocket&sid={client.Sid}")).Status);
        await socket.SendTextAsync("4still here");
        Assert.Equal("4still here", await socket.ReceiveTextAsync());
        await socket.CloseAsync();
    }

    [Fact]
    public async Task A_poll_is_released_when_a_WebSocket_tries_to_take_over_and_the_change_may_come_at_once()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Task<(int, string)> held = client.GetAsync();
        using ClientWebSocket socket = await client.UpgradeAsync();

        await socket.SendTextAsync("2probe");
        await socket.SendTextAsync("5");

        Assert.Equal("3probe", await socket.ReceiveTextAsync());
        (int status, string _) = await held;
        Assert.True(status is 200 or 400, $"{status}");
        await socket.SendTextAsync("4x");
        Assert.Equal("4x", await socket.ReceiveTextAsync());
        await socket.CloseAsync();
    }

    [Theory]
    [InlineData("4early")]
    [InlineData("3probe")]
    [InlineData("")]
    public async Task Any_other_packet_before_the_change_closes_that_WebSocket_only_and_another_may_try(string packet)
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        using (ClientWebSocket socket = await client.UpgradeAsync())
        {
            await socket.SendTextAsync(packet);
            Assert.StartsWith("close", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", TestContext.Current.CancellationToken);
        }

        Assert.Equal((200, "ok"), await client.PostAsync("4polled"));
        Assert.Equal((200, "4polled"), await client.GetAsync());
        ClientWebSocket? second = null;
        await Eventually.True(() => (second = TryUpgrade(client)) is not null);
        using (ClientWebSocket again = second!)
        {
            await again.SendTextAsync("2probe");
            Assert.Equal("3probe", await again.ReceiveTextAsync());
            await again.SendTextAsync("5");
            await again.SendTextAsync("4y");
            Assert.Equal("4y", await again.ReceiveTextAsync());
            await again.CloseAsync();
        }
    }

    [Fact]
    public async Task A_second_WebSocket_is_refused_while_one_tries()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        using ClientWebSocket socket = await client.UpgradeAsync();
        await socket.SendTextAsync("2probe");
        Assert.Equal("3probe", await socket.ReceiveTextAsync());

        Assert.Equal(400, (await host.HandshakeAsync($"/engine.io/?EIO=4&transport=websocket&sid={client.Sid}")).Status);

        await socket.SendTextAsync("5");
        await socket.SendTextAsync("4x");
        Assert.Equal("4x", await socket.ReceiveTextAsync());
        await socket.CloseAsync();
    }

    [Fact]
    public async Task A_WebSocket_that_never_takes_over_is_closed_and_polling_goes_on()
    {
        await using TestHost host = await StartAsync(options => options.SessionUpgradeTimeout = TimeSpan.FromMilliseconds(200));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        using ClientWebSocket socket = await client.UpgradeAsync();

        Assert.StartsWith("close", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
        Assert.Equal((200, "ok"), await client.PostAsync("4x"));
        Assert.Equal((200, "4x"), await client.GetAsync());
    }

    [Fact]
    public async Task A_change_that_crossed_the_end_of_its_time_moved_the_session_to_a_WebSocket_that_was_closing()
    {
        await using TestHost host = await StartAsync(options =>
        {
            options.SessionUpgradeTimeout = TimeSpan.FromMilliseconds(100);
            options.CloseTimeout = TimeSpan.FromMinutes(5);
        });
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        using ClientWebSocket socket = await client.UpgradeAsync();
        Assert.StartsWith("close 1002", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
        connection.Send("due");

        await socket.SendTextAsync("5");

        // The client polls no more: the session ends at once, and nothing is taken for a WebSocket that does not bring it.
        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal((CloseCause.ConnectionLost, true), (info.Cause, info.UnsentBytes > 0));
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Of_many_WebSockets_that_try_at_once_a_session_has_one()
    {
        await using TestHost host = await StartAsync(options => (options.SessionUpgradeTimeout, options.KeepAliveInterval) = (TimeSpan.FromHours(1), TimeSpan.FromHours(1)));
        await using SessionClient client = await SessionClient.OpenAsync(host);

        var clients = new List<RawClient>();
        try
        {
            for (int i = 0; i < 20; i++)
            {
                clients.Add(await RawClient.ConnectAsync(host.Url));
            }

            // Each stays open behind its answer, so the one that was let in stays in.
            RawAnswer[] answers = await Task.WhenAll(clients.Select(raw => raw.HandshakeAsync($"/engine.io/?EIO=4&transport=websocket&sid={client.Sid}")));

            Assert.Equal([101, .. Enumerable.Repeat(400, 19)], answers.Select(answer => answer.Status).Order());
            Assert.Equal((200, "ok"), await client.PostAsync("4x"));
            Assert.Equal((200, "4x"), await client.GetAsync());
        }
        finally
        {
            foreach (RawClient raw in clients)
            {
                await raw.DisposeAsync();
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_WebSocket_that_tries_and_then_says_nothing_makes_room_for_another(bool probes)
    {
        await using TestHost host = await StartAsync(options => (options.SessionUpgradeTimeout, options.CloseTimeout) = (TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(200)));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        await using RawClient mute = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(101, (await mute.HandshakeAsync($"/engine.io/?EIO=4&transport=websocket&sid={client.Sid}")).Status);
        if (probes)
        {
            // "2probe" as a client's frame, masked with zero. Neither the answer to it nor the close is read.
            await mute.Stream.WriteAsync(new byte[] { 0x81, 0x86, 0, 0, 0, 0, (byte)'2', (byte)'p', (byte)'r', (byte)'o', (byte)'b', (byte)'e' }, TestContext.Current.CancellationToken);
        }

        await Eventually.True(() =>
        {
            using ClientWebSocket? next = TryUpgrade(client);
            return next is not null;
        });
        Assert.Equal((200, "ok"), await client.PostAsync("4x"));
        Assert.Equal((200, "4x"), await client.GetAsync());
    }

    [Fact]
    public async Task A_session_that_ends_closes_the_WebSocket_that_tries()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        using ClientWebSocket socket = await client.UpgradeAsync();
        await socket.SendTextAsync("2probe");
        Assert.Equal("3probe", await socket.ReceiveTextAsync());

        host.Connections.Single().Abort();

        Assert.StartsWith("close", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("transport=websocket", 400)]
    [InlineData("EIO=abc&transport=websocket", 400)]
    [InlineData("EIO=4", 400)]
    [InlineData("EIO=4&transport=abc", 400)]
    [InlineData("EIO=4&transport=polling", 400)]
    [InlineData("EIO=4&transport=websocket&sid=nobody", 400)]
    [InlineData("EIO=4&transport=websocket", 101)]
    [InlineData("other=1", 101)]
    public async Task An_upgrade_is_refused_before_the_101(string query, int status)
    {
        await using TestHost host = await StartAsync();

        Assert.Equal(status, (await host.HandshakeAsync($"/engine.io/?{query}")).Status);
    }

    private static async Task<CloseCause> EndOf(Connection connection)
    {
        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        return info.Cause;
    }

    // The server may not have seen the end of the first one yet.
    private static ClientWebSocket? TryUpgrade(SessionClient client)
    {
        try
        {
            return client.UpgradeAsync().GetAwaiter().GetResult();
        }
        catch (WebSocketException)
        {
            return null;
        }
    }

    private static void Beat(DuologueOptions options)
    {
        options.KeepAliveInterval = TimeSpan.FromMilliseconds(300);
        options.KeepAliveTimeout = TimeSpan.FromMilliseconds(200);
        options.DrainWindow = TimeSpan.Zero;
    }
}
