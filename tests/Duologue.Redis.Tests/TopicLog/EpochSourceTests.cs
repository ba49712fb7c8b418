namespace Duologue.Redis.Tests;

public class EpochSourceTests
{
    // It waited, busily, for the next millisecond, on the way of every publish: on a clock that stands still, for ever.
    [Fact]
    public void A_publish_waited_for_the_clock_where_a_millisecond_had_many()
    {
        EpochSource source = new(new StandingClock());
        long[] epochs = [.. Enumerable.Range(0, 10_000).Select(_ => source.Next())];
        Assert.Equal(epochs.Order(), epochs);
        Assert.Equal(epochs.Length, epochs.Distinct().Count());
    }

    [Fact]
    public void Two_lives_at_the_same_time_have_epochs_of_their_own()
    {
        long[] epochs = [.. Enumerable.Range(0, 10).Select(_ => new EpochSource(new StandingClock()).Next())];
        Assert.True(epochs.Distinct().Count() > 1);
        Assert.All(epochs, epoch => Assert.Equal(StandingClock.Now.ToUnixTimeMilliseconds(), epoch >> 20));
    }

    private sealed class StandingClock : TimeProvider
    {
        public static readonly DateTimeOffset Now = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
