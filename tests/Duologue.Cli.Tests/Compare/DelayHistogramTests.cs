using Duologue.Cli.Compare;

namespace Duologue.Cli.Tests.Compare;

public sealed class DelayHistogramTests
{
    [Fact]
    public void Percentiles_are_right_to_two_percent_and_the_longest_is_exact()
    {
        var delays = new DelayHistogram();
        for (int i = 1; i <= 1000; i++)
        {
            delays.Record(TimeSpan.FromMilliseconds(i));
        }

        Assert.Equal(1000, delays.Count);
        Assert.InRange(delays.Percentile(0.5), 500, 510);
        Assert.InRange(delays.Percentile(0.99), 990, 1000);
        Assert.Equal(1000, delays.Percentile(1));
        Assert.Equal(1000, delays.MaxMilliseconds);
    }

    [Fact]
    public void It_takes_what_is_out_of_its_range()
    {
        var delays = new DelayHistogram();
        Assert.Equal(0, delays.Percentile(0.5));
        delays.Record(TimeSpan.Zero);
        delays.Record(TimeSpan.FromTicks(-5));
        delays.Record(TimeSpan.FromDays(3));
        Assert.Equal(3, delays.Count);
        Assert.True(delays.Percentile(0.5) <= 0.011);
        Assert.Equal(TimeSpan.FromDays(3).TotalMilliseconds, delays.MaxMilliseconds);
    }
}
