namespace Duologue.AspNetCore.Tests.Drain;

public class DrainPlanTests
{
    private static readonly TimeSpan Shutdown = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Close = TimeSpan.FromSeconds(5);

    [Theory]
    // count, window, expected window, expected deadline; seconds
    [InlineData(100_000, 10, 10, 15)]
    [InlineData(500, 10, 5, 10)]
    [InlineData(1, 10, 0.01, 5.01)]
    [InlineData(100_000, 0, 0, 5)]
    public void The_window_is_the_option_or_less_for_few(int count, double window, double expectedWindow, double expectedDeadline)
    {
        DrainPlan plan = DrainPlan.For(count, TimeSpan.FromSeconds(window), Close, Shutdown);

        Assert.Equal(new DrainPlan(TimeSpan.FromSeconds(expectedWindow), TimeSpan.FromSeconds(expectedDeadline), false), plan);
    }

    [Fact]
    public void The_window_is_cut_to_leave_time_for_the_answers_and_the_rest_of_the_application()
    {
        DrainPlan plan = DrainPlan.For(100_000, TimeSpan.FromSeconds(60), Close, Shutdown);

        Assert.Equal(new DrainPlan(TimeSpan.FromSeconds(22), TimeSpan.FromSeconds(27), true), plan);
    }

    [Fact]
    public void A_close_timeout_longer_than_the_hosts_patience_takes_half_of_it()
    {
        DrainPlan plan = DrainPlan.For(100_000, TimeSpan.FromSeconds(60), Timeout.InfiniteTimeSpan, TimeSpan.FromSeconds(10));

        Assert.Equal(new DrainPlan(TimeSpan.FromSeconds(4.5), TimeSpan.FromSeconds(9), true), plan);
    }
}
