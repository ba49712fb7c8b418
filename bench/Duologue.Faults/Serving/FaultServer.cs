using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Duologue.Faults;

/// <summary>The server under attack: stock Kestrel, and endpoints that differ in their limits.</summary>
internal sealed class FaultServer : IAsyncDisposable
{
    /// <summary>Where the crowd talks, with the defaults.</summary>
    public const string Crowd = "/crowd";

    /// <summary>Where most attacks go: the same handler, with the plan's timeouts.</summary>
    public const string Victim = "/victim";

    /// <summary>Tells those who open it more than they can read, at once.</summary>
    public const string Hose = "/hose";

    /// <summary>Tells those who open it more than the kernel holds, piece by piece.</summary>
    public const string Story = "/story";

    /// <summary>Hears everything, in any number, and says nothing.</summary>
    public const string Sink = "/sink";

    /// <summary>Agrees to compression.</summary>
    public const string Compressed = "/compressed";

    /// <summary>What all connections but those of the hose, the story and the sink subscribe to.</summary>
    public const string News = "news";

    // So that a peer that reads nothing is felt before megabytes lie in the kernel.
    private const int KernelBuffer = 64 * 1024;

    private static readonly TimeSpan NewsInterval = TimeSpan.FromMilliseconds(500);

    private readonly WebApplication _application;
    private readonly Counts _counts;

    private FaultServer(WebApplication application, Counts counts)
    {
        _application = application;
        _counts = counts;
        Url = new Uri(application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    public Uri Url { get; }

    public static async Task<FaultServer> StartAsync(Plan plan)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.KeepAliveTimeout = plan.Silence;
            kestrel.Limits.RequestHeadersTimeout = plan.Silence;
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        builder.WebHost.UseSockets(sockets =>
        {
            sockets.Backlog = 4096;
            sockets.CreateBoundListenSocket = Bind;
        });
        builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.TypeInfoResolverChain.Insert(0, FaultsJson.Default));
        builder.Services.AddDuologue(options =>
        {
            options.MaxConnectionsPerAddress = plan.ConnectionsPerAddress;
            options.MaxHandshakesPerSecondPerAddress = plan.HandshakesPerSecondPerAddress;
            options.RetryAfter = TimeSpan.FromSeconds(1);
            options.DrainWindow = TimeSpan.Zero;
        });
        builder.Services.AddHostedService<NewsService>();
        WebApplication application = builder.Build();
        var counts = new Counts(application.Services.GetRequiredService<IMeterFactory>());
        application.MapGet("/counts", counts.Snapshot);
        application.MapGet("/memory", Measure);
        application.MapDuologue<EchoHandler>(Crowd);
        application.MapDuologue<EchoHandler>(Victim).WithOptions(options =>
        {
            options.KeepAliveInterval = plan.Silence;
            options.KeepAliveTimeout = plan.Silence;
            options.MessageTimeout = plan.Stall;
            options.MaxMessagesPerSecond = plan.MessagesPerSecond;
        });
        application.MapDuologue<HoseHandler>(Hose).WithOptions(options => options.CloseTimeout = plan.Stall);
        application.MapDuologue<EchoHandler>(Compressed).WithOptions(options => options.Compression = Compression.Shared);
        application.MapDuologue<SinkHandler>(Sink);
        application.MapDuologue<StoryHandler>(Story).WithOptions(options =>
        {
            // Its keep-alive would end a peer that says nothing before the send timeout does; one that goes on talking it does not.
            options.KeepAliveInterval = plan.Silence;
            options.KeepAliveTimeout = plan.Silence;
            options.SendTimeout = plan.Stall;
        });
        await application.StartAsync();
        return new FaultServer(application, counts);
    }

    /// <summary>The server in a process of its own: says where it listens, and runs until it is told to end by the end of its input.</summary>
    public static async Task ServeAsync(Plan plan)
    {
        await using FaultServer server = await StartAsync(plan);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"listening {server.Url} {Environment.ProcessId}"));
        while (await Console.In.ReadLineAsync() is not null)
        {
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync();
        await _application.DisposeAsync();
        _counts.Dispose();
    }

    // What is accepted inherits the buffer of what listens.
    private static Socket Bind(EndPoint endPoint)
    {
        Socket socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
        socket.SendBufferSize = KernelBuffer;
        return socket;
    }

    // Twice, and compacting: what a first collection finalizes, the second one frees.
    private static Memory Measure()
    {
        for (int i = 0; i < 2; i++)
        {
            GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        using Process process = Process.GetCurrentProcess();
        return new Memory(GC.GetTotalMemory(forceFullCollection: true), GC.GetGCMemoryInfo().TotalCommittedBytes, process.WorkingSet64);
    }

    /// <summary>Echoes, and hears the news.</summary>
    private sealed class EchoHandler : MessageHandler
    {
        public override ValueTask OnOpenAsync(Connection connection)
        {
            connection.Subscribe(News);
            return default;
        }

        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            connection.Send(message.Data.Span, message.Type);
            return default;
        }
    }

    private sealed class HoseHandler : MessageHandler
    {
        private static readonly byte[] Water = new byte[32 * 1024];

        public override ValueTask OnOpenAsync(Connection connection)
        {
            while (connection.Send(Water, MessageType.Binary) != SendResult.Dropped)
            {
            }

            return default;
        }

        public override ValueTask OnMessageAsync(Connection connection, Message message) => default;
    }

    private sealed class StoryHandler : MessageHandler
    {
        private static readonly byte[] Story = new byte[8 * 1024 * 1024];

        public override async ValueTask OnOpenAsync(Connection connection) => await connection.SendAsync(Story, MessageType.Binary);

        public override ValueTask OnMessageAsync(Connection connection, Message message) => default;
    }

    private sealed class SinkHandler : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message) => default;
    }

    /// <summary>Numbers, in order, to all who hear the news.</summary>
    private sealed class NewsService(Topics topics) : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            using var timer = new PeriodicTimer(NewsInterval);
            try
            {
                for (long number = 0; await timer.WaitForNextTickAsync(stoppingToken); number++)
                {
                    topics.Publish(News, number.ToString(CultureInfo.InvariantCulture));
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                // The end of the news.
            }
        }
    }
}
