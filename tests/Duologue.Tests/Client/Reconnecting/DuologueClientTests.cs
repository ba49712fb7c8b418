using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Peer;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Client.Reconnecting;

public partial class DuologueClientTests
{
    // Quick to come back, and patient with a busy machine.
    private static readonly DuologueClientOptions Quick = new()
    {
        InitialDelay = TimeSpan.FromMilliseconds(1),
        MaxDelay = TimeSpan.FromMilliseconds(20),
        Spread = TimeSpan.FromMilliseconds(5),
        Connect = new ConnectOptions { ConnectTimeout = TimeSpan.FromMinutes(1) },
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_comes_back_and_reads_on()
    {
        int visits = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            int visit = Interlocked.Increment(ref visits);
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            await socket.SendAsync(Encoding.UTF8.GetBytes($"visit {visit}"), WebSocketMessageType.Text, true, context.RequestAborted);
            if (visit < 4)
            {
                // What was sent before the reset is read: the client has said so.
                await ReceiveAsync(socket, context);
                context.Abort();
                return;
            }

            await ReceiveAsync(socket, context);
        });
        await using var client = new DuologueClient(server.Uri, Quick);
        client.Start();
        List<string> received = [];
        await foreach (Message message in client.ReadAllAsync(Token).WithCancellation(Token))
        {
            received.Add(message.Text);
            if (received.Count == 4)
            {
                break;
            }

            client.Send("got it", WhenAway.Drop);
        }

        Assert.Equal(["visit 1", "visit 2", "visit 3", "visit 4"], received);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(1008)]
    [InlineData(4401)]
    public async Task A_code_that_says_stay_away_ends_it(int code)
    {
        await using KestrelServer server = await KestrelServer.StartAsync(context => CloseAsync(context, code));
        await using var client = new DuologueClient(server.Uri, Quick);
        client.Start();
        ClientStateEventArgs end = await client.Ended.Soon();
        Assert.Equal((ClientState.Ended, code), (client.State, end.Close!.Code));
        Assert.Null(end.Failure);
        Assert.Equal(1, server.TcpConnections);
        Assert.Equal(MessageFate.Dropped, await client.SendAsync("late", WhenAway.Keep, Token).Soon());
        await foreach (Message _ in client.ReadAllAsync(Token))
        {
            Assert.Fail("Nothing was sent.");
        }
    }

    [Theory]
    [InlineData(1001)]
    [InlineData(1012)]
    [InlineData(1013)]
    [InlineData(1011)]
    public async Task A_code_that_says_come_back_does_not(int code)
    {
        await using KestrelServer server = await KestrelServer.StartAsync(context => CloseAsync(context, code));
        await using var client = new DuologueClient(server.Uri, Quick);
        client.Start();
        await Waiting.Until(() => server.TcpConnections >= 3);
    }

    [Fact]
    public async Task It_comes_back_for_as_long_as_nobody_is_there()
    {
        // Bound and not listening: nobody answers there, and nobody else can.
        using var nobody = new Socket(SocketType.Stream, ProtocolType.Tcp);
        nobody.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var uri = new Uri($"ws://127.0.0.1:{((IPEndPoint)nobody.LocalEndPoint!).Port}/");
        var failures = new ConcurrentQueue<ClientStateEventArgs>();
        await using var client = new DuologueClient(uri, Quick);
        client.StateChanged += (_, e) => failures.Enqueue(e);
        client.Start();
        await Waiting.Until(() => failures.Count(e => e.State == ClientState.Waiting) >= 10);
        Assert.All(failures.Where(e => e.State == ClientState.Waiting), e => Assert.IsType<HandshakeException>(e.Failure));
    }

    [Fact]
    public async Task A_server_that_takes_all_and_ends_all_at_once_uses_up_no_attempts()
    {
        // Each visit is cut as soon as it is open; between them one attempt fails.
        int visits = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(context =>
        {
            int visit = Interlocked.Increment(ref visits);
            if (visit % 3 != 0)
            {
                return CloseAsync(context, 1011);
            }

            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        var changes = new ConcurrentQueue<ClientStateEventArgs>();
        await using var client = new DuologueClient(server.Uri, Quick with { MaxAttempts = 2 });
        client.StateChanged += (_, e) => changes.Enqueue(e);
        client.Start();

        await Waiting.Until(() => Volatile.Read(ref visits) >= 20);

        Assert.DoesNotContain(changes, change => change.State == ClientState.Ended);
        Assert.All(changes.Where(change => change.State == ClientState.Waiting), change => Assert.Equal(change.Failure is null ? 0 : 1, change.Attempt));
    }

    [Fact]
    public async Task Who_is_refused_does_not_ask_for_ever()
    {
        int asked = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(context =>
        {
            Interlocked.Increment(ref asked);
            context.Response.StatusCode = 403;
            return Task.CompletedTask;
        });
        await using var client = new DuologueClient(server.Uri, Quick with { MaxRefusals = 2 });
        HandshakeException refusal = await Assert.ThrowsAsync<HandshakeException>(() => client.OpenAsync(Token).Soon());
        Assert.Equal((HttpStatusCode.Forbidden, 2), (refusal.StatusCode, asked));
        await Assert.ThrowsAsync<HandshakeException>(async () => await client.ReadAllAsync(Token).GetAsyncEnumerator(Token).MoveNextAsync().Soon());
    }

    [Fact]
    public async Task Before_each_attempt_the_application_may_change_how_it_connects()
    {
        var tokens = new ConcurrentQueue<string>();
        await using KestrelServer server = await KestrelServer.StartAsync(context =>
        {
            tokens.Enqueue(context.Request.Headers.Authorization.ToString());
            if (tokens.Count < 3)
            {
                context.Response.StatusCode = 401;
                return Task.CompletedTask;
            }

            return KestrelServer.EchoAsync(context);
        });
        int attempt = 0;
        await using var client = new DuologueClient(server.Uri, Quick with
        {
            BeforeConnect = (options, _) => new(options with { Headers = [new("Authorization", $"Bearer {++attempt}")] }),
        });
        await client.OpenAsync(Token).Soon();
        Assert.Equal(["Bearer 1", "Bearer 2", "Bearer 3"], tokens);
    }

    [Fact]
    public async Task Retry_After_is_waited_for()
    {
        var time = new FakeTimeProvider();
        DateTimeOffset start = time.GetUtcNow();
        var asked = new ConcurrentQueue<DateTimeOffset>();
        await using KestrelServer server = await KestrelServer.StartAsync(context =>
        {
            asked.Enqueue(time.GetUtcNow());
            if (asked.Count > 1)
            {
                return KestrelServer.EchoAsync(context);
            }

            context.Response.StatusCode = 503;
            context.Response.Headers.RetryAfter = "100";
            return Task.CompletedTask;
        });
        var waits = new ConcurrentQueue<TimeSpan>();
        await using var client = new DuologueClient(server.Uri, new DuologueClientOptions { Connect = new ConnectOptions { TimeProvider = time, ConnectTimeout = Timeout.InfiniteTimeSpan, KeepAliveInterval = Timeout.InfiniteTimeSpan } });
        client.StateChanged += (_, e) =>
        {
            if (e.State == ClientState.Waiting)
            {
                waits.Enqueue(e.Delay);
            }
        };
        Task opened = client.OpenAsync(Token);
        await Waiting.Until(() => !waits.IsEmpty);
        Assert.InRange(Assert.Single(waits), TimeSpan.FromSeconds(100), TimeSpan.FromSeconds(100.5));

        // Whether it has begun to wait by now, or only said so. Past the upper bound the clock stands still, and connecting takes as long as the machine makes it.
        time.Advance(TimeSpan.FromSeconds(99));
        await time.PassUntil(opened, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(102));
        await opened;
        Assert.Equal(2, asked.Count);
        Assert.True(asked.Last() - start >= TimeSpan.FromSeconds(100), $"It came back after {asked.Last() - start}.");
    }

    [Fact]
    public async Task What_is_kept_is_sent_in_order_when_it_is_back()
    {
        using var open = new SemaphoreSlim(0);
        var received = new ConcurrentQueue<string>();
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            await open.WaitAsync(context.RequestAborted);
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            while (await ReceiveAsync(socket, context) is { } text)
            {
                received.Enqueue(text);
            }
        });
        var lost = new ConcurrentQueue<MessagesLostEventArgs>();
        await using var client = new DuologueClient(server.Uri, Quick);
        client.MessagesLost += (_, e) => lost.Enqueue(e);
        Assert.Equal([1, 2, 3], [client.Send("1", WhenAway.Keep), client.Send("2", WhenAway.Drop), client.Send("3"u8, MessageType.Text, WhenAway.Keep)]);
        ValueTask<MessageFate> fate = client.SendAsync("4", WhenAway.KeepFor(TimeSpan.FromHours(1)), Token);
        client.Start();
        open.Release();
        Assert.Equal(MessageFate.Sent, await fate.Soon());
        await Waiting.Until(() => received.Count == 3);
        Assert.Equal(["1", "3", "4"], received);
        MessagesLostEventArgs dropped = Assert.Single(lost);
        Assert.Equal((MessageFate.Dropped, 2L, 2L, 1, 1L), (dropped.Fate, dropped.First, dropped.Last, dropped.Count, dropped.Bytes));
    }

    [Fact]
    public async Task What_was_sent_without_a_sign_from_the_peer_before_the_cut_is_told_as_unknown()
    {
        var cut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new RawServer(async exchange =>
        {
            // Answers the handshake and nothing more: no pong comes.
            await exchange.WriteAsync(exchange.Accept());
            await cut.Task.WaitAsync(exchange.Stop);
            exchange.Stream.Close();
        });
        var lost = new TaskCompletionSource<MessagesLostEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var client = new DuologueClient(server.Uri, Quick);
        client.MessagesLost += (_, e) => lost.TrySetResult(e);
        await client.OpenAsync(Token).Soon();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(MessageFate.Sent, await client.SendAsync("abc", WhenAway.Keep, Token).Soon());
        }

        cut.SetResult();
        MessagesLostEventArgs unknown = await lost.Task.Soon();
        Assert.Equal((MessageFate.Unknown, 1L, 3L, 3, 9L), (unknown.Fate, unknown.First, unknown.Last, unknown.Count, unknown.Bytes));
    }

    [Fact]
    public async Task A_kept_message_of_which_nothing_had_left_when_the_line_was_cut_was_told_as_unknown()
    {
        int visits = 0;
        var cut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var received = new ConcurrentQueue<string>();
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            if (Interlocked.Increment(ref visits) == 1)
            {
                await cut.Task.WaitAsync(context.RequestAborted);
                context.Abort();
                return;
            }

            while (await ReceiveAsync(socket, context) is { } text)
            {
                received.Enqueue(text);
            }
        });
        var lost = new ConcurrentQueue<MessageFate>();
        await using var client = new DuologueClient(server.Uri, Quick with { MaxKeptBytes = 5 });
        client.MessagesLost += (_, e) => lost.Enqueue(e.Fate);
        await client.OpenAsync(Token).Soon();

        // Larger than what anybody buffers, so that what comes behind it has to wait.
        Task large = client.Connection!.SendAsync(new byte[64 * 1024 * 1024], MessageType.Binary, Token).AsTask();
        Task<MessageFate> waiting = client.SendAsync("first", WhenAway.Keep, Token).AsTask();

        // There is room for another only when the first has been taken out, to be sent.
        await Waiting.Until(() =>
        {
            int before = lost.Count;
            client.Send("later", WhenAway.Keep);
            return lost.Count == before;
        });
        Assert.False(waiting.IsCompleted);
        cut.SetResult();

        await Assert.ThrowsAsync<ConnectionClosedException>(() => large.Soon());
        Assert.Equal(MessageFate.Sent, await waiting.Soon());
        await Waiting.Until(() => received.Count == 2);
        Assert.Equal(["first", "later"], received);
        Assert.All(lost, fate => Assert.Equal(MessageFate.Overflowed, fate));
    }

    [Fact]
    public async Task States_come_in_order_and_a_listener_that_throws_breaks_nothing()
    {
        int visits = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            if (Interlocked.Increment(ref visits) > 1)
            {
                await CloseAsync(context, 1008);
                return;
            }

            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            await ReceiveAsync(socket, context);
            context.Abort();
        });
        var states = new ConcurrentQueue<ClientState>();
        await using var client = new DuologueClient(server.Uri, Quick);
        client.StateChanged += (_, e) =>
        {
            states.Enqueue(e.State);
            throw new InvalidOperationException("A listener's fault.");
        };
        client.Send("here", WhenAway.Keep);
        client.Start();
        await client.Ended.Soon();
        Assert.Equal([ClientState.Connecting, ClientState.Open, ClientState.Waiting, ClientState.Connecting, ClientState.Open, ClientState.Ended], states);
    }

    [Fact]
    public async Task Closing_sends_what_waits_says_goodbye_and_ends_it()
    {
        var received = new ConcurrentQueue<string>();
        var closed = new TaskCompletionSource<(WebSocketCloseStatus?, string?)>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            while (await ReceiveAsync(socket, context) is { } text)
            {
                received.Enqueue(text);
            }

            closed.TrySetResult((socket.CloseStatus, socket.CloseStatusDescription));
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, context.RequestAborted);
        });
        await using var client = new DuologueClient(server.Uri, Quick with { Connect = Quick.Connect with { CloseTimeout = TimeSpan.FromMinutes(1) } });
        await client.OpenAsync(Token).Soon();
        for (int i = 0; i < 100; i++)
        {
            client.Send($"{i}", WhenAway.Drop);
        }

        ClientStateEventArgs end = await client.CloseAsync(3001, "bye").Soon();
        Assert.Equal(((WebSocketCloseStatus?)3001, (string?)"bye"), await closed.Task.Soon());
        Assert.Equal(Enumerable.Range(0, 100).Select(i => $"{i}"), received);
        Assert.Same(end, await client.CloseAsync().Soon());
        Assert.True(end.Close!.WasClean);
        Assert.Null(end.Failure);
        Assert.Equal(1, server.TcpConnections);
    }

    [Fact]
    public async Task One_that_was_never_started_and_one_that_waits_can_be_disposed()
    {
        await using (var idle = new DuologueClient(new Uri("ws://127.0.0.1:1/")))
        {
            Assert.Equal(ClientState.Idle, idle.State);
        }

        var waiting = new DuologueClient(new Uri("ws://127.0.0.1:1/"), new DuologueClientOptions { InitialDelay = TimeSpan.FromHours(1), MaxDelay = TimeSpan.FromHours(1) });
        waiting.Start();
        await Waiting.Until(() => waiting.State == ClientState.Waiting);
        await waiting.DisposeAsync().Soon();
        Assert.Equal(ClientState.Ended, waiting.State);
        Assert.Throws<ObjectDisposedException>(waiting.Start);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task However_often_it_is_disposed_it_ends_once(bool isStarted)
    {
        var log = new FakeLogCollector();
        using var loggers = new LoggerFactory([new FakeLoggerProvider(log)], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        var options = new DuologueClientOptions { InitialDelay = TimeSpan.FromHours(1), MaxDelay = TimeSpan.FromHours(1), Connect = new ConnectOptions { LoggerFactory = loggers } };
        var client = new DuologueClient(new Uri("ws://127.0.0.1:1/"), options);
        if (isStarted)
        {
            client.Start();
            await Waiting.Until(() => client.State == ClientState.Waiting);
        }

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () => await client.DisposeAsync(), Token))).Soon();
        await client.DisposeAsync().Soon();

        Assert.Equal(ClientState.Ended, client.State);
        Assert.Single(log.GetSnapshot(), record => record.Id.Name is "ClientEnded" or "GaveUp");
        Assert.Throws<ObjectDisposedException>(client.Start);
        Assert.Equal(ClientState.Ended, (await client.CloseAsync().Soon()).State);
    }

    [Fact]
    public async Task A_listener_that_waits_for_another_thread_of_the_client_holds_up_no_disposal()
    {
        // Cancelling runs what is registered: with the lock held it would wait for who waits for the lock.
        var hung = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        DuologueClient? client = null;
        client = new DuologueClient(new Uri("ws://127.0.0.1:1/"), new DuologueClientOptions
        {
            BeforeConnect = async (options, cancellationToken) =>
            {
                using CancellationTokenRegistration asks = cancellationToken.Register(() =>
                {
                    try
                    {
                        Task.Run(client!.Start, CancellationToken.None).Wait(TimeSpan.FromMinutes(1), CancellationToken.None);
                    }
                    catch (AggregateException)
                    {
                        // It is disposed of; that it answered is what counts.
                        hung.TrySetResult();
                    }
                });
                begun.TrySetResult();
                await Task.Delay(Timeout.Infinite, cancellationToken);
                return options;
            },
        });
        client.Start();
        await begun.Task.Soon();

        await client.DisposeAsync().Soon();

        await hung.Task.Soon();
    }

    [Fact]
    public void What_cannot_be_used_is_refused_at_once()
    {
        Assert.Throws<ArgumentException>(() => new DuologueClient(new Uri("ftp://example.com/")));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DuologueClient(new Uri("ws://example.com/"), new DuologueClientOptions { MaxDelay = TimeSpan.Zero }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DuologueClient(new Uri("ws://example.com/"), new DuologueClientOptions { MaxKeptBytes = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => WhenAway.KeepFor(TimeSpan.Zero));
        Assert.Throws<ArgumentException>(() => new DuologueClient(new Uri("ws://example.com/")).Send([0xC0], MessageType.Text, WhenAway.Keep));
    }

    private static async Task<string?> ReceiveAsync(WebSocket socket, HttpContext context)
    {
        byte[] buffer = new byte[1024];
        WebSocketReceiveResult result = await socket.ReceiveAsync(buffer, context.RequestAborted);
        return result.MessageType == WebSocketMessageType.Close ? null : Encoding.UTF8.GetString(buffer, 0, result.Count);
    }

    private static async Task CloseAsync(HttpContext context, int code)
    {
        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
        await socket.CloseAsync((WebSocketCloseStatus)code, "", context.RequestAborted);
    }
}
