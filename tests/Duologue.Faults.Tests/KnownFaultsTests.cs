namespace Duologue.Faults.Tests;

/// <summary>What each kind of bad peer gets, while a crowd talks: the small form of the reliability table.</summary>
public sealed class KnownFaultsTests(Attack attack) : IClassFixture<Attack>
{
    public static TheoryData<string> Names => [.. KnownFaults.All(Attack.Plan).Select(fault => fault.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Every_bad_peer_gets_what_it_should_is_counted_and_costs_nobody_a_message(string name)
    {
        Assert.SkipUnless(Attack.CanRun, "Needs an address of 127.0.0.0/8 for each attacker, which Linux and Windows have.");
        FaultResult result = await attack.RunAsync(name);
        Assert.Equal("", ResultTable.Note(result));
        Assert.Equal((result.Tries, 0L), (result.Survived, result.Lost));
        Assert.Empty(attack.Crowd.Ended);
        Assert.True(result.IsGood);
    }

    [Fact]
    public async Task A_thousand_that_come_and_go_all_succeed()
    {
        Assert.SkipUnless(Attack.CanRun, "Needs an address of 127.0.0.0/8 for each peer, which Linux and Windows have.");
        EnduranceResult result = await new Endurance(attack.Server, Attack.Plan).RunAsync(_ => { });
        Assert.Equal(0, result.Failed);
        Assert.Equal(Attack.Plan.Connects, result.Points[^1].Connects);
        Assert.All(result.Points, point => Assert.True(point.Memory is { Managed: > 0, Resident: > 0 }));
        Assert.Equal(0, await attack.Crowd.CatchUpAsync(Attack.Plan.Patience));
    }
}
