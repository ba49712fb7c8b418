using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.AspNetCore.Tests.Diagnostics;

/// <summary>Each cause, made to happen on a real server: its counter counts it and its event is in the log.</summary>
public class CausesTests
{
    private static readonly byte[] OneByte = [0x82, 0x81, 0, 0, 0, 0, 1];

    public static TheoryData<CloseCause, string> Causes => new()
    {
        { CloseCause.PeerClosed, "ConnectionEnded" },
        { CloseCause.LocalClose, "ConnectionEnded" },
        { CloseCause.Aborted, "ConnectionEnded" },
        { CloseCause.ConnectionLost, "ConnectionEnded" },
        { CloseCause.ProtocolViolation, "ProtocolViolated" },
        { CloseCause.MessageTooBig, "ProtocolViolated" },
        { CloseCause.LimitExceeded, "ProtocolViolated" },
        { CloseCause.SendQueueFull, "SendQueueOverflowed" },
        { CloseCause.KeepAliveTimeout, "KeepAliveTimedOut" },
        { CloseCause.CloseTimeout, "CloseTimedOut" },
        { CloseCause.HandlerFailed, "DelegateFailed" },
        { CloseCause.ServerDraining, "DrainStarted" },
        { CloseCause.SendTimeout, "SendTimedOut" },
    };

    [Fact]
    public void Every_cause_is_made_to_happen_here() =>
        Assert.Equal(Enum.GetValues<CloseCause>(), Causes.Select(row => row.Data.Item1).Order());

    [Theory]
    [MemberData(nameof(Causes))]
    public async Task A_close_is_counted_by_its_cause_and_logged(CloseCause cause, string logEvent)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", connection => ServeAsync(connection, cause)), options => Limit(options, cause));
        using MetricCollector<double> duration = new(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.server.connection.duration");
        await using RawClient client = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(101, (await client.HandshakeAsync("/")).Status);

        await ProvokeAsync(host, client, cause);
        await Eventually.True(() => duration.GetMeasurementSnapshot().Count == 1);

        Assert.Equal(TelemetryNames.Of(cause), duration.LastMeasurement!.Tags["duologue.close.cause"]);
        await Eventually.True(() => host.Log.GetSnapshot().Any(record => record.Id.Name == logEvent));
        FakeLogRecord ended = host.Log.GetSnapshot().First(record => record.Id.Name == "ConnectionEnded");
        Assert.Equal(cause.ToString(), ended.GetStructuredStateValue("Cause"));
    }

    public static TheoryData<ProtocolViolation, byte[]> Violations => new()
    {
        { ProtocolViolation.ReservedBitSet, [0xC1, 0x80, 0, 0, 0, 0] },
        { ProtocolViolation.ReservedOpcode, [0x83, 0x80, 0, 0, 0, 0] },
        { ProtocolViolation.NonMinimalLength, [0x82, 0xFE, 0, 1, 0, 0, 0, 0, 1] },
        { ProtocolViolation.LengthOutOfRange, [0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0] },
        { ProtocolViolation.UnmaskedFrame, [0x82, 0x01, 1] },
        { ProtocolViolation.FragmentedControlFrame, [0x09, 0x80, 0, 0, 0, 0] },
        { ProtocolViolation.OversizedControlFrame, [0x89, 0xFE, 0, 126, 0, 0, 0, 0] },
        { ProtocolViolation.UnexpectedContinuation, [0x80, 0x80, 0, 0, 0, 0] },
        { ProtocolViolation.ExpectedContinuation, [0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0] },
        { ProtocolViolation.InvalidUtf8, [0x81, 0x81, 0, 0, 0, 0, 0xFF] },
        { ProtocolViolation.TruncatedCloseCode, [0x88, 0x81, 0, 0, 0, 0, 3] },
        { ProtocolViolation.InvalidCloseCode, [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xED] },
        { ProtocolViolation.InvalidCloseReason, [0x88, 0x83, 0, 0, 0, 0, 0x03, 0xE8, 0xFF] },
        { ProtocolViolation.MessageTooBig, [0x82, 0x8B, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] },
        { ProtocolViolation.TooManyFragments, [0x02, 0x81, 0, 0, 0, 0, 1, 0x00, 0x81, 0, 0, 0, 0, 1, 0x00, 0x81, 0, 0, 0, 0, 1] },
        { ProtocolViolation.TooManyControlFrames, [0x89, 0x80, 0, 0, 0, 0, 0x89, 0x80, 0, 0, 0, 0, 0x89, 0x80, 0, 0, 0, 0] },
        { ProtocolViolation.TooManyMessages, [.. OneByte, .. OneByte, .. OneByte] },
        { ProtocolViolation.TooManySmallFragments, [0x02, 0x81, 0, 0, 0, 0, 1, 0x00, 0x81, 0, 0, 0, 0, 1, 0x00, 0x81, 0, 0, 0, 0, 1] },
        { ProtocolViolation.MessageTooSlow, [0x02, 0x81, 0, 0, 0, 0, 1] },

        // RFC 1951 §3.2.3: a block of the reserved type.
        { ProtocolViolation.InvalidCompressedData, [0xC2, 0x81, 0, 0, 0, 0, 0x07] },
    };

    [Fact]
    public void Every_violation_that_a_client_can_commit_is_committed_here() =>
        Assert.Equal(Enum.GetValues<ProtocolViolation>().Where(each => each is not (ProtocolViolation.MaskedFrame or ProtocolViolation.InvalidPacket or ProtocolViolation.OverlappingRequests)), Violations.Select(row => row.Data.Item1).Order());

    [Theory]
    [MemberData(nameof(Violations))]
    public async Task A_violation_is_counted_by_its_name_and_logged(ProtocolViolation violation, byte[] bytes)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle), options =>
        {
            options.MaxMessageSize = 10;
            options.MaxFragments = violation == ProtocolViolation.TooManyFragments ? 2 : 0;
            options.MaxSmallFragmentsPerSecond = violation == ProtocolViolation.TooManySmallFragments ? 2 : 0;
            options.MaxControlFramesPerSecond = 2;
            options.MaxMessagesPerSecond = 2;
            options.MessageTimeout = TimeSpan.FromMilliseconds(violation == ProtocolViolation.MessageTooSlow ? 100 : 60_000);
            options.Compression = violation == ProtocolViolation.InvalidCompressedData ? Compression.Shared : Compression.Off;
        });
        using MetricCollector<long> violations = Collect(host, "duologue.server.protocol.violations");
        await using RawClient client = await RawClient.ConnectAsync(host.Url);
        await client.HandshakeAsync("/", ("Sec-WebSocket-Extensions", "permessage-deflate"));

        await client.Stream.WriteAsync(bytes, TestContext.Current.CancellationToken);
        await Eventually.True(() => violations.GetMeasurementSnapshot().Count > 0);

        Assert.Equal(TelemetryNames.Of(violation), Assert.Single(violations.GetMeasurementSnapshot()).Tags["duologue.protocol.violation"]);
        await Eventually.True(() => host.Log.GetSnapshot().Any(record => record.Id.Name == "ProtocolViolated"));
        Assert.Equal(violation.ToString(), host.Log.GetSnapshot().First(record => record.Id.Name == "ProtocolViolated").GetStructuredStateValue("Violation"));
    }

    [Theory]
    [InlineData(SendQueuePolicy.Close, "QueueFull")]
    [InlineData(SendQueuePolicy.DropOldest, "Oldest")]
    [InlineData(SendQueuePolicy.DropNewest, "Newest")]
    public async Task A_full_queue_drops_by_its_policy_counted_and_logged(SendQueuePolicy policy, string reason)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", connection => FloodAsync(connection)), options =>
        {
            options.SendQueueLimit = 64 * 1024;
            options.SendQueuePolicy = policy;
        });
        using MetricCollector<long> dropped = Collect(host, "duologue.server.messages.dropped");
        await using RawClient deaf = await RawClient.ConnectAsync(host.Url);
        await deaf.HandshakeAsync("/");

        await Eventually.True(() => Has(dropped, Enum.Parse<DropReason>(reason)));

        await Eventually.True(() => host.Log.GetSnapshot().Any(record => record.Id.Name == "MessagesDropped" && record.GetStructuredStateValue("Reason") == reason));
    }

    [Fact]
    public async Task What_is_sent_after_the_end_or_to_nobody_is_counted()
    {
        var connections = new TaskCompletionSource<Connection>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", connection =>
        {
            connections.SetResult(connection);
            return Talks.Idle(connection);
        }));
        using MetricCollector<long> dropped = Collect(host, "duologue.server.messages.dropped");
        using ClientWebSocket client = await host.ConnectAsync("/");
        Connection connection = await connections.Task;
        connection.Abort();

        Assert.Equal(SendResult.Dropped, connection.Send("too late"));
        Assert.Equal(SendResult.Dropped, host.Connections.Send("nobody", "hello?"));

        Assert.True(Has(dropped, DropReason.Closed));
        Assert.True(Has(dropped, DropReason.NotFound));
    }

    [Fact]
    public async Task What_waited_when_a_connection_ended_is_counted_as_unsent()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", async connection =>
        {
            // Until so much waits that it cannot leave: a little may only be on its way.
            while (connection.BufferedAmount < 512 * 1024)
            {
                connection.Send(new byte[16 * 1024], MessageType.Binary);
                await Task.Yield();
            }

            connection.Abort();
        }));
        using MetricCollector<long> dropped = Collect(host, "duologue.server.messages.dropped");
        await using RawClient deaf = await RawClient.ConnectAsync(host.Url);
        await deaf.HandshakeAsync("/");

        await Eventually.True(() => Has(dropped, DropReason.Unsent));
    }

    [Fact]
    public async Task What_a_failed_handler_class_throws_and_does_not_take_is_counted_and_logged()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<Failing>("/"));
        using MetricCollector<long> failures = Collect(host, "duologue.server.handler.failures");
        using MetricCollector<long> dropped = Collect(host, "duologue.server.messages.dropped");
        await using RawClient client = await RawClient.ConnectAsync(host.Url);
        await client.HandshakeAsync("/");

        await client.Stream.WriteAsync((byte[])[.. OneByte, .. OneByte], TestContext.Current.CancellationToken);

        await Eventually.True(() => failures.GetMeasurementSnapshot().Count > 0 && Has(dropped, DropReason.Unreceived));
        Assert.Equal("System.InvalidTimeZoneException", failures.GetMeasurementSnapshot()[0].Tags["error.type"]);
        await Eventually.True(() => host.Log.GetSnapshot().Any(record => record.Id.Name == "HandlerFailed"));
    }

    [Fact]
    public async Task A_handler_that_is_behind_is_counted_as_a_pause()
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", _ => go.Task));
        using MetricCollector<long> pauses = Collect(host, "duologue.server.receive.pauses");
        using ClientWebSocket client = await host.ConnectAsync("/");

        // 64 KiB are read ahead; the rest waits.
        await client.SendAsync(new byte[100 * 1024], WebSocketMessageType.Binary, true, TestContext.Current.CancellationToken);

        await Eventually.True(() => pauses.GetMeasurementSnapshot().Count > 0);
        go.SetResult();
    }

    [Fact]
    public async Task A_refused_subscription_is_counted_by_its_limit_and_logged()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", async connection =>
            {
                connection.Subscribe("a");
                Assert.ThrowsAny<InvalidOperationException>(() => connection.Subscribe("b"));
                await connection.SendAsync("refused");
            }),
            options => options.MaxTopicsPerConnection = 1);
        using MetricCollector<long> refusals = Collect(host, "duologue.pubsub.subscription.refusals");
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.Equal("refused", await client.ReceiveTextAsync());

        Assert.Equal("max_topics_per_connection", Assert.Single(refusals.GetMeasurementSnapshot()).Tags["duologue.limit"]);
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "SubscriptionRefused");
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "Method", 405)]
    [InlineData("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "HttpVersion", 426)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "NotWebSocket", 426)]
    public async Task A_request_that_is_no_handshake_is_counted_and_logged(string request, string reason, int status)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        await AssertRefusedAsync(host, Enum.Parse<RefusalReason>(reason), status, client => client.RequestAsync(request));
    }

    [Theory]
    [InlineData("Version", 426)]
    [InlineData("MalformedHandshake", 400)]
    [InlineData("Origin", 403)]
    [InlineData("Subprotocol", 400)]
    [InlineData("ConnectionLimit", 503)]
    [InlineData("AddressLimit", 503)]
    public async Task A_refusal_is_counted_by_its_reason_and_logged(string name, int status)
    {
        RefusalReason reason = Enum.Parse<RefusalReason>(name);
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.MapDuologue("/", Talks.Idle);
                app.MapDuologue("/by-name").WithSubprotocol("v1", Talks.Idle);
            },
            options =>
            {
                options.MaxConnections = reason == RefusalReason.ConnectionLimit ? 1 : 0;
                options.MaxConnectionsPerAddress = reason == RefusalReason.AddressLimit ? 1 : 0;
            });
        await using RawClient first = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(101, (await first.HandshakeAsync("/")).Status);

        await AssertRefusedAsync(host, reason, status, client => reason switch
        {
            RefusalReason.Version => client.HandshakeAsync("/", ("Sec-WebSocket-Version", "12")),
            RefusalReason.MalformedHandshake => client.HandshakeAsync("/", ("Sec-WebSocket-Key", "x")),
            RefusalReason.Origin => client.HandshakeAsync("/", ("Origin", "https://evil.test")),
            RefusalReason.Subprotocol => client.HandshakeAsync("/by-name"),
            _ => client.HandshakeAsync("/"),
        });
    }

    [Theory]
    [InlineData("SessionRequest", 400, "GET /?EIO=4&transport=abc HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("SessionUnknown", 400, "GET /?EIO=4&transport=polling&sid=nobody HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("SessionLimit", 503, "GET /?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("SessionNodeGone", 410, "GET /?EIO=4&transport=polling&sid=gone.abc HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("SessionNodeAway", 503, "GET /?EIO=4&transport=polling&sid=away.abc HTTP/1.1\r\nHost: a\r\n\r\n")]
    public async Task A_request_for_a_session_is_refused_counted_and_logged(string name, int status, string request)
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Idle),
            options => (options.MaxSessionsPerAddress, options.CloseTimeout) = (1, TimeSpan.FromMilliseconds(100)),
            builder => builder.Services.AddSingleton<SessionNodes>(new LonelyNodes()));
        await using RawClient first = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(200, (await first.RequestAsync("GET /?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")).Status);

        await AssertRefusedAsync(host, Enum.Parse<RefusalReason>(name), status, client => client.RequestAsync(request));
    }

    [Theory]
    [InlineData("HandshakeRate", 503)]
    [InlineData("AddressRate", 429)]
    public async Task A_storm_of_handshakes_is_refused_counted_and_logged(string name, int status)
    {
        RefusalReason reason = Enum.Parse<RefusalReason>(name);
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Idle),
            options =>
            {
                options.MaxHandshakesPerSecond = reason == RefusalReason.HandshakeRate ? 1 : 0;
                options.MaxHandshakesPerSecondPerAddress = reason == RefusalReason.AddressRate ? 1 : 0;
            },
            builder => builder.Services.AddSingleton<TimeProvider>(new StoppedClock()));
        await using RawClient first = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(101, (await first.HandshakeAsync("/")).Status);

        await AssertRefusedAsync(host, reason, status, client => client.HandshakeAsync("/"));
    }

    [Fact]
    public async Task A_newcomer_during_the_drain_is_refused_counted_and_logged()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle));
        host.Services.GetRequiredService<DuologueServer>().BeginDraining();

        await AssertRefusedAsync(host, RefusalReason.Draining, 503, client => client.HandshakeAsync("/"));
    }

    [Fact]
    public async Task What_a_drain_had_to_cut_is_counted_and_logged()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Idle),
            _ => { },
            builder => builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(1)));
        using MetricCollector<long> aborted = Collect(host, "duologue.server.drain.aborted");
        await using RawClient silent = await RawClient.ConnectAsync(host.Url);
        await silent.HandshakeAsync("/");

        await host.StopAsync();

        Assert.Equal(1, Assert.Single(aborted.GetMeasurementSnapshot()).Value);
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "DrainCut");
    }

    [Theory]
    [InlineData("UpgradeUnavailable")]
    [InlineData("Timeout")]
    [InlineData("Aborted")]
    public async Task A_handshake_that_could_not_be_answered_is_counted_by_its_reason_and_logged(string name)
    {
        RefusalReason reason = Enum.Parse<RefusalReason>(name);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.Use((context, next) =>
                {
                    context.Features.Set<IHttpUpgradeFeature>(reason == RefusalReason.UpgradeUnavailable ? null : new StuckUpgrade(asked));
                    return next(context);
                });
                app.UseRouting();
                app.MapDuologue("/", Talks.Idle);
            },
            options => options.HandshakeTimeout = reason == RefusalReason.Timeout ? TimeSpan.FromMilliseconds(50) : TimeSpan.FromMinutes(5));
        using MetricCollector<long> failures = Collect(host, "duologue.server.handshake.failures");
        await using (RawClient client = await RawClient.ConnectAsync(host.Url))
        {
            Task<RawAnswer> answer = client.HandshakeAsync("/");
            if (reason == RefusalReason.UpgradeUnavailable)
            {
                Assert.Equal(501, (await answer).Status);
            }
            else
            {
                await asked.Task.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
            }

            if (reason == RefusalReason.Timeout)
            {
                await Assert.ThrowsAnyAsync<Exception>(() => answer);
            }
            else if (reason == RefusalReason.Aborted)
            {
                _ = answer.ContinueWith(static task => task.Exception, TaskScheduler.Default);
            }
        }

        await Eventually.True(() => failures.GetMeasurementSnapshot().Count > 0);
        Assert.Equal(reason.Name(), Assert.Single(failures.GetMeasurementSnapshot()).Tags["duologue.handshake.failure"]);
        string logged = reason == RefusalReason.UpgradeUnavailable ? "HandshakeRefused" : "HandshakeEnded";
        await Eventually.True(() => host.Log.GetSnapshot().Any(record => record.Id.Name == logged));

        // The place is given back after it was logged.
        await Eventually.True(() => !host.Connections.Open.Any());
    }

    [Fact]
    public void Every_refusal_is_made_to_happen_here()
    {
        string[] provoked =
        [
            .. typeof(CausesTests).GetMethods()
                .SelectMany(method => method.GetCustomAttributes(typeof(InlineDataAttribute), false).Cast<InlineDataAttribute>())
                .SelectMany(row => row.Data)
                .OfType<string>()
                .Where(text => Enum.TryParse<RefusalReason>(text, out _)),
            nameof(RefusalReason.Draining),
        ];
        Assert.Equal(Enum.GetNames<RefusalReason>().Order(), provoked.Distinct().Order());
    }

    /// <summary>A node whose others have all gone.</summary>
    private sealed class LonelyNodes : SessionNodes
    {
        public override string Name => "here";

        public override Task<ForwardOutcome> TryForwardAsync(HttpContext context, string node, bool isUpgrade, TimeSpan silence) =>
            Task.FromResult(node == "away" ? ForwardOutcome.NodeAway : ForwardOutcome.NodeGone);
    }

    /// <summary>A web server whose answer does not leave.</summary>
    private sealed class StuckUpgrade(TaskCompletionSource asked) : IHttpUpgradeFeature
    {
        public bool IsUpgradableRequest => true;

        public Task<Stream> UpgradeAsync()
        {
            asked.TrySetResult();
            return new TaskCompletionSource<Stream>().Task;
        }
    }

    private static async Task AssertRefusedAsync(TestHost host, RefusalReason reason, int status, Func<RawClient, Task<RawAnswer>> ask)
    {
        using MetricCollector<long> failures = Collect(host, "duologue.server.handshake.failures");
        await using RawClient client = await RawClient.ConnectAsync(host.Url);

        Assert.Equal(status, (await ask(client)).Status);

        Assert.Equal(reason.Name(), Assert.Single(failures.GetMeasurementSnapshot()).Tags["duologue.handshake.failure"]);
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == (reason == RefusalReason.Origin ? "OriginRefused" : "HandshakeRefused"));
    }

    private static void Limit(DuologueOptions options, CloseCause cause)
    {
        options.MaxMessageSize = 10;
        options.MaxMessagesPerSecond = 2;
        options.SendQueueLimit = 64 * 1024;
        if (cause == CloseCause.KeepAliveTimeout)
        {
            options.KeepAliveInterval = TimeSpan.FromMilliseconds(100);
            options.KeepAliveTimeout = TimeSpan.FromMilliseconds(100);
        }

        if (cause == CloseCause.SendTimeout)
        {
            options.SendTimeout = TimeSpan.FromMilliseconds(200);
            options.SendQueuePolicy = SendQueuePolicy.DropNewest;
        }

        if (cause == CloseCause.CloseTimeout)
        {
            options.CloseTimeout = TimeSpan.FromMilliseconds(200);
        }
    }

    private static async Task ServeAsync(Connection connection, CloseCause cause)
    {
        switch (cause)
        {
            case CloseCause.LocalClose:
                return;
            case CloseCause.Aborted:
                // Only when the client has its 101.
                await connection.ReceiveAsync();
                connection.Abort();
                return;
            case CloseCause.CloseTimeout:
                await connection.CloseAsync();
                return;
            case CloseCause.HandlerFailed:
                throw new InvalidTimeZoneException();
            case CloseCause.SendQueueFull or CloseCause.SendTimeout:
                await FloodAsync(connection);
                return;
            default:
                await Talks.Idle(connection);
                return;
        }
    }

    /// <summary>What the client does to bring the cause about. It answers a Close where it must, by the same bytes.</summary>
    private static async Task ProvokeAsync(TestHost host, RawClient client, CloseCause cause)
    {
        byte[] close = [0x88, 0x80, 0, 0, 0, 0];
        byte[] bytes = cause switch
        {
            CloseCause.PeerClosed => close,
            CloseCause.Aborted => OneByte,
            CloseCause.ProtocolViolation => [0x83, 0x80, 0, 0, 0, 0],
            CloseCause.MessageTooBig => [0x82, 0x8B, 0, 0, 0, 0],
            CloseCause.LimitExceeded => [.. OneByte, .. OneByte, .. OneByte],
            _ => [],
        };
        await client.Stream.WriteAsync(bytes, TestContext.Current.CancellationToken);
        switch (cause)
        {
            case CloseCause.ConnectionLost:
                await client.DisposeAsync();
                break;
            case CloseCause.LocalClose or CloseCause.HandlerFailed:
                await AnswerAsync(client, close);
                break;
            case CloseCause.ServerDraining:
                Task stopping = host.StopAsync();
                await AnswerAsync(client, close);
                await stopping;
                break;
        }
    }

    private static async Task AnswerAsync(RawClient client, byte[] close)
    {
        byte[] head = new byte[2];
        await client.Stream.ReadExactlyAsync(head, TestContext.Current.CancellationToken);
        Assert.Equal(0x88, head[0]);
        await client.Stream.WriteAsync(close, TestContext.Current.CancellationToken);
    }

    private static async Task FloodAsync(Connection connection)
    {
        byte[] block = new byte[16 * 1024];
        while (!connection.Closed.IsCompleted)
        {
            connection.Send(block, MessageType.Binary);
            await Task.Yield();
        }
    }

    private static MetricCollector<long> Collect(TestHost host, string instrument) => new(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, instrument);

    private static bool Has(MetricCollector<long> dropped, DropReason reason) =>
        dropped.GetMeasurementSnapshot().Any(measured => Equals(measured.Tags["duologue.drop.reason"], TelemetryNames.Of(reason)));

    /// <summary>Timers run, but the second in which all happens does not pass, however slow the machine.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => TimestampFrequency;
    }

    private sealed class Failing : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message) => throw new InvalidTimeZoneException();
    }
}
