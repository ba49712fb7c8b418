using System.Diagnostics.Metrics;
using System.Net;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Integration;

/// <summary>Several WebSockets as streams of one TCP connection (RFC 8441), in clear text; <see cref="TransportTests"/> has TLS.</summary>
public sealed class Http2Tests : IDisposable
{
    private readonly HttpConnectionPool _pool = new();
    private readonly ConnectOptions _options;
    private int _tcpConnections;

    public Http2Tests() => _options = new ConnectOptions
    {
        HttpVersion = HttpVersion.Version20,
        HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        UseProxy = false,
        Pool = _pool,
        ConnectTimeout = TestHost.Patience,
        CloseTimeout = TestHost.Patience,
    };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _pool.Dispose();

    private Task<TestHost> StartAsync(Action<WebApplication> map, Action<DuologueOptions>? options = null, Action<Http2Limits>? limits = null) => TestHost.StartAsync(
        map,
        options ?? (_ => { }),
        builder =>
        {
            builder.Logging.SetMinimumLevel(LogLevel.Trace);
            builder.WebHost.ConfigureKestrel(kestrel =>
            {
                limits?.Invoke(kestrel.Limits.Http2);
                kestrel.Listen(IPAddress.Loopback, 0, listen =>
                {
                    listen.Protocols = HttpProtocols.Http2;
                    listen.Use(next => connection =>
                    {
                        Interlocked.Increment(ref _tcpConnections);
                        return next(connection);
                    });
                });
            });
        });

    private ValueTask<Connection> ConnectAsync(TestHost host, string path) => Connection.ConnectAsync(host.WebSocketUrl(path), _options, Cancelled);

    private static async Task AssertTalksAsync(Connection connection)
    {
        await connection.SendAsync("hello", Cancelled);
        Assert.Equal("hello", (await connection.ReceiveAsync(Cancelled)).Text);
    }

    private static IEnumerable<string> Frames(TestHost host) => host.Log.GetSnapshot()
        .Where(record => record.Category == "Microsoft.AspNetCore.Server.Kestrel.Http2" && record.Level == LogLevel.Trace)
        .Select(record => record.Message);

    /// <summary>Whether what waits to be sent has neither gone nor changed while it was looked at so often: on a busy machine that takes the longer, too.</summary>
    private static Func<bool> Stalls(params Connection[] connections)
    {
        const int Enough = 60;
        int looks = 0;
        long[] last = [];
        return () =>
        {
            long[] now = [.. connections.Select(connection => connection.BufferedAmount)];
            looks = now.Contains(0) || !now.SequenceEqual(last) ? 0 : looks + 1;
            last = now;
            return looks >= Enough;
        };
    }

    [Fact]
    public async Task A_route_restricted_to_methods_must_allow_CONNECT()
    {
        await using TestHost host = await StartAsync(app =>
        {
            app.MapDuologue("/get", Talks.Echo).WithMetadata(new HttpMethodMetadata(["GET"]));
            app.MapDuologue("/both", Talks.Echo).WithMetadata(new HttpMethodMetadata(["GET", "CONNECT"]));
        });
        HandshakeException refused = await Assert.ThrowsAsync<HandshakeException>(async () => await ConnectAsync(host, "/get"));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, refused.StatusCode);
        await using Connection connection = await ConnectAsync(host, "/both");
        await AssertTalksAsync(connection);
    }

    [Theory]
    [InlineData("/delegate")]
    [InlineData("/class")]
    public async Task Many_conversations_share_one_TCP_connection_and_one_that_is_aborted_leaves_the_others(string path)
    {
        await using TestHost host = await StartAsync(app =>
        {
            app.MapDuologue("/delegate", Talks.Echo);
            app.MapDuologue<EchoHandler>("/class");
        });
        Connection[] clients = [await ConnectAsync(host, path), .. await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => ConnectAsync(host, path).AsTask()))];
        Assert.Equal(31, host.Connections.Count);
        await Task.WhenAll(clients.Select(AssertTalksAsync));

        clients[0].Abort();
        await Eventually.True(() => host.Connections.Count == 30);
        Connection served = host.Connections.First();
        served.Abort();
        Assert.Equal(CloseCause.ConnectionLost, (await (await Task.WhenAny(clients[1..].Select(client => client.Closed)))).Cause);
        Connection[] others = [.. clients.Where(client => !client.Aborted.IsCancellationRequested && !client.Closed.IsCompleted)];
        Assert.Equal(29, others.Length);
        await Task.WhenAll(others.Select(AssertTalksAsync));
        CloseInfo[] infos = await Task.WhenAll(others.Select(client => client.CloseAsync().AsTask()));
        Assert.All(infos, info => Assert.True(info.WasClean));
        await Eventually.True(() => host.Connections.Count == 0);
        Assert.Equal(1, _tcpConnections);
    }

    [Theory]
    [InlineData("/delegate", false)]
    [InlineData("/delegate", true)]
    [InlineData("/class", false)]
    public async Task A_conversation_that_was_closed_ends_its_stream_and_resets_nothing(string path, bool byServer)
    {
        await using TestHost host = await StartAsync(app =>
        {
            app.MapDuologue("/delegate", async connection =>
            {
                if (byServer)
                {
                    await connection.CloseAsync(4000, "enough");
                    return;
                }

                await Talks.Echo(connection);
            });
            app.MapDuologue<EchoHandler>("/class");
        });
        await using Connection client = await ConnectAsync(host, path);
        if (byServer)
        {
            await Assert.ThrowsAsync<ConnectionClosedException>(async () => await client.ReceiveAsync(Cancelled));
            Assert.Equal(4000, (await client.Closed).Code);
        }
        else
        {
            await AssertTalksAsync(client);
            await client.CloseAsync();
        }

        // RFC 8441 §5: the orderly end of both directions.
        await Eventually.True(() => HasEnd("sending DATA") && HasEnd("received DATA"));
        await host.StopAsync();
        Assert.DoesNotContain(Frames(host), frame => frame.Contains("sending RST_STREAM", StringComparison.Ordinal));
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Message.Contains("without reading the entire request body", StringComparison.Ordinal));

        bool HasEnd(string kind) => Frames(host).Any(frame => frame.Contains(kind, StringComparison.Ordinal) && frame.EndsWith("END_STREAM.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_client_that_does_not_end_its_stream_is_not_waited_for_long()
    {
        await using TestHost host = await StartAsync(app => app.MapDuologue("/", Talks.Echo));
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        using var request = new HttpRequestMessage(HttpMethod.Connect, host.WebSocketUrl("/")) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.Protocol = "websocket";
        request.Headers.Add("Sec-WebSocket-Version", "13");
        using HttpResponseMessage response = await invoker.SendAsync(request, Cancelled);
        await using Stream stream = await response.Content.ReadAsStreamAsync(Cancelled);
        await stream.WriteAsync((byte[])[0x88, 0x80, 0, 0, 0, 0], Cancelled);
        await stream.FlushAsync(Cancelled);
        await Eventually.True(() => host.Connections.Count == 0);

        // The request ends by itself, with what HTTP/2 has for that (RFC 9113 §8.1).
        await Eventually.True(() => Frames(host).Any(frame => frame.Contains("sending RST_STREAM", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_reader_that_stops_holds_up_no_other_stream()
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await StartAsync(
            app =>
            {
                app.MapDuologue("/stuck", async connection =>
                {
                    await go.Task;
                    await Talks.Echo(connection);
                });
                app.MapDuologue("/flood", async connection =>
                {
                    // More than every window and queue on the way holds, to a client that does not receive.
                    byte[] data = new byte[64 * 1024];
                    for (int i = 0; i < 500; i++)
                    {
                        await connection.SendAsync(data, MessageType.Binary);
                    }

                    await Talks.Idle(connection);
                });
                app.MapDuologue("/echo", Talks.Echo);
            },
            options => options.KeepAliveTimeout = TimeSpan.FromMinutes(10));
        await using Connection stuck = await ConnectAsync(host, "/stuck");
        await using Connection flood = await ConnectAsync(host, "/flood");
        await using Connection lively = await ConnectAsync(host, "/echo");

        // The server reads ahead 64 KiB of it and no more; the rest fills the stream's window, which is less than the TCP connection's.
        Task sending = Task.Run(async () =>
        {
            for (int i = 0; i < 40; i++)
            {
                await stuck.SendAsync(new byte[64 * 1024], MessageType.Binary, Cancelled);
            }
        }, Cancelled);
        await Eventually.True(Stalls(stuck));
        for (int i = 0; i < 100; i++)
        {
            await AssertTalksAsync(lively);
        }

        Assert.False(sending.IsCompleted);
        go.SetResult();
        for (int i = 0; i < 40; i++)
        {
            Assert.Equal(64 * 1024, (await stuck.ReceiveAsync(Cancelled)).Data.Length);
        }

        await sending;
        for (int i = 0; i < 500; i++)
        {
            Assert.Equal(64 * 1024, (await flood.ReceiveAsync(Cancelled)).Data.Length);
        }

        Assert.Equal(1, _tcpConnections);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(8 * 1024 * 1024)]
    public async Task Readers_that_stop_hold_up_the_others_only_where_the_window_of_the_TCP_connection_is_used_up(int? connectionWindow)
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await StartAsync(
            app =>
            {
                app.MapDuologue("/stuck", async connection =>
                {
                    await go.Task;
                    await Talks.Idle(connection);
                });
                app.MapDuologue("/echo", Talks.Echo);
            },
            options => options.KeepAliveTimeout = TimeSpan.FromMinutes(10),
            http2 => http2.InitialConnectionWindowSize = connectionWindow ?? http2.InitialConnectionWindowSize);
        await using Connection lively = await ConnectAsync(host, "/echo");
        Connection[] stuck = [await ConnectAsync(host, "/stuck"), await ConnectAsync(host, "/stuck")];
        Task[] sending = [.. stuck.Select(connection => Task.Run(async () =>
        {
            for (int i = 0; i < 20; i++)
            {
                await connection.SendAsync(new byte[64 * 1024], MessageType.Binary, Cancelled);
            }
        }, Cancelled))];

        // Each stream takes 768 KiB and what the server reads ahead, of 1 MiB that all have together unless more is given.
        await Eventually.True(Stalls(stuck));
        Task talk = AssertTalksAsync(lively);
        if (connectionWindow is null)
        {
            await Task.WhenAny(talk, Task.Delay(TimeSpan.FromMilliseconds(500), Cancelled));
            Assert.False(talk.IsCompleted);
        }
        else
        {
            await talk;
        }

        go.SetResult();
        await Task.WhenAll(sending);
        await talk;
        await Task.WhenAll(stuck.Select(connection => connection.CloseAsync().AsTask()));
    }

    [Fact]
    public async Task Stopping_closes_all_with_1001()
    {
        await using TestHost host = await StartAsync(app => app.MapDuologue("/", Talks.Idle));
        Connection[] clients = [await ConnectAsync(host, "/"), .. await Task.WhenAll(Enumerable.Range(0, 19).Select(_ => ConnectAsync(host, "/").AsTask()))];
        Connection[] served = [.. host.Connections];
        Task stopping = host.StopAsync();
        foreach (Connection client in clients)
        {
            await Assert.ThrowsAsync<ConnectionClosedException>(async () => await client.ReceiveAsync(Cancelled));
            Assert.Equal(new CloseInfo(1001, "The server is shutting down.", ByPeer: true, WasClean: true, CloseCause.PeerClosed), await client.Closed);
        }

        await stopping.WaitAsync(TestHost.Patience, Cancelled);
        Assert.All(served, connection => Assert.Equal(CloseCause.ServerDraining, connection.Closed.Result.Cause));
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "DrainCompleted");
    }

    [Fact]
    public async Task Foreign_origins_unknown_paths_and_too_many_are_refused_and_counted_and_the_TCP_connection_stays()
    {
        await using TestHost host = await StartAsync(app => app.MapDuologue("/", Talks.Echo), options => options.MaxConnections = 1);
        using var failures = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.server.handshake.failures");
        await using Connection client = await ConnectAsync(host, "/");
        foreach ((string path, string? origin, HttpStatusCode status) in new[]
        {
            ("/", "https://evil.test", HttpStatusCode.Forbidden),
            ("/elsewhere", null, HttpStatusCode.NotFound),
            ("/", null, HttpStatusCode.ServiceUnavailable),
            ("/", host.Url.GetLeftPart(UriPartial.Authority), HttpStatusCode.ServiceUnavailable),
        })
        {
            HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(async () =>
                await Connection.ConnectAsync(host.WebSocketUrl(path), _options with { Origin = origin }, Cancelled));
            Assert.Equal(status, e.StatusCode);
        }

        Assert.Equal(
            ["origin", "connection_limit", "connection_limit"],
            failures.GetMeasurementSnapshot().Select(measurement => (string?)measurement.Tags["duologue.handshake.failure"]));
        await AssertTalksAsync(client);
        Assert.Equal(1, _tcpConnections);
    }

    [Fact]
    public async Task A_request_that_is_no_extended_CONNECT_is_told_so()
    {
        await using TestHost host = await StartAsync(app => app.MapDuologue("/", Talks.Echo));
        using var client = new HttpClient { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using HttpResponseMessage response = await client.GetAsync(host.Url, Cancelled);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("extended CONNECT", await response.Content.ReadAsStringAsync(Cancelled), StringComparison.Ordinal);

        using var request = new HttpRequestMessage(HttpMethod.Connect, host.WebSocketUrl("/")) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.Protocol = "webtransport";
        using HttpResponseMessage other = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancelled);
        Assert.Equal(HttpStatusCode.NotImplemented, other.StatusCode);
    }

    [Fact]
    public async Task A_conversation_is_counted_from_end_to_end()
    {
        await using TestHost host = await StartAsync(app => app.MapDuologue("/", Talks.Echo));
        var factory = host.Services.GetRequiredService<IMeterFactory>();
        using var active = new MetricCollector<long>(factory, ServerMetrics.MeterName, "duologue.server.active_connections");
        using var received = new MetricCollector<long>(factory, ServerMetrics.MeterName, "duologue.server.messages.received");
        using var duration = new MetricCollector<double>(factory, ServerMetrics.MeterName, "duologue.server.connection.duration");
        await using (Connection client = await ConnectAsync(host, "/"))
        {
            await AssertTalksAsync(client);
            Assert.Equal(1, active.GetMeasurementSnapshot().Sum(measurement => measurement.Value));
        }

        await Eventually.True(() => duration.GetMeasurementSnapshot().Count == 1);
        Assert.Equal(0, active.GetMeasurementSnapshot().Sum(measurement => measurement.Value));
        Assert.Equal(1, received.GetMeasurementSnapshot().Sum(measurement => measurement.Value));
        Assert.Equal("peer_closed", duration.LastMeasurement!.Tags["duologue.close.cause"]);
    }

    [Fact]
    public async Task A_peer_that_breaks_the_protocol_is_closed_and_the_others_go_on()
    {
        await using TestHost host = await StartAsync(app => app.MapDuologue("/", Talks.Echo), options => options.MaxMessageSize = 100);
        await using Connection good = await ConnectAsync(host, "/");
        await using Connection bad = await ConnectAsync(host, "/");
        await bad.SendAsync(new byte[101], MessageType.Binary, Cancelled);
        await Assert.ThrowsAsync<ConnectionClosedException>(async () => await bad.ReceiveAsync(Cancelled));
        Assert.Equal(1009, (await bad.Closed).Code);
        await AssertTalksAsync(good);
        Assert.Equal(1, _tcpConnections);
    }
}
