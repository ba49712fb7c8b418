using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.AspNetCore.Tests.Diagnostics;

public class ServerMetricsTests
{
    [Fact]
    public async Task A_conversation_is_counted_from_end_to_end()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));
        using MetricCollector<long> active = Collect<long>(host, "duologue.server.active_connections");
        using MetricCollector<double> duration = Collect<double>(host, "duologue.server.connection.duration");
        using MetricCollector<long> received = Collect<long>(host, "duologue.server.messages.received");
        using MetricCollector<long> sent = Collect<long>(host, "duologue.server.messages.sent");
        using MetricCollector<long> bytesReceived = Collect<long>(host, "duologue.server.bytes.received");
        using MetricCollector<long> bytesSent = Collect<long>(host, "duologue.server.bytes.sent");
        using (ClientWebSocket client = await host.ConnectAsync("/"))
        {
            await client.SendTextAsync("hello");
            await client.ReceiveTextAsync();
            await client.SendTextAsync("you");
            await client.ReceiveTextAsync();
            Assert.Equal(1, Sum(active));
            await client.CloseAsync();
        }

        // A message is counted as sent when it has left: who has answered it, and closed, may be faster.
        await Eventually.True(() => duration.GetMeasurementSnapshot().Count == 1 && Sum(bytesSent) == 8);
        Assert.Equal(0, Sum(active));
        Assert.Equal(2, Sum(received));
        Assert.Equal(2, Sum(sent));
        Assert.Equal(8, Sum(bytesReceived));
        Assert.Equal("peer_closed", duration.LastMeasurement!.Tags["duologue.close.cause"]);
        Assert.Equal("websocket", duration.LastMeasurement.Tags["duologue.transport"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_compression_saves_is_counted_on_both_sides_and_in_both_directions(bool dedicated)
    {
        Compression compression = dedicated ? Compression.Dedicated(15) : Compression.Shared;
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo), options => options.Compression = compression);
        string[] names = ["messages.received", "messages.sent", "saved.received", "saved.sent"];
        MetricCollector<long>[] server = [.. names.Select(name => Collect<long>(host, $"duologue.server.compression.{name}"))];
        MetricCollector<long>[] client = [.. names.Select(name => new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), "Duologue", $"duologue.client.compression.{name}"))];
        await using (Connection connection = await Connection.ConnectAsync(
            host.WebSocketUrl("/"),
            new ConnectOptions { Compression = compression, MeterFactory = host.Services.GetRequiredService<IMeterFactory>() },
            TestContext.Current.CancellationToken))
        {
            foreach (string text in (string[])["too short to be compressed", new string('x', 4000)])
            {
                connection.Send(text);
                Assert.Equal(text, (await connection.ReceiveAsync(TestContext.Current.CancellationToken)).Text);
            }
        }

        await Eventually.True(() => client.Concat(server).All(collector => collector.GetMeasurementSnapshot().Count == 1));
        Assert.All([.. server[..2], .. client[..2]], collector => Assert.Equal(1, Sum(collector)));
        Assert.InRange(Sum(server[2]), 3900, 3999);
        Assert.Equal(Sum(server[2]), Sum(client[3]));
        Assert.Equal(Sum(server[3]), Sum(client[2]));
        Array.ForEach([.. server, .. client], collector => collector.Dispose());
    }

    [Theory]
    [InlineData("Upgrade", null, "not_websocket")]
    [InlineData("Origin", "https://evil.test", "origin")]
    [InlineData("Sec-WebSocket-Version", "12", "version")]
    [InlineData("Sec-WebSocket-Key", "x", "malformed_handshake")]
    public async Task Every_refusal_is_counted_by_its_reason(string header, string? value, string reason)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));
        using MetricCollector<long> failures = Collect<long>(host, "duologue.server.handshake.failures");
        using MetricCollector<long> active = Collect<long>(host, "duologue.server.active_connections");

        await host.HandshakeAsync("/", (header, value));

        CollectedMeasurement<long> measured = Assert.Single(failures.GetMeasurementSnapshot());
        Assert.Equal(1, measured.Value);
        Assert.Equal(reason, measured.Tags["duologue.handshake.failure"]);
        Assert.Empty(active.GetMeasurementSnapshot());
    }

    [Fact]
    public async Task The_round_trip_of_a_ping_is_measured()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", async connection =>
        {
            await connection.PingAsync();
            await connection.SendAsync("answered");
        }));
        using MetricCollector<double> trips = Collect<double>(host, "duologue.server.ping.rtt");
        using ClientWebSocket client = await host.ConnectAsync("/");

        // The platform's client answers pings while it receives.
        Assert.Equal("answered", await client.ReceiveTextAsync());

        Assert.True(Assert.Single(trips.GetMeasurementSnapshot()).Value > 0);
    }

    [Fact]
    public async Task Topics_are_counted()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", async connection =>
        {
            connection.Subscribe("news");
            await connection.SendAsync("subscribed");
            await Talks.Idle(connection);
        }));
        using MetricCollector<long> subscriptions = Collect<long>(host, "duologue.pubsub.subscriptions");
        using MetricCollector<long> fanout = Collect<long>(host, "duologue.pubsub.fanout");
        using MetricCollector<double> publishing = Collect<double>(host, "duologue.pubsub.publish.duration");
        using ClientWebSocket client = await host.ConnectAsync("/");
        await client.ReceiveTextAsync();

        host.Topics.Publish("news", "extra!");
        host.Topics.Publish("nothing", "unheard");

        Assert.Equal(1, Sum(subscriptions));
        Assert.Equal([1, 0], fanout.GetMeasurementSnapshot().Select(measured => measured.Value));
        Assert.Equal(2, publishing.GetMeasurementSnapshot().Count);
        await client.CloseAsync();
        await Eventually.True(() => Sum(subscriptions) == 0);
    }

    [Fact]
    public async Task What_waits_in_the_send_queues_is_observed()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", async connection =>
        {
            byte[] block = new byte[64 * 1024];
            while (true)
            {
                await connection.SendAsync(block, MessageType.Binary);
            }
        }));
        using MetricCollector<long> queued = Collect<long>(host, "duologue.server.send_queue.bytes");
        await using RawClient deaf = await RawClient.ConnectAsync(host.Url);
        await deaf.HandshakeAsync("/");

        // Until the kernel's buffers are full the queue empties again now and then.
        await Eventually.True(() =>
        {
            queued.RecordObservableInstruments();
            return queued.LastMeasurement!.Value > 0;
        });
    }

    [Fact]
    public void Every_cause_and_every_reason_has_a_name()
    {
        Assert.All(Enum.GetValues<CloseCause>(), cause => Assert.NotEqual("other", TelemetryNames.Of(cause)));
        Assert.All(Enum.GetValues<DropReason>(), reason => Assert.NotEqual("other", TelemetryNames.Of(reason)));
        Assert.All(Enum.GetValues<RefusalReason>(), reason => Assert.NotEmpty(reason.Name()));
    }

    private static MetricCollector<T> Collect<T>(TestHost host, string instrument)
        where T : struct => new(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, instrument);

    private static long Sum(MetricCollector<long> collector) => collector.GetMeasurementSnapshot().Sum(measured => measured.Value);
}
