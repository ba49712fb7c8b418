using System.Diagnostics.Metrics;
using Duologue.Cli.Talk;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Cli.Tests.Talk;

public sealed class TalkWatchTests
{
    [Fact]
    public void A_listener_or_a_sink_that_threw_failed_the_handler_of_who_was_refused()
    {
        using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        IMeterFactory meters = services.GetRequiredService<IMeterFactory>();
        int measured = 0;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, me) =>
            {
                if (instrument.Meter.Scope == meters)
                {
                    me.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) =>
        {
            measured += (int)value;
            throw new InvalidOperationException("The listener's fault.");
        });
        listener.Start();
        var sink = new FailingSink();
        using ILoggerFactory loggers = LoggerFactory.Create(logging => logging.AddProvider(sink));
        var watch = new TalkWatch(meters, loggers, TimeProvider.System);

        watch.Refused("1", TalkRefusal.Empty);
        watch.Refused("1", TalkRefusal.TooFast);

        Assert.Equal((2, 2), (measured, sink.Logged));
    }
}
