using System.Diagnostics.Metrics;
using System.Reflection;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Redis.Tests;

/// <summary>docs/redis.md against the code: what the one has, the other has.</summary>
public class RedisBookTests
{
    private static readonly string Book = File.ReadAllText(Repository.PathOf("docs/redis.md"));

    [Fact]
    public void Every_event_stands_in_the_book()
    {
        LoggerMessageAttribute[] events = [.. typeof(Log).GetMethods().Select(method => method.GetCustomAttribute<LoggerMessageAttribute>()).OfType<LoggerMessageAttribute>()];
        Assert.NotEmpty(events);
        Assert.All(events, each => Assert.Contains($"| {each.EventId} | `{each.EventName}` | {each.Level} |", Book, StringComparison.Ordinal));
        Assert.Equal(events.Length, Book.Split('\n').Count(line => line.StartsWith("| 50", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Every_instrument_stands_in_the_book()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using Node node = await Node.StartAsync(store);
        List<string> names = [];
        using var meter = new MeterListener();
        meter.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Name == RedisMetrics.MeterName && instrument.Meter.Scope == node.Services.GetRequiredService<IMeterFactory>())
            {
                names.Add(instrument.Name);
            }
        };
        meter.Start();
        Assert.Contains("duologue.redis.connected", names);
        Assert.All(names, name => Assert.Contains($"| `{name}` |", Book, StringComparison.Ordinal));
        Assert.Equal(names.Count, Book.Split('\n').Count(line => line.StartsWith("| `duologue.redis.", StringComparison.Ordinal)));
    }
}
