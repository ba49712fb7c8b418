using Duologue.Soak;

namespace Duologue.Cluster.Tests.Soaks;

/// <summary>Issue 6, §4, in its short form: whatever fails, each client has each number of its topics once and in order. The long one is a command, in docs/scale-out.md.</summary>
[Collection(nameof(OneAtATime))]
public sealed class SoakTests
{
    [Fact]
    public async Task Each_client_has_each_number_once_whatever_is_killed_stopped_or_cut()
    {
        Needs.Redis();
        SoakResult result = await RunAsync(new SoakPlan { Duration = TimeSpan.FromSeconds(20), Clients = 60, Topics = 20, Pause = TimeSpan.FromSeconds(2), Balancer = Needs.AnyBalancer() });
        Assert.Equal((0, 0, 0), (result.Missed, result.Doubled, result.Resets));
        Assert.True(result.Delivered > result.Plan.Clients * 4, $"Only {result.Delivered} were delivered.");

        // A third of the clients have sessions, and a balancer that knows nothing of them gives most of their requests to another node than theirs.
        Assert.True(result.Sessions >= result.Plan.Clients / 3, $"Only {result.Sessions} sessions were opened.");
        Assert.True(result.Forwards > 0, "No node has forwarded anything.");
    }

    [Fact]
    public async Task Where_Redis_forgets_each_gap_is_told_by_a_reset()
    {
        Needs.Redis();
        SoakResult result = await RunAsync(new SoakPlan { Duration = TimeSpan.FromSeconds(8), Clients = 24, Topics = 8, Pause = TimeSpan.FromSeconds(2), Faults = FaultKinds.KillRedis, IsPersistent = false, Balancer = Needs.AnyBalancer() });
        Assert.True(result.Resets > 0, "Nobody was told of a reset, and Redis has forgotten all.");
    }

    private static async Task<SoakResult> RunAsync(SoakPlan plan)
    {
        var output = new StringWriter();
        output.WriteLine(plan.Command);
        try
        {
            SoakResult result = await new Soaking(plan, output).RunAsync(TestContext.Current.CancellationToken);
            output.WriteLine(result);
            Assert.True(result.IsGood, output.ToString());
            return result;
        }
        finally
        {
            TestContext.Current.TestOutputHelper!.WriteLine(output.ToString());
        }
    }
}
