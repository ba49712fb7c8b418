using System.Net;
using Duologue.EventLoop;
using Duologue.EventLoop.Loops;
using Duologue.Protocol;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Seam;

public enum SeamCarrier
{
    Memory,
    KestrelPipe,
    SocketLoop,
    Epoll,
    IoUring,
}

/// <summary>A server with one endpoint and its clients, over one of the carriers, all on virtual time.</summary>
internal sealed class SeamHarness : IAsyncDisposable
{
    private readonly SeamCarrier _carrier;
    private readonly ConnectionOptions _options;
    private readonly MessageHandler? _handler;
    private readonly Func<Connection, Task>? _delegate;
    private readonly List<MemoryPair> _pairs = [];
    private SocketLoop? _loop;
    private WebApplication? _app;

    private SeamHarness(SeamCarrier carrier, ConnectionOptions options, MessageHandler? handler, Func<Connection, Task>? conversation)
    {
        _carrier = carrier;
        _options = options with { TimeProvider = Time };
        _handler = handler;
        _delegate = conversation;
    }

    /// <summary>Those that run on this machine: event loops need Linux, and io_uring a kernel and a sandbox that let it.</summary>
    public static SeamCarrier[] Carriers { get; } = [.. Enum.GetValues<SeamCarrier>().Where(carrier => carrier switch
    {
        SeamCarrier.Epoll => Runs(EventLoopBackend.Epoll),
        SeamCarrier.IoUring => Runs(EventLoopBackend.IoUring),
        _ => true,
    })];

    public FakeTimeProvider Time { get; } = new();

    /// <summary>The container that the handler's scopes come from.</summary>
    public IServiceProvider Services { get; private set; } = null!;

    public static Task<SeamHarness> StartAsync(SeamCarrier carrier, ConnectionOptions options, MessageHandler handler) =>
        StartAsync(new SeamHarness(carrier, options, handler, null));

    public static Task<SeamHarness> StartAsync(SeamCarrier carrier, ConnectionOptions options, Func<Connection, Task> conversation) =>
        StartAsync(new SeamHarness(carrier, options, null, conversation));

    public async Task<Connection> ConnectAsync()
    {
        if (_app is null)
        {
            MemoryPair pair = MemoryPair.Create(
                new ConnectionSetup { Role = Role.Server, Options = _options, Handler = _handler },
                new ConnectionSetup { Role = Role.Client, Options = _options });
            _pairs.Add(pair);
            if (_delegate is not null)
            {
                _ = DelegateConversation.RunAsync(pair.Server, _delegate, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
            }

            return pair.Client;
        }

        string address = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        var uri = new Uri(address.Replace("http:", "ws:", StringComparison.Ordinal) + "/talk");
        var options = new ConnectOptions
        {
            TimeProvider = Time,
            KeepAliveInterval = Timeout.InfiniteTimeSpan,
            MaxMessageSize = _options.MaxMessageSize,
            SendQueueLimit = _options.SendQueueLimit,
        };
        return await Connection.ConnectAsync(uri, options, TestContext.Current.CancellationToken);
    }

    /// <summary>The server goes: as the host does it, or in memory what the host's drain does to each connection.</summary>
    public async Task DrainAsync()
    {
        _pairs.ForEach(pair => pair.Server.BeginClose(1001, "The server is shutting down.", CloseCause.ServerDraining));
        if (_app is not null)
        {
            await AdvanceUntilAsync(_app.StopAsync());
        }
    }

    /// <summary>Lets virtual time pass in small steps until a task has completed.</summary>
    public async Task AdvanceUntilAsync(Task task)
    {
        while (!task.IsCompleted)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            Time.Advance(TimeSpan.FromMilliseconds(50));
            await Task.WhenAny(task, Task.Delay(1));
        }

        await task;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (MemoryPair pair in _pairs)
        {
            await pair.DisposeAsync();
        }

        if (_app is not null)
        {
            await AdvanceUntilAsync(_app.StopAsync());
            await _app.DisposeAsync();
        }
        else
        {
            await ((ServiceProvider)Services).DisposeAsync();
        }

        _loop?.Dispose();
    }

    private static bool Runs(EventLoopBackend backend) => BackendChoice.For(backend).Backend == backend;

    private static async Task<SeamHarness> StartAsync(SeamHarness harness)
    {
        if (harness._carrier == SeamCarrier.Memory)
        {
            harness.Services = new ServiceCollection().AddScoped<ScopedThing>().BuildServiceProvider();
            return harness;
        }

        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        if (harness._carrier == SeamCarrier.SocketLoop)
        {
            harness._loop = new SocketLoop();
            builder.Services.AddSingleton<IConnectionListenerFactory>(new DetachableTransport(harness._loop));
        }

        if (harness._carrier is SeamCarrier.Epoll or SeamCarrier.IoUring)
        {
            EventLoopBackend backend = harness._carrier == SeamCarrier.Epoll ? EventLoopBackend.Epoll : EventLoopBackend.IoUring;
            builder.WebHost.UseEventLoop(loop => (loop.Backend, loop.Loops) = (backend, 2));
        }

        builder.Services.AddScoped<ScopedThing>();
        builder.Services.AddSingleton<TimeProvider>(harness.Time);
        builder.Services.AddDuologue(options =>
        {
            options.MaxMessageSize = harness._options.MaxMessageSize;
            options.SendQueueLimit = harness._options.SendQueueLimit;
            options.SendQueuePolicy = harness._options.SendQueuePolicy;
            options.KeepAliveInterval = harness._options.KeepAliveInterval;
            options.KeepAliveTimeout = harness._options.KeepAliveTimeout;
            options.CloseTimeout = harness._options.CloseTimeout;
        });
        if (harness._handler is not null)
        {
            builder.Services.AddSingleton(harness._handler);
        }

        WebApplication app = builder.Build();
        if (harness._delegate is not null)
        {
            app.MapDuologue("/talk", harness._delegate);
        }
        else
        {
            app.MapDuologue<Forwarding>("/talk");
        }

        await app.StartAsync();
        harness._app = app;
        harness.Services = app.Services;
        return harness;
    }

    /// <summary>A service with a life of its own, to be used after the request has ended.</summary>
    public sealed class ScopedThing : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public string Greet(string name)
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            return $"Hello, {name}";
        }

        public void Dispose() => IsDisposed = true;
    }

    /// <summary>The handler as the container makes it: one per endpoint, with constructor injection.</summary>
    private sealed class Forwarding(MessageHandler inner) : MessageHandler
    {
        public override ValueTask OnOpenAsync(Connection connection) => inner.OnOpenAsync(connection);

        public override ValueTask OnMessageAsync(Connection connection, Message message) => inner.OnMessageAsync(connection, message);

        public override ValueTask OnCloseAsync(Connection connection, CloseInfo info) => inner.OnCloseAsync(connection, info);
    }
}
