using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using System.Text;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.AspNetCore.Tests.Handshake;

public class CompressionAdmissionTests
{
    private const string Offer = "permessage-deflate; client_max_window_bits";
    private const string Shared = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/off", Offer, null)]
    [InlineData("/shared", Offer, Shared)]
    [InlineData("/dedicated", Offer, "permessage-deflate")]
    [InlineData("/default", Offer, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10")]
    [InlineData("/dedicated", "permessage-deflate; what, permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover")]
    [InlineData("/dedicated", "permessage-deflate; server_max_window_bits=8", null)]
    [InlineData("/dedicated", "x-other", null)]
    [InlineData("/dedicated", null, null)]
    public async Task Each_endpoint_agrees_to_what_its_options_say(string path, string? offer, string? answer)
    {
        await using TestHost host = await StartAsync(256);
        RawAnswer said = await host.HandshakeAsync(path, ("Sec-WebSocket-Extensions", offer));
        Assert.Equal(101, said.Status);
        Assert.Equal(answer, said.Headers.GetValueOrDefault("Sec-WebSocket-Extensions"));
    }

    [Fact]
    public async Task A_malformed_header_is_refused_as_before()
    {
        await using TestHost host = await StartAsync(256);
        Assert.Equal(400, (await host.HandshakeAsync("/shared", ("Sec-WebSocket-Extensions", "permessage-deflate; =1"))).Status);
    }

    [Fact]
    public async Task Above_the_cap_connections_share_and_a_place_is_given_back_at_the_end()
    {
        await using TestHost host = await StartAsync(2);
        using var sharedInstead = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.server.compression.shared_instead");
        List<Connection> open = [];
        for (int i = 0; i < 4; i++)
        {
            open.Add(await ConnectAsync(host, "/dedicated", Compression.Dedicated(15)));
            await EchoAsync(open[i]);
        }

        Assert.Equal(["permessage-deflate", "permessage-deflate", Shared, Shared], open.Select(connection => connection.Extensions));
        Assert.Single(host.Log.GetSnapshot(), record => record.Id.Name == "DedicatedCompressorsExhausted");
        Assert.Equal(2, sharedInstead.GetMeasurementSnapshot().Sum(measured => measured.Value));

        // Who asks for no memory needs no place.
        await using Connection asksForNone = await ConnectAsync(host, "/dedicated", Compression.Shared);
        Assert.Equal(Shared, asksForNone.Extensions);
        CompressionAdmission admission = host.Services.GetRequiredService<DuologueServer>().Compression;
        Assert.Equal(2, admission.Dedicated);
        await open[0].CloseAsync();
        await WaitAsync(() => admission.Dedicated == 1);
        await using Connection next = await ConnectAsync(host, "/dedicated", Compression.Dedicated(15));
        Assert.Equal("permessage-deflate", next.Extensions);

        // There was room in between: that it is used up again is news.
        await using Connection beyond = await ConnectAsync(host, "/dedicated", Compression.Dedicated(15));
        Assert.Equal(Shared, beyond.Extensions);
        Assert.Equal(2, host.Log.GetSnapshot().Count(record => record.Id.Name == "DedicatedCompressorsExhausted"));
        foreach (Connection connection in open)
        {
            connection.Abort();
        }

        await next.CloseAsync();
        await WaitAsync(() => admission.Dedicated == 0);
    }

    [Fact]
    public async Task A_publish_reaches_each_as_it_was_agreed_and_in_order()
    {
        await using TestHost host = await StartAsync(256);
        Compression[] modes = [Compression.Off, Compression.Shared, Compression.Dedicated(15), Compression.Dedicated(9)];
        List<Connection> subscribers = [];
        foreach (Compression mode in modes)
        {
            foreach (string path in (string[])["/off", "/shared", "/dedicated", "/default"])
            {
                Connection connection = await ConnectAsync(host, path, mode);
                await EchoAsync(connection);
                subscribers.Add(connection);
            }
        }

        string[] texts = [.. Enumerable.Range(0, 30).Select(i => string.Concat(Enumerable.Repeat($"{{\"price\":{i % 4}}},", 10 + (i * i))))];
        foreach (string text in texts)
        {
            Assert.Equal(subscribers.Count, host.Topics.Publish("all", text, text.Length % 3 == 0 ? MessageFlags.DisableCompression : MessageFlags.None).Accepted);
        }

        foreach (Connection connection in subscribers)
        {
            // Its own messages between those for all: the context must stay right.
            foreach (string text in texts)
            {
                Assert.Equal(text, (await ReceiveAsync(connection)).Text);
            }

            await EchoAsync(connection);
            await EchoAsync(connection);
            Assert.True((await connection.CloseAsync()).WasClean);
        }
    }

    [Fact]
    public async Task The_platforms_own_client_talks_compressed_with_it()
    {
        await using TestHost host = await StartAsync(256);
        using ClientWebSocket client = await host.ConnectAsync("/dedicated", options => options.DangerousDeflateOptions = new WebSocketDeflateOptions());
        string text = string.Concat(Enumerable.Repeat("again ", 1000));
        for (int i = 0; i < 3; i++)
        {
            await client.SendTextAsync(text);
            Assert.Equal(text, await client.ReceiveTextAsync());
        }
    }

    [Fact]
    public void Configuration_sets_the_mode_by_its_name()
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection([new("Compression", "dedicated:12"), new("MaxDedicatedCompressors", "7")]).Build();
        var options = new DuologueOptions();
        configuration.Bind(options);
        Assert.Equal(Compression.Dedicated(12), options.Compression);
        Assert.Equal(7, options.MaxDedicatedCompressors);
        Assert.Equal(Compression.Dedicated(12), new EndpointSettings(options, TimeProvider.System).Connection.Compression);
        Assert.False(new DuologueOptionsValidator().Validate(null, new DuologueOptions { MaxDedicatedCompressors = -1 }).Succeeded);
        Assert.False(new DuologueOptionsValidator().Validate(null, new DuologueOptions { Compression = null! }).Succeeded);
    }

    private static Task<TestHost> StartAsync(int maxDedicated) => TestHost.StartAsync(
        app =>
        {
            Map("/off", Compression.Off);
            Map("/shared", Compression.Shared with { Threshold = 0 });
            Map("/dedicated", Compression.Dedicated(15) with { Threshold = 0 });
            app.MapDuologue<SubscribingEcho>("/default");

            void Map(string path, Compression compression) => app.MapDuologue<SubscribingEcho>(path).WithOptions(options => options.Compression = compression);
        },
        options =>
        {
            options.Compression = Compression.Dedicated(10) with { Threshold = 100 };
            options.MaxDedicatedCompressors = maxDedicated;
        });

    private static async Task<Connection> ConnectAsync(TestHost host, string path, Compression compression) =>
        await Connection.ConnectAsync(host.WebSocketUrl(path), new ConnectOptions { Compression = compression }, Token);

    private static async Task EchoAsync(Connection connection)
    {
        byte[] message = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("an echo, ", 50)));
        await connection.SendAsync(message, MessageType.Text, Token);
        Assert.Equal(message, (await ReceiveAsync(connection)).ToArray());
    }

    private static async Task<Message> ReceiveAsync(Connection connection)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TestHost.Patience);
        return await connection.ReceiveAsync(patience.Token);
    }

    private static async Task WaitAsync(Func<bool> condition)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TestHost.Patience);
        while (!condition())
        {
            await Task.Delay(5, patience.Token);
        }
    }

    private sealed class SubscribingEcho : MessageHandler
    {
        public override ValueTask OnOpenAsync(Connection connection)
        {
            connection.Subscribe("all");
            return default;
        }

        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            connection.Send(message.Data.Span, message.Type);
            return default;
        }
    }
}
