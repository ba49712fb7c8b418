using Duologue.Soak;
using Duologue.Tests.Shared;

namespace Duologue.Cluster.Tests.Soaks;

/// <summary>The judge of the soak is just: it sees what was lost or doubled, and nothing else.</summary>
public sealed class LedgerTests
{
    [Theory]
    [InlineData(4, 5, false, 5, 0, 0)]
    [InlineData(4, 4, false, 4, 0, 1)]
    [InlineData(4, 2, false, 4, 0, 1)]
    [InlineData(4, 8, false, 8, 3, 0)]
    [InlineData(4, 8, true, 8, 0, 0)]
    [InlineData(4, 4, true, 4, 0, 0)]
    [InlineData(4, 3, true, 4, 0, 1)]
    public void A_number_is_judged_by_the_one_before(int have, int number, bool isReset, int now, int missed, int doubled)
    {
        var ledger = new Ledger(1);
        Assert.Equal(now, ledger.Take("It", have, number, isReset));
        Assert.Equal((missed, doubled, missed + doubled > 0), (ledger.Missed, ledger.Doubled, ledger.Wrong > 0));
    }

    [Fact]
    public void A_run_gives_a_row_of_the_table_in_the_docs()
    {
        var result = new SoakResult(new SoakPlan(), 1, 1, 0, 0, 0, 0, 0, 0, Enum.GetValues<FaultKinds>().ToDictionary(kind => kind, _ => 0), TimeSpan.Zero, []);
        string head = File.ReadLines(Repository.PathOf("docs/scale-out.md")).Single(line => line.StartsWith("| seed |", StringComparison.Ordinal));
        Assert.Equal(head.Split('|').Length, result.Row.Split('|').Length);
    }

    [Fact]
    public void The_command_that_repeats_a_run_is_understood_as_that_run()
    {
        var plan = new SoakPlan { Seed = 7, Duration = TimeSpan.FromSeconds(20), Clients = 60, Topics = 20, Rate = 0.5, Pause = TimeSpan.FromSeconds(2), Faults = FaultKinds.KillRedis | FaultKinds.Roll, Balancer = "nginx.conf", IsPersistent = false };
        Assert.Equal(plan, SoakPlan.Parse(plan.Command[(plan.Command.IndexOf(" -- ", StringComparison.Ordinal) + 4)..].Split(' ')));
    }
}
