using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Pubsub;

public class TopicsTests
{
    [Fact]
    public async Task A_publish_reaches_the_subscribers_of_its_topic_and_nobody_else()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket a = await host.ConnectAsync("/");
        using ClientWebSocket b = await host.ConnectAsync("/");
        using ClientWebSocket c = await host.ConnectAsync("/");
        await DoAsync(a, "+news");
        await DoAsync(b, "+news");
        await DoAsync(c, "+weather");

        Assert.Equal(new FanoutResult(2, 0), host.Topics.Publish("news", "extra!"));
        Assert.Equal(new FanoutResult(1, 0), host.Topics.Publish("weather", "rain"u8, MessageType.Text));
        Assert.Equal(new FanoutResult(0, 0), host.Topics.Publish("sports", "nobody listens"));

        Assert.Equal("extra!", await a.ReceiveTextAsync());
        Assert.Equal("extra!", await b.ReceiveTextAsync());
        Assert.Equal("rain", await c.ReceiveTextAsync());
        Assert.Equal(2, host.Topics.Count);
        Assert.Equal(2, host.Topics.CountSubscribers("news"));
        Assert.Equal(0, host.Topics.CountSubscribers("sports"));
    }

    [Fact]
    public async Task A_listener_that_blocks_on_a_publish_holds_up_no_other_publish_to_the_topic()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket client = await host.ConnectAsync("/");
        await DoAsync(client, "+news");
        bool? went = null;
        using var listener = new MeterListener();
        IMeterFactory factory = host.Services.GetRequiredService<IMeterFactory>();
        listener.InstrumentPublished = (instrument, me) =>
        {
            if (instrument.Name == "duologue.server.messages.sent" && ReferenceEquals(instrument.Meter.Scope, factory))
            {
                me.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) =>
        {
            if (went is null)
            {
                went = false;
                went = Task.Run(() => host.Topics.Publish("news", "second")).Wait(TestHost.Patience);
            }
        });
        listener.Start();

        host.Topics.Publish("news", "first");

        Assert.True(went);
        Assert.Equal("first", await client.ReceiveTextAsync());
        Assert.Equal("second", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task Binary_messages_arrive_as_binary()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket client = await host.ConnectAsync("/");
        await DoAsync(client, "+data");
        byte[] sent = [.. Enumerable.Range(0, 100_000).Select(i => (byte)i)];

        host.Topics.Publish("data", sent, MessageType.Binary);

        byte[] received = new byte[sent.Length];
        int length = 0;
        WebSocketReceiveResult result;
        do
        {
            result = await client.ReceiveAsync(new ArraySegment<byte>(received, length, received.Length - length), TestContext.Current.CancellationToken);
            Assert.Equal(WebSocketMessageType.Binary, result.MessageType);
            length += result.Count;
        }
        while (!result.EndOfMessage);
        Assert.Equal(sent, received);
    }

    [Fact]
    public async Task A_subscription_counts_once_and_ends_when_asked()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket client = await host.ConnectAsync("/");

        Assert.Equal("True", await DoAsync(client, "+news"));
        Assert.Equal("False", await DoAsync(client, "+news"));
        Assert.Equal(1, host.Topics.CountSubscribers("news"));
        Assert.Equal("True", await DoAsync(client, "-news"));
        Assert.Equal("False", await DoAsync(client, "-news"));
        Assert.Equal(new FanoutResult(0, 0), host.Topics.Publish("news", "unheard"));
        Assert.Equal(0, host.Topics.Count);
        Assert.Equal("True", await DoAsync(client, "+news"));
        host.Topics.Publish("news", "heard");
        Assert.Equal("heard", await client.ReceiveTextAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_that_ends_leaves_its_topics(bool clean)
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket client = await host.ConnectAsync("/");
        await DoAsync(client, "+a");
        await DoAsync(client, "+b");
        Connection connection = Assert.Single(host.Connections);

        if (clean)
        {
            await client.CloseAsync();
        }
        else
        {
            client.Abort();
        }

        await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(0, host.Topics.Count);
        Assert.False(connection.Subscribe("a"));
        Assert.Equal(0, host.Topics.Count);
    }

    [Fact]
    public async Task The_limit_on_topics_is_named()
    {
        await using TestHost host = await StartAsync(options => options.MaxTopics = 2);
        using ClientWebSocket client = await host.ConnectAsync("/");
        await DoAsync(client, "+a");
        await DoAsync(client, "+b");

        Assert.Contains("DuologueOptions.MaxTopics.", await DoAsync(client, "+c"), StringComparison.Ordinal);
        await DoAsync(client, "-a");
        Assert.Equal("True", await DoAsync(client, "+c"));
        Assert.Equal(2, host.Topics.Count);
    }

    [Fact]
    public async Task The_limit_per_connection_is_named()
    {
        await using TestHost host = await StartAsync(options => options.MaxTopicsPerConnection = 1);
        using ClientWebSocket client = await host.ConnectAsync("/");
        await DoAsync(client, "+a");

        Assert.Contains("DuologueOptions.MaxTopicsPerConnection.", await DoAsync(client, "+b"), StringComparison.Ordinal);
        Assert.Equal(1, host.Topics.Count);
    }

    [Fact]
    public async Task A_wrong_name_is_an_error()
    {
        await using TestHost host = await StartAsync();

        Assert.Throws<ArgumentException>(() => host.Topics.Publish("", "text"));
        Assert.Throws<ArgumentException>(() => host.Topics.Publish(new string('a', 257), "text"));
        Assert.Throws<ArgumentException>(() => host.Topics.CountSubscribers(""));
        Assert.Equal(default, host.Topics.Publish(new string('a', 256), "text"));
    }

    [Fact]
    public async Task Text_that_is_not_UTF8_is_an_error_even_if_nobody_would_get_it()
    {
        await using TestHost host = await StartAsync();

        Assert.Throws<ArgumentException>(() => host.Topics.Publish("news", [0xC0, 0x80], MessageType.Text));
    }

    [Fact]
    public async Task All_subscribers_see_one_order_and_miss_nothing()
    {
        await using TestHost host = await StartAsync(options => options.SendQueueLimit = 16 * 1024 * 1024);
        ClientWebSocket[] clients = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => host.ConnectAsync("/")));
        foreach (ClientWebSocket client in clients)
        {
            await DoAsync(client, "+numbers");
        }

        Task<string[]>[] receiving = [.. clients.Select(ReceiveAllAsync)];
        await Parallel.ForAsync(0, 4, TestContext.Current.CancellationToken, (publisher, _) =>
        {
            for (int i = 0; i < 250; i++)
            {
                host.Topics.Publish("numbers", $"{publisher}:{i}");
            }

            return ValueTask.CompletedTask;
        });

        string[][] received = await Task.WhenAll(receiving);
        Assert.All(received, list => Assert.Equal(received[0], list));
        Assert.Equal(1000, received[0].Distinct().Count());
        Assert.All(clients, client => client.Dispose());

        static async Task<string[]> ReceiveAllAsync(ClientWebSocket client)
        {
            string[] messages = new string[1000];
            for (int i = 0; i < messages.Length; i++)
            {
                messages[i] = await client.ReceiveTextAsync();
            }

            return messages;
        }
    }

    [Fact]
    public async Task Coming_and_going_while_others_publish_leaves_nothing()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket steady = await host.ConnectAsync("/");
        await DoAsync(steady, "+steady");
        Connection[] connections = [.. host.Connections];
        using var stop = new CancellationTokenSource();
        Task publishing = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                host.Topics.Publish("hot-0", "x");
                host.Topics.Publish("hot-1", "x");
            }
        }, TestContext.Current.CancellationToken);

        // Several threads join and leave the same two topics with one connection, which is where a topic is retired under a joiner.
        await Parallel.ForAsync(0, 4, TestContext.Current.CancellationToken, (worker, _) =>
        {
            for (int i = 0; i < 5_000; i++)
            {
                connections[0].Subscribe($"hot-{worker % 2}");
                connections[0].Unsubscribe($"hot-{worker % 2}");
            }

            return ValueTask.CompletedTask;
        });
        await stop.CancelAsync();
        await publishing;

        connections[0].Unsubscribe("hot-0");
        connections[0].Unsubscribe("hot-1");
        Assert.Equal(1, host.Topics.Count);
        Assert.Equal(0, host.Topics.CountSubscribers("hot-0"));
        Assert.Equal(0, host.Topics.CountSubscribers("hot-1"));
    }

    [Fact]
    public async Task A_slow_subscriber_holds_nobody_up()
    {
        // The limit is far above the one message that is ever under way to the quick one.
        await using TestHost host = await StartAsync(options => options.SendQueuePolicy = SendQueuePolicy.DropNewest);
        using ClientWebSocket slow = await host.ConnectAsync("/");
        using ClientWebSocket quick = await host.ConnectAsync("/");
        await DoAsync(slow, "+news");
        await DoAsync(quick, "+news");
        byte[] large = new byte[32 * 1024];

        // The slow one reads nothing: the kernel's buffers fill, then its own queue.
        FanoutResult result = default;
        for (int i = 0; i < 2_000 && result.Dropped == 0; i++)
        {
            result = host.Topics.Publish("news", large, MessageType.Binary);
            await ReceiveAsync(quick, large.Length);
        }

        Assert.Equal(new FanoutResult(1, 1), result);
        slow.Abort();

        static async Task ReceiveAsync(ClientWebSocket client, int length)
        {
            byte[] buffer = new byte[length];
            while (length > 0)
            {
                length -= (await client.ReceiveAsync(buffer.AsMemory(), TestContext.Current.CancellationToken)).Count;
            }
        }
    }

    [Fact]
    public async Task A_connection_of_the_client_side_has_no_topics()
    {
        await using TestHost host = await StartAsync();
        var client = new WebSocketConnection(new ConnectionSetup { Role = Duologue.Protocol.Role.Client, Options = new ConnectionOptions() });

        Assert.Throws<InvalidOperationException>(() => client.Subscribe("news"));
    }

    private static Task<TestHost> StartAsync() => StartAsync(_ => { });

    // "+topic" subscribes, "-topic" unsubscribes; the answer is the result or the error.
    private static Task<TestHost> StartAsync(Action<DuologueOptions> options) => TestHost.StartAsync(
        app => app.MapDuologue("/", async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync())
            {
                string command = message.Text;
                string answer;
                try
                {
                    answer = (command[0] == '+' ? connection.Subscribe(command[1..]) : connection.Unsubscribe(command[1..])).ToString();
                }
                catch (InvalidOperationException error)
                {
                    answer = error.Message;
                }

                await connection.SendAsync(answer);
            }
        }),
        options);

    private static async Task<string> DoAsync(ClientWebSocket client, string command)
    {
        await client.SendTextAsync(command);
        return await client.ReceiveTextAsync();
    }
}
