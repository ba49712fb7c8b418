using BenchmarkDotNet.Attributes;
using Duologue.AspNetCore;
using Duologue.Protocol;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.Benchmarks;

/// <summary>A publish to a topic that nobody subscribes to by name, while others subscribe by patterns none of which stands for it; beside a comparison with each pattern.</summary>
public class WildcardBenchmarks
{
    // A name has at most 256 characters, so that a pattern has at most 128 segments.
    private const int Segments = 120;

    private readonly HashSet<string> _patterns = [];
    private ServiceProvider _services = null!;
    private Topics _topics = null!;
    private WebSocketConnection _connection = null!;
    private string _topic = "";

    [Params(10, 10_000)]
    public int Patterns { get; set; }

    /// <summary>Of rooms, as applications have them; of many wildcards that end unlike; the worst that strangers can do: each has a shape of its own, and agrees with the topic, by name or by wildcard, in all segments but the last.</summary>
    [Params("rooms", "wildcards", "worst")]
    public string Shape { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        ServiceCollection services = new();
        services.AddLogging();
        services.AddDuologue(options => options.MaxTopicsPerConnection = 0);
        _services = services.BuildServiceProvider();
        _topics = _services.GetRequiredService<Topics>();
        _connection = new(new ConnectionSetup
        {
            Role = Role.Server,
            Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan },
        });
        _connection.Start(new NullCarrier(4 * 1024));
        ConnectionState state = new(null, 0);
        var random = new Random(1);
        while (_patterns.Count < Patterns)
        {
            _patterns.Add(Shape switch
            {
                "rooms" => $"rooms/{_patterns.Count}/*",
                "wildcards" => string.Concat(Enumerable.Repeat("*/", Segments)) + _patterns.Count,
                _ => string.Concat(Enumerable.Range(0, Segments).Select(_ => random.Next(2) == 0 ? "*/" : "a/")) + "b",
            });
        }

        foreach (string pattern in _patterns)
        {
            _topics.Subscribe(_connection, state, pattern);
        }

        _topic = Shape == "rooms" ? "rooms/none/said" : string.Concat(Enumerable.Repeat("a/", Segments)) + "x";
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _connection.Abort();
        _services.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    [Benchmark]
    public FanoutResult Publish() => _topics.Publish(_topic, "m"u8, MessageType.Text);

    [Benchmark]
    public int CompareWithEach() => _patterns.Count(pattern => TopicName.Matches(pattern, _topic));
}
