using BenchmarkDotNet.Attributes;
using Duologue.AspNetCore;
using Duologue.Protocol;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.Benchmarks;

/// <summary>A publish to a topic's subscribers, without sockets: encoded once, taken by every connection, flushed.</summary>
[MemoryDiagnoser]
public class PublishBenchmarks
{
    private readonly List<WebSocketConnection> _connections = [];
    private ServiceProvider _services = null!;
    private Topics _topics = null!;
    private byte[] _message = [];

    [Params(1, 100, 1000)]
    public int Subscribers { get; set; }

    [Params(128)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        ServiceCollection services = new();
        services.AddLogging();
        services.AddDuologue();
        _services = services.BuildServiceProvider();
        _topics = _services.GetRequiredService<Topics>();
        _message = new byte[Size];
        for (int i = 0; i < Subscribers; i++)
        {
            WebSocketConnection connection = new(new ConnectionSetup
            {
                Role = Role.Server,
                Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan },
            });
            connection.Start(new NullCarrier(4 * 1024));
            ConnectionState state = new(null, 0);
            _topics.Subscribe(connection, state, "fanout");
            _connections.Add(connection);
        }
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _connections.ForEach(connection => connection.Abort());
        _services.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    [Benchmark]
    public FanoutResult Publish() => _topics.Publish("fanout", _message, MessageType.Binary);
}
