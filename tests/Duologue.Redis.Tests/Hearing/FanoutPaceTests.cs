using Duologue.AspNetCore;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Redis.Tests;

/// <summary>How long the next hand-out waits.</summary>
public class FanoutPaceTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(10);

    // So many that the next waits for half of the limit.
    private static readonly int Half = (int)(Limit / 2 / FanoutPace.PerDelivery);

    private readonly FakeTimeProvider _time = new();
    private readonly FanoutPace _pace;

    public FanoutPaceTests() => _pace = new FanoutPace(_time, Limit);

    [Fact]
    public void The_first_waits_for_nothing() => Assert.Equal(TimeSpan.Zero, _pace.Begin());

    [Fact]
    public void The_wait_grows_with_the_deliveries_up_to_the_limit()
    {
        HandOut(Half);
        Assert.InRange(_pace.Begin(), (Limit / 2) - FanoutPace.PerDelivery, Limit / 2);
        HandOut(Half * 10);
        Assert.Equal(Limit, _pace.Begin());
    }

    [Fact]
    public void After_few_deliveries_there_is_none()
    {
        HandOut((int)(FanoutPace.Least / FanoutPace.PerDelivery) - 1);
        Assert.Equal(TimeSpan.Zero, _pace.Begin());
    }

    [Fact]
    public void It_counts_from_when_the_last_hand_out_began()
    {
        HandOut(Half * 10);
        _time.Advance(Limit / 2);
        Assert.Equal(Limit / 2, _pace.Begin());
        _time.Advance(Limit / 2);
        Assert.Equal(TimeSpan.Zero, _pace.Begin());
    }

    [Fact]
    public void Hand_outs_right_behind_each_other_count_as_one()
    {
        for (int i = 0; i < 5; i++)
        {
            HandOut(Half / 5);
        }

        Assert.InRange(_pace.Begin(), (Limit / 2) - (6 * FanoutPace.PerDelivery), Limit / 2);
    }

    [Fact]
    public void It_knows_whether_the_last_hand_out_was_quick()
    {
        Assert.True(_pace.IsQuick);
        HandOutFor(FanoutPace.Quick + TimeSpan.FromMicroseconds(1));
        Assert.False(_pace.IsQuick);
        HandOutFor(FanoutPace.Quick);
        Assert.True(_pace.IsQuick);
    }

    [Fact]
    public void Without_a_limit_nothing_waits()
    {
        var pace = new FanoutPace(_time, TimeSpan.Zero);
        pace.End(_time.GetTimestamp(), new FanoutReach(int.MaxValue, 0));
        Assert.Equal(TimeSpan.Zero, pace.Begin());
    }

    [Fact]
    public void After_some_waits_that_brought_nothing_together_nothing_waits_for_a_while()
    {
        HandOut(Half * 10);
        for (int i = 0; i < FanoutPace.Patience; i++)
        {
            Assert.Equal(Limit, Wait());
            HandOut(Half * 10, together: Half);
        }

        Assert.Equal(TimeSpan.Zero, _pace.Begin());
        _time.Advance(FanoutPace.Rest);
        HandOut(Half * 10);
        Assert.Equal(Limit, _pace.Begin());
    }

    [Fact]
    public void A_wait_that_brought_messages_together_is_followed_by_others()
    {
        HandOut(Half * 10);
        for (int i = 0; i < FanoutPace.Patience * 3; i++)
        {
            // Two of three are for nothing.
            Assert.Equal(Limit, Wait());
            HandOut(Half * 10, together: i % 3 == 0 ? Half * 5 : 0);
        }

        Assert.Equal(Limit, _pace.Begin());
    }

    [Fact]
    public void A_short_wait_is_not_judged_by_what_it_brought()
    {
        for (int i = 0; i < FanoutPace.Patience * 2; i++)
        {
            HandOut(Half / 2);
            Assert.InRange(Wait(), FanoutPace.Least, Limit / 2);
        }
    }

    private TimeSpan Wait()
    {
        TimeSpan wait = _pace.Begin();
        _time.Advance(wait);
        return wait;
    }

    private void HandOutFor(TimeSpan takes)
    {
        long began = _time.GetTimestamp();
        _time.Advance(takes);
        _pace.End(began, new FanoutReach(1, 0));
    }

    private void HandOut(int deliveries, int together = 0) => _pace.End(_time.GetTimestamp(), new FanoutReach(deliveries, together));
}
