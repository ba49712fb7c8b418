using System.Text;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>This client's transports against this server.</summary>
public class ClientTransportsTests
{
    private const Transports All = Transports.WebSocket | Transports.LongPolling | Transports.Polling;

    private static readonly ConnectOptions Patient = new() { ConnectTimeout = TestHost.Patience, PollingInterval = TimeSpan.FromMilliseconds(20) };

    [Theory]
    [InlineData(Transports.WebSocket, Transport.WebSocket)]
    [InlineData(Transports.LongPolling, Transport.LongPolling)]
    [InlineData(Transports.Polling, Transport.Polling)]
    [InlineData(All, Transport.WebSocket)]
    [InlineData(Transports.LongPolling | Transports.Polling, Transport.LongPolling)]
    public async Task The_same_conversation_goes_over_each(Transports transports, Transport expected)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));

        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = transports });

        Assert.Equal(expected, connection.Transport);
        await EchoesAsync(connection);
    }

    [Theory]
    [InlineData(Transports.LongPolling)]
    [InlineData(Transports.Polling)]
    [InlineData(Transports.WebSocket)]
    public async Task A_server_that_need_not_speak_for_a_day_was_believed_alive_for_a_day(Transports transports)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io/", Talks.Echo), options => options.KeepAliveInterval = Timeout.InfiniteTimeSpan);
        var log = new FakeLogCollector();
        using var loggers = new LoggerFactory([new FakeLoggerProvider(log)], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        ConnectOptions options = Patient with { Transports = transports, LoggerFactory = loggers, MaxSessionSilence = TimeSpan.FromMinutes(10) };

        HandshakeException refused = await Assert.ThrowsAsync<HandshakeException>(() => ConnectAsync(host, "/engine.io/?EIO=4", options));

        Assert.Contains("may be silent for 86420 s (its pingInterval and pingTimeout); the client takes 600 s (MaxSessionSilence)", refused.Message, StringComparison.Ordinal);
        Assert.Contains(log.GetSnapshot(), record => record.Id.Name == "ConnectFailed" && record.Message == refused.Message);
        await using Connection connection = await ConnectAsync(host, "/engine.io/?EIO=4", options with { MaxSessionSilence = Timeout.InfiniteTimeSpan });
        await EchoesAsync(connection);
    }

    [Theory]
    [InlineData(Transports.LongPolling)]
    [InlineData(Transports.Polling)]
    [InlineData(Transports.WebSocket)]
    public async Task The_server_hears_the_clients_close(Transports transports)
    {
        var ended = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io/", async connection =>
        {
            await Talks.Idle(connection);
            ended.SetResult(await connection.Closed);
        }));
        await using Connection connection = await ConnectAsync(host, "/engine.io/?EIO=4", Patient with { Transports = transports, CloseTimeout = TestHost.Patience });

        CloseInfo info = await connection.CloseAsync(4001, "done").AsTask().WaitAsync(TestHost.Patience, Cancellation);

        Assert.Equal((4001, true, CloseCause.LocalClose), (info.Code, info.WasClean, info.Cause));
        CloseInfo atServer = await ended.Task.WaitAsync(TestHost.Patience, Cancellation);
        Assert.Equal((CloseCause.PeerClosed, true), (atServer.Cause, atServer.WasClean));
        Assert.Equal(transports == Transports.WebSocket ? 4001 : 1005, atServer.Code);
    }

    [Theory]
    [InlineData(Transports.LongPolling)]
    [InlineData(Transports.Polling)]
    [InlineData(Transports.WebSocket)]
    public async Task The_client_hears_the_servers_close_behind_the_last_message(Transports transports)
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/talk", async connection =>
            {
                await connection.ReceiveAsync();
                await connection.SendAsync("last");
                await connection.CloseAsync(4002, "enough");
            }),
            options => options.CloseTimeout = TestHost.Patience);
        await using Connection connection = await ConnectAsync(host, "/talk?EIO=4", Patient with { Transports = transports });

        await connection.SendAsync("go", Cancellation);

        Assert.Equal("last", (await ReceiveAsync(connection)).Text);
        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, Cancellation);
        Assert.Equal((CloseCause.PeerClosed, true), (info.Cause, info.WasClean));
        Assert.Equal(transports == Transports.WebSocket ? 4002 : 1005, info.Code);
    }

    [Fact]
    public async Task A_refused_WebSocket_makes_it_long_polling_and_is_not_tried_again_for_a_while()
    {
        int handshakes = 0;
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.Use((context, next) =>
            {
                if (context.Request.Headers.Upgrade.Count == 0)
                {
                    return next(context);
                }

                Interlocked.Increment(ref handshakes);
                context.Response.StatusCode = StatusCodes.Status403Forbidden;
                return Task.CompletedTask;
            });
            app.MapDuologue("/talk", Talks.Echo);
        });

        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = All });
        await using Connection again = await ConnectAsync(host, "/talk", Patient with { Transports = All });

        Assert.Equal(Transport.LongPolling, connection.Transport);
        Assert.Equal(Transport.LongPolling, again.Transport);
        Assert.Equal(1, Volatile.Read(ref handshakes));
        await EchoesAsync(connection);
        await EchoesAsync(again);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_handshake_stripped_of_its_Upgrade_makes_it_long_polling(bool pollingFirst)
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.Use((context, next) =>
            {
                context.Request.Headers.Remove("Upgrade");
                context.Request.Headers.Connection = "";
                return next(context);
            });
            app.UseRouting();
            app.MapDuologue("/talk", Talks.Echo);
        });

        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = All, PollingFirst = pollingFirst });

        await EchoesAsync(connection);
        Assert.Equal(Transport.LongPolling, connection.Transport);
    }

    [Fact]
    public async Task A_handshake_that_is_reset_on_its_way_makes_it_long_polling()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));
        await using Middlebox middlebox = Middlebox.Resetting(host.Url);

        await using Connection connection = await Connection.ConnectAsync(middlebox.WebSocketUrl("/talk"), Patient with { Transports = All }, Cancellation);

        Assert.Equal(Transport.LongPolling, connection.Transport);
        await EchoesAsync(connection);
    }

    [Fact]
    public async Task A_handshake_that_nobody_answers_makes_it_long_polling_after_half_of_the_time()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));
        await using Middlebox middlebox = Middlebox.Swallowing(host.Url);
        var time = new FakeTimeProvider();
        ConnectOptions options = Patient with { Transports = Transports.WebSocket | Transports.LongPolling, ConnectTimeout = TimeSpan.FromSeconds(10), TimeProvider = time };

        Task<Connection> connecting = Connection.ConnectAsync(middlebox.WebSocketUrl("/talk"), options, Cancellation).AsTask();
        await middlebox.MetHandshake.WaitAsync(TestHost.Patience, Cancellation);
        time.Advance(TimeSpan.FromSeconds(6));
        await using Connection connection = await connecting.WaitAsync(TestHost.Patience, Cancellation);

        Assert.Equal(Transport.LongPolling, connection.Transport);
        await EchoesAsync(connection);
    }

    [Fact]
    public async Task A_WebSocket_that_opened_and_carried_nothing_was_tried_first_for_ever()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.UseWebSockets().Use(next => async context =>
            {
                if (!context.WebSockets.IsWebSocketRequest)
                {
                    await next(context);
                    return;
                }

                using System.Net.WebSockets.WebSocket mute = await context.WebSockets.AcceptWebSocketAsync();
                await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            });
            app.UseRouting();
            app.MapDuologue("/talk", Talks.Echo);
        });
        await using var client = new DuologueClient(host.WebSocketUrl("/talk"), new DuologueClientOptions
        {
            InitialDelay = TimeSpan.FromMilliseconds(1),
            MaxDelay = TimeSpan.FromMilliseconds(20),
            Connect = Patient with { Transports = All, KeepAliveInterval = TimeSpan.FromMilliseconds(50), KeepAliveTimeout = TimeSpan.FromMilliseconds(50) },
        });
        client.Start();

        await Eventually.True(() => client.Connection?.Transport == Transport.LongPolling);
        client.Send("heard?", WhenAway.Keep);
        await using IAsyncEnumerator<Message> messages = client.ReadAllAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await messages.MoveNextAsync().AsTask().WaitAsync(TestHost.Patience, Cancellation));
        Assert.Equal("heard?", messages.Current.Text);
    }

    [Fact]
    public async Task A_hook_that_threw_while_a_session_was_to_change_to_a_WebSocket_was_seen_by_nobody()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));
        var log = new FakeLogCollector();
        using var loggers = new LoggerFactory([new FakeLoggerProvider(log)]);
        ConnectOptions options = Patient with { Transports = All, PollingFirst = true, LoggerFactory = loggers, OnHandshake = _ => throw new InvalidOperationException("A hook's fault.") };

        await using Connection connection = await ConnectAsync(host, "/talk", options);

        await Eventually.True(() => log.GetSnapshot().Any(record => record.Id.Name == "TransportKept" && record.Message.Contains("A hook's fault.", StringComparison.Ordinal)));
        await EchoesAsync(connection);
    }

    [Fact]
    public async Task Where_no_transport_gets_through_the_failure_names_the_first_and_the_last()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapGet("/talk", () => Results.StatusCode(404)));

        HandshakeException failure = await Assert.ThrowsAsync<HandshakeException>(() => ConnectAsync(host, "/talk", Patient with { Transports = All }));

        Assert.Equal(404, (int)failure.StatusCode!);
        Assert.Contains("No WebSocket with", failure.Message, StringComparison.Ordinal);
        Assert.Contains("No session with", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Transports.LongPolling)]
    [InlineData(Transports.Polling)]
    public async Task Polling_goes_on_over_a_WebSocket_in_place_and_nothing_is_lost_doubled_or_disordered(Transports polled)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));
        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = polled | Transports.WebSocket, PollingFirst = true, SendQueuePolicy = SendQueuePolicy.Wait });

        // Both ways from before the change until after it.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(TestHost.Patience);
        Task<int> sending = Task.Run(
            async () =>
            {
                int sent = 0;
                while (connection.Transport != Transport.WebSocket)
                {
                    await connection.SendAsync($"{sent++}", patience.Token);
                }

                for (int i = 0; i < 200; i++)
                {
                    await connection.SendAsync($"{sent++}", patience.Token);
                }

                await connection.SendAsync("end", patience.Token);
                return sent;
            },
            patience.Token);
        int received = 0;
        while ((await connection.ReceiveAsync(patience.Token)).Text is var text && text != "end")
        {
            Assert.Equal($"{received++}", text);
        }

        Assert.Equal(await sending, received);
        Assert.Equal(Transport.WebSocket, connection.Transport);
        await EchoesAsync(connection);
        Assert.Equal(Transport.WebSocket, Assert.Single(host.Connections).Transport);
    }

    [Fact]
    public async Task Messages_as_large_as_a_packet_may_be_go_both_ways_over_polling()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));
        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = Transports.LongPolling });
        byte[] large = new byte[700_000];
        Random.Shared.NextBytes(large);

        Task sending = Task.Run(
            async () =>
            {
                for (int i = 0; i < 3; i++)
                {
                    await connection.SendAsync(large, MessageType.Binary, Cancellation);
                }
            },
            Cancellation);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(large, (await ReceiveAsync(connection)).ToArray());
        }

        await sending;
    }

    [Fact]
    public async Task A_message_over_the_clients_limit_ends_the_session_as_it_ends_a_WebSocket()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", async connection =>
        {
            await connection.SendAsync(new byte[5000], MessageType.Binary);
            await Talks.Idle(connection);
        }));
        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = Transports.LongPolling, MaxMessageSize = 1000 });

        ProtocolViolationException ended = await Assert.ThrowsAsync<ProtocolViolationException>(() => ReceiveAsync(connection));

        Assert.Equal(ProtocolViolation.MessageTooBig, ended.Violation);
        Assert.Equal(CloseCause.MessageTooBig, ended.CloseInfo.Cause);
    }

    [Fact]
    public async Task A_message_over_the_servers_payload_ends_the_session_with_its_name()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo), options => options.MaxSessionPayload = 1000);
        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = Transports.LongPolling });

        await connection.SendAsync(new byte[5000], MessageType.Binary, Cancellation);

        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, Cancellation);
        Assert.Equal((CloseCause.MessageTooBig, false), (info.Cause, info.WasClean));
        Assert.Contains("MaxSessionPayload", info.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_heartbeat_keeps_an_idle_session()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/talk", Talks.Echo),
            options => (options.KeepAliveInterval, options.KeepAliveTimeout) = (TimeSpan.FromMilliseconds(100), TestHost.Patience));
        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = Transports.LongPolling });

        // The server measures each ping of its heartbeat.
        Connection atServer = Assert.Single(host.Connections);
        await Eventually.True(() => atServer.Latency is not null);

        await EchoesAsync(connection);
    }

    [Fact]
    public async Task A_server_that_is_gone_ends_the_connection()
    {
        TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));
        await using TestHost _ = host;
        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = Transports.LongPolling });
        await EchoesAsync(connection);

        Assert.Single(host.Connections).Abort();

        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, Cancellation);
        Assert.NotEqual(CloseCause.LocalClose, info.Cause);
    }

    [Fact]
    public async Task A_close_is_clean_where_the_server_forgets_the_session_before_it_answers_the_close()
    {
        var closing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var refused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int polls = 0;
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.MapGet("/talk", async context =>
            {
                if (!context.Request.Query.ContainsKey("sid"))
                {
                    await context.Response.WriteAsync("""0{"sid":"s","upgrades":[],"pingInterval":60000,"pingTimeout":60000,"maxPayload":1000}""");
                }
                else if (Interlocked.Increment(ref polls) == 1)
                {
                    await closing.Task;
                    await context.Response.WriteAsync("6");
                }
                else
                {
                    context.Response.StatusCode = StatusCodes.Status400BadRequest;
                    refused.TrySetResult();
                }
            });
            app.MapPost("/talk", async context =>
            {
                closing.TrySetResult();

                // Long enough for a client that asks again to be refused first.
                await Task.WhenAny(refused.Task, Task.Delay(300, Cancellation));
                await context.Response.WriteAsync("ok");
            });
        });
        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = Transports.LongPolling, CloseTimeout = TestHost.Patience });
        await Eventually.True(() => Volatile.Read(ref polls) == 1);

        CloseInfo info = await connection.CloseAsync(1000, "").AsTask().WaitAsync(TestHost.Patience, Cancellation);

        Assert.Equal((CloseCause.LocalClose, true), (info.Cause, info.WasClean));
    }

    [Fact]
    public async Task A_polling_client_asks_again_within_half_the_time_in_which_its_server_wants_a_pong()
    {
        int polls = 0;
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.MapGet("/talk", async context =>
            {
                bool isOpen = context.Request.Query.ContainsKey("sid");
                Interlocked.Add(ref polls, isOpen ? 1 : 0);
                await context.Response.WriteAsync(isOpen ? "6" : """0{"sid":"s","upgrades":[],"pingInterval":60000,"pingTimeout":200,"maxPayload":1000}""");
            });
            app.MapPost("/talk", () => "ok");
        });
        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = Transports.Polling, PollingInterval = TimeSpan.FromSeconds(55) });
        await Eventually.True(() => Volatile.Read(ref polls) > 2);
    }

    [Theory]
    [InlineData(StatusCodes.Status400BadRequest)]
    [InlineData(StatusCodes.Status410Gone)]
    [InlineData(StatusCodes.Status503ServiceUnavailable)]
    public async Task A_server_that_knows_a_session_no_more_says_nothing_of_how_long_a_request_may_be_held(int status)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapGet("/talk", async context =>
        {
            if (context.Request.Query.ContainsKey("sid"))
            {
                context.Response.StatusCode = status;
                return;
            }

            await context.Response.WriteAsync("""0{"sid":"s","upgrades":[],"pingInterval":60000,"pingTimeout":60000,"maxPayload":1000}""");
        }));
        for (int i = 0; i < 2; i++)
        {
            await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = Transports.LongPolling | Transports.Polling });
            Assert.Equal(Transport.LongPolling, connection.Transport);
            await connection.Closed.WaitAsync(TestHost.Patience, Cancellation);
        }
    }

    [Fact]
    public async Task What_a_session_cannot_carry_is_named()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/talk", Talks.Echo));
        await using Connection connection = await ConnectAsync(host, "/talk", Patient with { Transports = Transports.LongPolling });

        Assert.Contains("in pieces", Assert.Throws<NotSupportedException>(() => connection.OpenWrite(MessageType.Text)).Message, StringComparison.Ordinal);
        Assert.Contains("the server pings", (await Assert.ThrowsAsync<NotSupportedException>(async () => await connection.PingAsync(Cancellation))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => ConnectAsync(host, "/talk", Patient with { Transports = Transports.LongPolling, Subprotocols = ["chat"] }));
    }

    [Fact]
    public async Task The_browsers_class_takes_the_same_transports()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.Use((context, next) =>
            {
                if (context.Request.Headers.Upgrade.Count == 0)
                {
                    return next(context);
                }

                context.Response.StatusCode = StatusCodes.Status400BadRequest;
                return Task.CompletedTask;
            });
            app.MapDuologue("/talk", Talks.Echo);
        });
        var options = new Browser.WebSocketOptions { Connection = Browser.WebSocketOptions.DefaultConnection with { Transports = All, ConnectTimeout = TestHost.Patience } };
        var heard = new TaskCompletionSource<object?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var closed = new TaskCompletionSource<Browser.CloseEvent>(TaskCreationOptions.RunContinuationsAsynchronously);
        var socket = new Browser.WebSocket(host.WebSocketUrl("/talk").ToString(), options);
        socket.OnOpen = _ => socket.Send("hello");
        socket.OnMessage = e => heard.TrySetResult(e.Data);
        socket.OnClose = e => closed.TrySetResult(e);

        Assert.Equal("hello", await heard.Task.WaitAsync(TestHost.Patience, Cancellation));
        socket.Close();
        Assert.True((await closed.Task.WaitAsync(TestHost.Patience, Cancellation)).WasClean);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static Task<Connection> ConnectAsync(TestHost host, string path, ConnectOptions options) =>
        Connection.ConnectAsync(host.WebSocketUrl(path), options, TestContext.Current.CancellationToken).AsTask();

    private static async Task<Message> ReceiveAsync(Connection connection)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(TestHost.Patience);
        return await connection.ReceiveAsync(patience.Token);
    }

    private static async Task EchoesAsync(Connection connection)
    {
        string text = $"ähnlich 🍵 \u001E {new string('x', 3000)}";
        await connection.SendAsync(text, Cancellation);
        await connection.SendAsync("", Cancellation);
        await connection.SendAsync(new byte[] { 0, 1, 2, 255 }, MessageType.Binary, Cancellation);
        byte[] first = (await ReceiveAsync(connection)).ToArray();
        Assert.Equal(text, Encoding.UTF8.GetString(first));
        Assert.Equal("", (await ReceiveAsync(connection)).Text);
        Assert.Equal([0, 1, 2, 255], (await ReceiveAsync(connection)).ToArray());
    }
}
