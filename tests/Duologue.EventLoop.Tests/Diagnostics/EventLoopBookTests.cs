using System.Diagnostics.Metrics;
using System.Reflection;
using Duologue.EventLoop.Diagnostics;
using Duologue.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.EventLoop.Tests.Diagnostics;

/// <summary>docs/event-loop.md against the code: what the one logs and counts, the other has.</summary>
public class EventLoopBookTests
{
    private static readonly string[] Rows = [.. File.ReadAllLines(Repository.PathOf("docs/event-loop.md")).Where(line => line.StartsWith("| ", StringComparison.Ordinal))];

    [Fact]
    public void Every_log_event_stands_in_the_book_with_its_name_and_level()
    {
        string[] expected =
        [
            .. typeof(LoopLog).GetMethods(BindingFlags.Static | BindingFlags.Public)
                .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>())
                .OfType<LoggerMessageAttribute>()
                .Select(each => $"{each.EventId} `{each.EventName}` {each.Level}")
                .Order(StringComparer.Ordinal),
        ];
        Assert.Equal(expected, Rows.Select(Cells).Where(cells => int.TryParse(cells[0], out int id) && id >= 6000 && cells.Length > 3).Select(cells => string.Join(' ', cells[..3])).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_instrument_stands_in_the_book_with_its_type_and_unit()
    {
        using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var meters = services.GetRequiredService<IMeterFactory>();
        var found = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (ReferenceEquals(instrument.Meter.Scope, meters))
                {
                    found.Add($"`{instrument.Name}` {(instrument.IsObservable ? "observable counter" : "counter")} `{instrument.Unit}`");
                }
            },
        };
        using var watchdog = new LoopWatchdog([], collects: false, NullLogger.Instance, meters);
        listener.Start();

        Assert.Equal(found.Order(StringComparer.Ordinal), Rows.Select(Cells).Where(cells => cells[0].StartsWith("`duologue.", StringComparison.Ordinal)).Select(cells => string.Join(' ', cells[..3])).Order(StringComparer.Ordinal));
    }

    private static string[] Cells(string row) => [.. row.Trim('|', ' ').Split(" | ").Select(cell => cell.Trim())];
}
