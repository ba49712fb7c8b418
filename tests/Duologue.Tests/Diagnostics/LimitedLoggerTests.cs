using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Diagnostics;

public class LimitedLoggerTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly FakeLogger _inner = new();
    private readonly List<string?> _suppressed = [];

    [Fact]
    public void Of_each_event_so_many_come_through_and_then_their_number()
    {
        LimitedLogger logger = Create(debug: false);
        for (int i = 0; i < 100; i++)
        {
            logger.KeepAliveTimedOut("1", TimeSpan.FromSeconds(1));
        }

        // Another event has a share of its own.
        logger.CloseTimedOut("1", TimeSpan.FromSeconds(1));
        Assert.Equal(LimitedLogger.Burst, Count("KeepAliveTimedOut"));
        Assert.Equal(1, Count("CloseTimedOut"));
        Assert.Equal(0, Count("EventsSuppressed"));
        Assert.Equal(90, _suppressed.Count(name => name == "KeepAliveTimedOut"));

        _time.Advance(LimitedLogger.Window);
        logger.KeepAliveTimedOut("1", TimeSpan.FromSeconds(1));

        Assert.Equal(LimitedLogger.Burst + 1, Count("KeepAliveTimedOut"));
        FakeLogRecord told = _inner.Collector.GetSnapshot().Single(record => record.Id.Name == "EventsSuppressed");
        Assert.Equal(LogLevel.Information, told.Level);
        Assert.Equal("90", told.GetStructuredStateValue("Count"));
        Assert.Equal("KeepAliveTimedOut", told.GetStructuredStateValue("SuppressedEvent"));
    }

    [Fact]
    public void Where_debug_is_enabled_all_come_through()
    {
        LimitedLogger logger = Create(debug: true);
        for (int i = 0; i < 100; i++)
        {
            logger.KeepAliveTimedOut("1", TimeSpan.FromSeconds(1));
            logger.ConnectionOpened("1");
        }

        Assert.Equal(100, Count("KeepAliveTimedOut"));
        Assert.Equal(100, Count("ConnectionOpened"));
        Assert.Empty(_suppressed);
    }

    [Fact]
    public void Errors_are_limited_too_since_peers_can_make_handlers_throw()
    {
        LimitedLogger logger = Create(debug: false);
        for (int i = 0; i < 100; i++)
        {
            logger.HandlerFailed("1", new InvalidTimeZoneException());
        }

        Assert.Equal(LimitedLogger.Burst, Count("HandlerFailed"));
    }

    private LimitedLogger Create(bool debug)
    {
        _inner.ControlLevel(LogLevel.Debug, debug);
        return new(_inner, _time, eventId => _suppressed.Add(eventId.Name));
    }

    private int Count(string name) => _inner.Collector.GetSnapshot().Count(record => record.Id.Name == name);
}
