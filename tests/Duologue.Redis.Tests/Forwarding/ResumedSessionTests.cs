using System.Globalization;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Redis.Tests;

/// <summary>What docs/sessions.md shows: a client of a session whose node is gone goes on in its topic by another.</summary>
public class ResumedSessionTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whose_node_is_gone_goes_on_in_its_topic_by_another(bool hasWebSocket)
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using var line = new Relay(store.Port);
        await using Node a = await Node.StartAsync(line.Address, options => options.NodeName = "a");
        await using Node b = await Node.StartAsync(store, options => options.NodeName = "b");
        await Eventually.True(() => b.Broker.Nodes.Count == 2);
        await using var balancer = new Relay(a.Port);
        await using var conversations = new DuologueClient(new Uri($"ws://{balancer.Address}/news"), new()
        {
            Connect = new() { Transports = hasWebSocket ? Transports.WebSocket | Transports.LongPolling : Transports.LongPolling, ConnectTimeout = Node.Patience },
            InitialDelay = TimeSpan.FromMilliseconds(10),
        });
        conversations.Start();
        var seen = new SeenNews();
        Task reading = seen.ReadAsync(conversations, Token);
        for (int i = 1; i <= 20; i++)
        {
            await b.Topics.PublishAsync("news", Number(i), Token);
        }

        await Eventually.True(() => seen.Count == 20);
        line.Break();
        await Eventually.True(() => b.Broker.Nodes.Count == 1);
        for (int i = 21; i <= 40; i++)
        {
            await b.Topics.PublishAsync("news", Number(i), Token);
        }

        balancer.LeadTo(b.Port);
        balancer.CutAll();
        await Eventually.True(() => b.Services.GetRequiredService<Connections>().Count == 1);
        for (int i = 41; i <= 60; i++)
        {
            await b.Topics.PublishAsync("news", Number(i), Token);
        }

        await Eventually.True(() => seen.Count >= 60);
        await conversations.CloseAsync();
        await reading;
        Assert.Equal(Enumerable.Range(1, 60).Select(Number), seen.All);
        Assert.Equal(0, seen.Resets);
        await Eventually.True(() => b.Services.GetRequiredService<Connections>().Count == 0);
        Assert.DoesNotContain(b.Logged, record => record.Level >= LogLevel.Error);
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>The client of docs/sessions.md.</summary>
    private sealed class SeenNews
    {
        private readonly Lock _lock = new();
        private readonly List<string> _all = [];

        public int Count => All.Length;

        public int Resets { get; private set; }

        public string[] All
        {
            get
            {
                lock (_lock)
                {
                    return [.. _all];
                }
            }
        }

        public async Task ReadAsync(DuologueClient conversations, CancellationToken cancellationToken)
        {
            string last = "";
            await foreach (Message message in conversations.ReadAllAsync(cancellationToken))
            {
                switch (message.Text.Split(' ', 3))
                {
                    case ["from"]:
                        conversations.Send(last, WhenAway.Drop);
                        break;
                    case ["reset", string next]:
                        last = next;
                        Resets++;
                        break;
                    case ["item", string position, string text]:
                        last = position;
                        lock (_lock)
                        {
                            _all.Add(text);
                        }

                        break;
                }
            }
        }
    }
}
