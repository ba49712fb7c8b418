using System.Diagnostics.Metrics;

namespace Duologue.Tests.Diagnostics;

public class SteadyInstrumentsTests
{
    private static readonly KeyValuePair<string, object?> Tag = new("key", "value");

    [Fact]
    public void A_listener_that_throws_does_not_reach_those_who_are_counted()
    {
        using var meter = new Meter("Steady");
        Counter<long> counter = meter.CreateCounter<long>("counter");
        UpDownCounter<long> upDown = meter.CreateUpDownCounter<long>("up_down");
        Histogram<double> histogram = meter.CreateHistogram<double>("histogram");
        List<string> measured = [];
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, me) =>
            {
                if (instrument.Meter == meter)
                {
                    me.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Fail(instrument, value, tags.Length));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Fail(instrument, value, tags.Length));
        listener.Start();

        counter.AddSteadily(2, Tag);
        upDown.AddSteadily(-1);
        histogram.RecordSteadily(0.5, Tag, Tag);

        Assert.Equal(["counter 2 1", "up_down -1 0", "histogram 0.5 2"], measured);

        void Fail(Instrument instrument, double value, int tags)
        {
            measured.Add(FormattableString.Invariant($"{instrument.Name} {value} {tags}"));
            throw new InvalidOperationException("The listener's fault.");
        }
    }
}
