using Duologue.Carriers;

namespace Duologue.Tests.Carriers;

public sealed class HeldWakesTests
{
    [Fact]
    public void Without_a_hold_a_wake_is_not_taken() => Assert.False(HeldWakes.TryTake(new Sleeper()));

    [Fact]
    public void What_is_owed_is_paid_at_the_end_of_the_hold_also_if_it_throws()
    {
        var sleeper = new Sleeper();
        Assert.Throws<InvalidOperationException>(() => Fail(sleeper));
        Assert.Equal(1, sleeper.Woken);
        Assert.False(HeldWakes.TryTake(sleeper));
    }

    [Fact]
    public void What_is_paid_within_a_hold_is_not_paid_again()
    {
        var sleeper = new Sleeper();
        using (HeldWakes.Begin())
        {
            Assert.True(HeldWakes.TryTake(sleeper));
            HeldWakes.Pay();
            Assert.Equal(1, sleeper.Woken);
            Assert.True(HeldWakes.TryTake(sleeper));
        }

        Assert.Equal(2, sleeper.Woken);
    }

    [Fact]
    public void A_hold_within_another_leaves_it_holding()
    {
        var sleeper = new Sleeper();
        using (HeldWakes.Begin())
        {
            using (HeldWakes.Begin())
            {
                Assert.True(HeldWakes.TryTake(sleeper));
            }

            Assert.Equal(1, sleeper.Woken);
            Assert.True(HeldWakes.TryTake(sleeper));
            Assert.Equal(1, sleeper.Woken);
        }

        Assert.Equal(2, sleeper.Woken);
    }

    [Fact]
    public async Task Another_thread_holds_nothing_back()
    {
        Task<bool> elsewhere;
        using (HeldWakes.Begin())
        {
            elsewhere = Task.Factory.StartNew(() => HeldWakes.TryTake(new Sleeper()), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        Assert.False(await elsewhere);
    }

    [Fact]
    public void More_than_there_is_room_for_are_woken_at_once()
    {
        var sleeper = new Sleeper();
        int taken = 0;
        using (HeldWakes.Begin())
        {
            while (taken < 1_000 && HeldWakes.TryTake(sleeper))
            {
                taken++;
            }

            Assert.InRange(taken, 1, 999);
            HeldWakes.Pay();
            Assert.True(HeldWakes.TryTake(sleeper));
        }

        Assert.Equal(taken + 1, sleeper.Woken);
    }

    private static void Fail(Sleeper sleeper)
    {
        using HeldWakes.Hold hold = HeldWakes.Begin();
        Assert.True(HeldWakes.TryTake(sleeper));
        Assert.Equal(0, sleeper.Woken);
        throw new InvalidOperationException("by the test");
    }

    private sealed class Sleeper : ISleeper
    {
        public int Woken { get; private set; }

        public void Wake() => Woken++;
    }
}
