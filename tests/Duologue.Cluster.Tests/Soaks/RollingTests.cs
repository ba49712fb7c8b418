using Duologue.Soak;

namespace Duologue.Cluster.Tests.Soaks;

/// <summary>Issue 6, §3: a rolling restart of every node under load loses no message and causes no storm of reconnects.</summary>
[Collection(nameof(OneAtATime))]
public sealed class RollingTests
{
    [Fact]
    public async Task A_rolling_restart_loses_nothing_and_brings_no_storm()
    {
        Needs.Redis();
        var plan = new SoakPlan { Clients = 60, Topics = 20, Calm = TimeSpan.FromSeconds(4), Balancer = Needs.AnyBalancer() };
        RollResult result = await new Rolling(plan, TextWriter.Null).RunAsync(TestContext.Current.CancellationToken);
        TestContext.Current.TestOutputHelper!.WriteLine(result.ToString());
        Assert.True(result.IsGood, result.ToString());

        // Within the limit of `duologue serve`, by which it would have been cut.
        Assert.All(result.Stops, stop => Assert.InRange(stop, TimeSpan.Zero, TimeSpan.FromSeconds(30)));

        // Each node is restarted, so most come back, and none over and over; and they do not come all at once.
        Assert.InRange(result.PerSecond.Sum(), plan.Clients / 3, plan.Clients * 4);
        Assert.True(result.MeantPeak <= plan.Clients / 2, result.ToString());
    }
}
