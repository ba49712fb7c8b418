using System.Collections.Concurrent;
using System.Net;
using System.Net.WebSockets;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.Redis.Tests.Support;

/// <summary>A server process's worth of Duologue, on a real Kestrel, that shares topics by a store.</summary>
internal sealed class Node : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly WebApplication _app;

    private Node(WebApplication app)
    {
        _app = app;
        Url = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
    }

    public string Url { get; }

    public int Port => new Uri(Url).Port;

    /// <summary>The requests that have come, as what is behind the beginning of the pipeline sees them.</summary>
    public required ConcurrentQueue<SeenRequest> Requests { get; init; }

    public Topics Topics => _app.Services.GetRequiredService<Topics>();

    public RedisBroker Broker => _app.Services.GetRequiredService<RedisBroker>();

    public IServiceProvider Services => _app.Services;

    public static Task<Node> StartAsync(StoreServer store, Action<RedisBrokerOptions>? configure = null, Action<DuologueOptions>? duologue = null) => StartAsync(store.PatientAddress, configure, duologue);

    public static async Task<Node> StartAsync(string store, Action<RedisBrokerOptions>? configure = null, Action<DuologueOptions>? duologue = null, Action<HostOptions>? host = null, Action<IServiceCollection>? services = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders().AddFakeLogging();
        builder.Services.Configure(host ?? (_ => { }));
        builder.Services.AddDuologue(duologue ?? (_ => { })).UseRedis(store, options =>
        {
            options.PublishTimeout = TimeSpan.FromMinutes(5);
            options.NodeAddress = new Uri("http://127.0.0.1:0");
            configure?.Invoke(options);
        });
        services?.Invoke(builder.Services);
        WebApplication app = builder.Build();
        app.UseForwardedHeaders();
        var requests = new ConcurrentQueue<SeenRequest>();
        app.Use(next => context =>
        {
            requests.Enqueue(new SeenRequest(context.Request.Method, context.Request.Query["sid"].ToString(), context.Connection.RemoteIpAddress!, context.Request.Scheme, context.Request.Host.Value!));
            return next(context);
        });
        app.MapDuologue("/echo", async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync(CancellationToken.None))
            {
                await connection.SendAsync(message.Text, CancellationToken.None);
            }
        });
        app.MapDuologue("/news", connection => TellNewsAsync(connection, app.Services.GetRequiredService<Topics>()));
        app.MapTopics("/topics/{**name}").WithOptions(options => options.AllowPublishing = true);
        await app.StartAsync(TestContext.Current.CancellationToken);
        var node = new Node(app) { Requests = requests };
        await Eventually.True(() => node.Broker.IsConnected);
        return node;
    }

    // As docs/sessions.md shows it.
    private static async Task TellNewsAsync(Connection connection, Topics topics)
    {
        await connection.SendAsync("from");
        string from = (await connection.ReceiveAsync()).Text;
        TopicStart start = TopicPosition.TryParse(from, out TopicPosition last) ? TopicStart.After(last) : TopicStart.Oldest;
        using TopicSubscription reader = await topics.SubscribeAsync("news", start, connection.Aborted);
        while (true)
        {
            TopicPage page = await reader.ReadAsync(connection.Aborted);
            if (page.IsReset)
            {
                await connection.SendAsync($"reset {page.Next}");
            }

            foreach (TopicMessage message in page.Messages)
            {
                await connection.SendAsync($"item {message.Position} {message.Text}");
            }
        }
    }

    /// <summary>What was logged.</summary>
    public IReadOnlyList<FakeLogRecord> Logged => Services.GetFakeLogCollector().GetSnapshot();

    /// <summary>Whether something was logged.</summary>
    public bool HasLogged(string name) => Logged.Any(record => record.Id.Name == name);

    /// <summary>Connects to the echo, and gives the node's end.</summary>
    public async Task<Connection> ConnectAsync(ClientWebSocket socket)
    {
        Connections connections = Services.GetRequiredService<Connections>();
        string[] before = [.. connections.Select(connection => connection.Id)];
        await socket.ConnectAsync(new Uri($"{Url.Replace("http", "ws", StringComparison.Ordinal)}/echo"), TestContext.Current.CancellationToken);
        await Eventually.True(() => connections.Any(connection => !before.Contains(connection.Id)));
        return connections.Single(connection => !before.Contains(connection.Id));
    }

    /// <summary>Begins the stop, as SIGTERM does.</summary>
    public Task StopAsync() => _app.StopAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }
}

internal sealed record SeenRequest(string Method, string SessionId, IPAddress Address, string Scheme, string Host);

internal static class Eventually
{
    public static async Task True(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(Node.Patience);
        while (!condition())
        {
            Assert.False(patience.IsCancellationRequested, "It did not come to hold in time.");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}
