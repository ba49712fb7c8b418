using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.Client;
using Duologue.Tests.Client.Peers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.Tests.Diagnostics;

public sealed class ClientTelemetryTests : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private ConnectOptions Options => new() { UseProxy = false, MeterFactory = _services.GetRequiredService<IMeterFactory>() };

    public void Dispose() => _services.Dispose();

    [Fact]
    public async Task A_conversation_is_counted_from_end_to_end()
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        using MetricCollector<double> connect = Collect<double>("connect.duration");
        using MetricCollector<double> duration = Collect<double>("connection.duration");
        using MetricCollector<long> active = Collect<long>("active_connections");
        using MetricCollector<long> sent = Collect<long>("bytes.sent");
        using MetricCollector<long> received = Collect<long>("bytes.received");

        await using (Connection connection = await Connection.ConnectAsync(server.Uri, Options, Cancelled))
        {
            Assert.Equal(1, active.GetMeasurementSnapshot().Sum(each => each.Value));
            await connection.SendAsync("hello", Cancelled);
            Assert.Equal("hello", (await connection.ReceiveAsync(Cancelled)).Text);
            await connection.CloseAsync();
        }

        Assert.False(Assert.Single(connect.GetMeasurementSnapshot()).Tags.ContainsKey("error.type"));
        Assert.Equal("local_close", Assert.Single(duration.GetMeasurementSnapshot()).Tags["duologue.close.cause"]);
        Assert.Equal(0, active.GetMeasurementSnapshot().Sum(each => each.Value));
        Assert.Equal((5, 5), (sent.LastMeasurement!.Value, received.LastMeasurement!.Value));
    }

    [Fact]
    public async Task A_client_that_comes_back_counts_its_returns_and_what_it_lost()
    {
        int visits = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            if (Interlocked.Increment(ref visits) > 1)
            {
                await KestrelServer.EchoAsync(context);
                return;
            }

            using System.Net.WebSockets.WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            await socket.CloseAsync(System.Net.WebSockets.WebSocketCloseStatus.InternalServerError, "", context.RequestAborted);
        });
        using MetricCollector<long> reconnects = Collect<long>("reconnects");
        using MetricCollector<long> lost = Collect<long>("messages.lost");
        var log = new Microsoft.Extensions.Logging.Testing.FakeLogCollector();
        using var loggers = new Microsoft.Extensions.Logging.LoggerFactory([new Microsoft.Extensions.Logging.Testing.FakeLoggerProvider(log)]);
        await using (var client = new DuologueClient(server.Uri, new DuologueClientOptions
        {
            Connect = Options with { LoggerFactory = loggers },
            InitialDelay = TimeSpan.FromMilliseconds(1),
        }))
        {
            client.Send("nobody is there", WhenAway.Drop);
            client.Start();
            await Peer.Waiting.Until(() => log.GetSnapshot().Any(record => record.Id.Name == "CameBack"));
        }

        Assert.Equal(1, Assert.Single(reconnects.GetMeasurementSnapshot()).Value);
        Assert.Equal("dropped", Assert.Single(lost.GetMeasurementSnapshot()).Tags["duologue.message.fate"]);
        Assert.Equal(
            ["ClientMessagesLost", "WaitsToComeBack", "CameBack", "ClientEnded"],
            log.GetSnapshot().Where(record => record.Id.Id is >= 2010 and < 2100).Select(record => record.Id.Name));
    }

    [Fact]
    public async Task A_client_that_gives_up_and_a_listener_that_throws_are_told_of()
    {
        await using var server = new RawServer(exchange => AnswerAsync(exchange.Stream, "status", null));
        var log = new Microsoft.Extensions.Logging.Testing.FakeLogCollector();
        using var loggers = new Microsoft.Extensions.Logging.LoggerFactory([new Microsoft.Extensions.Logging.Testing.FakeLoggerProvider(log)]);
        await using (var client = new DuologueClient(server.Uri, new DuologueClientOptions
        {
            Connect = Options with { LoggerFactory = loggers },
            MaxRefusals = 1,
        }))
        {
            client.StateChanged += (_, _) => throw new InvalidTimeZoneException();
            await Assert.ThrowsAsync<HandshakeException>(async () => await client.OpenAsync(Cancelled));
            await Peer.Waiting.Until(() => log.GetSnapshot().Any(record => record.Id.Name == "GaveUp"));
        }

        Assert.Contains(log.GetSnapshot(), record => record.Id.Name == "ListenerFailed" && record.Exception is InvalidTimeZoneException);
    }

    [Fact]
    public async Task What_nobody_read_of_many_conversations_was_let_go_of_in_silence()
    {
        const int Visits = 10;
        int visits = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(async context =>
        {
            int visit = Interlocked.Increment(ref visits);
            using System.Net.WebSockets.WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            foreach (string text in new[] { $"{visit} a", $"{visit} b" })
            {
                await socket.SendAsync(Encoding.UTF8.GetBytes(text), System.Net.WebSockets.WebSocketMessageType.Text, true, context.RequestAborted);
            }

            await socket.CloseAsync(visit < Visits ? System.Net.WebSockets.WebSocketCloseStatus.InternalServerError : System.Net.WebSockets.WebSocketCloseStatus.NormalClosure, "", context.RequestAborted);
        });
        using MetricCollector<long> unread = Collect<long>("messages.unread");
        var log = new Microsoft.Extensions.Logging.Testing.FakeLogCollector();
        using var loggers = new Microsoft.Extensions.Logging.LoggerFactory([new Microsoft.Extensions.Logging.Testing.FakeLoggerProvider(log)]);
        await using var client = new DuologueClient(server.Uri, new DuologueClientOptions
        {
            Connect = Options with { LoggerFactory = loggers },
            InitialDelay = TimeSpan.FromMilliseconds(1),
            MaxDelay = TimeSpan.FromMilliseconds(1),
        });
        client.Start();
        await client.Ended;

        // The last eight are there for who comes after all.
        List<string> texts = [];
        await foreach (Message message in client.ReadAllAsync(Cancelled))
        {
            texts.Add(message.Text);
        }

        Assert.Equal(Enumerable.Range(3, 8).SelectMany(visit => new[] { $"{visit} a", $"{visit} b" }), texts);
        Assert.Equal([2, 2], unread.GetMeasurementSnapshot().Select(each => each.Value));
        Assert.Equal(2, log.GetSnapshot().Count(record => record.Id.Name == "ClientMessagesUnread"));
    }

    [Theory]
    [InlineData("name_resolution")]
    [InlineData("connection")]
    [InlineData("status")]
    [InlineData("malformed_handshake")]
    [InlineData("invalid_response")]
    [InlineData("response_ended")]
    [InlineData("header_too_large")]
    [InlineData("timeout")]
    [InlineData("tls")]
    [InlineData("proxy")]
    [InlineData("cancelled")]
    [InlineData("application")]
    [InlineData("http_version")]
    [InlineData("other")]
    public async Task A_failure_is_counted_by_its_reason(string reason)
    {
        using var stop = new CancellationTokenSource();
        await using var server = new RawServer(exchange => AnswerAsync(exchange.Stream, reason, stop));
        // Bound and not listening: nobody else can take the port meanwhile.
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using KestrelServer plain = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        await using BareHttp2Server stubborn = Http2(reason);
        using MetricCollector<long> failures = Collect<long>("handshake.failures");
        using MetricCollector<double> connect = Collect<double>("connect.duration");
        ConnectOptions options = reason switch
        {
            "name_resolution" => Options with { Resolve = (_, _) => throw new SocketException((int)SocketError.HostNotFound) },
            "timeout" => Options with { ConnectTimeout = TimeSpan.FromMilliseconds(300) },
            "header_too_large" => Options with { MaxResponseHeaderSize = 1024 },
            "proxy" => Options with { UseProxy = true, Proxy = new WebProxy(new Uri("gopher://127.0.0.1:1")) },
            "http_version" or "other" => Options with { HttpVersion = HttpVersion.Version20, HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact },
            "application" => Options with { OnHandshake = _ => throw new InvalidTimeZoneException() },
            _ => Options,
        };
        Uri uri = reason switch
        {
            "name_resolution" => new Uri("ws://host.example/"),
            "connection" => new Uri($"ws://127.0.0.1:{((IPEndPoint)silent.LocalEndPoint!).Port}/"),
            "http_version" or "other" => stubborn.Uri,
            "tls" => new UriBuilder(plain.Uri) { Scheme = "wss" }.Uri,
            _ => server.Uri,
        };

        Exception? thrown = await Record.ExceptionAsync(async () => await Connection.ConnectAsync(uri, options, stop.Token));

        Assert.NotNull(thrown);
        Assert.Equal(reason, Assert.Single(failures.GetMeasurementSnapshot()).Tags["duologue.handshake.failure"]);
        Assert.Equal(reason, Assert.Single(connect.GetMeasurementSnapshot()).Tags["error.type"]);
    }

    [Theory]
    [InlineData("blocked_port")]
    [InlineData("subprotocol")]
    public async Task A_failure_that_only_the_browsers_class_knows_is_counted_by_its_reason(string reason)
    {
        await using KestrelServer server = await KestrelServer.StartAsync(KestrelServer.EchoAsync);
        using MetricCollector<long> failures = Collect<long>("handshake.failures");
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var socket = new Duologue.Browser.WebSocket(
            reason == "blocked_port" ? "ws://localhost:25/" : server.Uri.ToString(),
            new Duologue.Browser.WebSocketOptions { Protocols = ["chat"], Connection = Options });
        socket.OnClose = _ => ended.SetResult();
        await Peer.Waiting.Soon(ended.Task);
        Assert.Equal(reason, Assert.Single(failures.GetMeasurementSnapshot()).Tags["duologue.handshake.failure"]);
    }

    [Fact]
    public void Every_failure_is_made_to_happen_here()
    {
        string[] provoked =
        [
            .. typeof(ClientTelemetryTests).GetMethods()
                .SelectMany(method => method.GetCustomAttributes(typeof(InlineDataAttribute), false).Cast<InlineDataAttribute>())
                .SelectMany(row => row.Data)
                .OfType<string>(),
        ];

        // Only Kerberos and NTLM can fail in this way: with other schemes the refusal is a status.
        IEnumerable<ConnectFailure> all = Enum.GetValues<ConnectFailure>().Where(failure => failure != ConnectFailure.Authentication);
        Assert.Equal(all.Select(TelemetryNames.Of).Order(StringComparer.Ordinal), provoked.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Connecting_is_an_activity_that_travels_with_the_request()
    {
        var stopped = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == ClientTracing.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = stopped.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using var server = new RawServer(exchange => AnswerAsync(exchange.Stream, "status", null));

        using var mine = new Activity("mine");
        mine.AddBaggage("tenant", "blue");
        mine.Start();
        await Assert.ThrowsAsync<HandshakeException>(async () => await Connection.ConnectAsync(server.Uri, Options, Cancelled));

        // The listener hears of every test's connecting; ours is the one below our own activity.
        Activity activity = Assert.Single(stopped, each => each.TraceId == mine.TraceId);
        Assert.Equal(("duologue.connect", ActivityKind.Client), (activity.OperationName, activity.Kind));
        Assert.Equal("127.0.0.1", activity.GetTagItem("server.address"));
        Assert.Equal(server.Port, activity.GetTagItem("server.port"));
        Assert.Equal("status", activity.GetTagItem("error.type"));
        Assert.Equal(ActivityStatusCode.Error, activity.Status);
        string head = Assert.Single(server.Heads);
        Assert.Contains($"traceparent: 00-{mine.TraceId}-", head, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("tenant", head, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_factory_there_is_one_meter_for_the_process()
    {
        Assert.Same(ClientMetrics.For(new ConnectOptions()), ClientMetrics.For(new ConnectOptions()));
        Assert.Same(ClientMetrics.For(Options), ClientMetrics.For(Options));
        Assert.NotSame(ClientMetrics.For(new ConnectOptions()), ClientMetrics.For(Options));
    }

    // RFC 8441 §3: setting 8 is 1. RFC 9113 §6.4, §7: RST_STREAM of stream 1 with INTERNAL_ERROR.
    private static BareHttp2Server Http2(string reason) => reason == "other"
        ? new BareHttp2Server(tls: false, [], [0, 8, 0, 0, 0, 1], (stream, token) => stream.WriteAsync(new byte[] { 0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2 }, token).AsTask())
        : new BareHttp2Server(tls: false, [], [], null);

    private static async Task AnswerAsync(Stream stream, string reason, CancellationTokenSource? stop)
    {
        string? answer = reason switch
        {
            "status" => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            "malformed_handshake" or "application" => "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
            "invalid_response" => "SSH-2.0-no\r\n\r\n",
            "header_too_large" => $"HTTP/1.1 101 Switching Protocols\r\nX: {new string('x', 4096)}\r\n\r\n",
            _ => null,
        };
        if (answer is not null)
        {
            await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(answer));
        }

        if (reason == "response_ended")
        {
            stream.Close();
        }

        if (reason == "cancelled")
        {
            await stop!.CancelAsync();
        }

        if (reason is "cancelled" or "timeout")
        {
            // Says nothing until the client is gone.
            await stream.CopyToAsync(Stream.Null);
        }
    }

    private MetricCollector<T> Collect<T>(string name)
        where T : struct => new(_services.GetRequiredService<IMeterFactory>(), ClientMetrics.MeterName, $"duologue.client.{name}");
}
