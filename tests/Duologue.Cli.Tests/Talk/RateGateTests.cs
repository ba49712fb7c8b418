using Duologue.Cli.Talk;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Cli.Tests.Talk;

public sealed class RateGateTests
{
    [Fact]
    public void A_burst_passes_then_a_few_each_second()
    {
        var time = new FakeTimeProvider();
        var gate = new RateGate(time);
        Assert.Equal(TalkLimits.Burst, Enumerable.Range(0, TalkLimits.Burst * 2).Count(_ => gate.TryPass()));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TalkLimits.PerSecond * 2, Enumerable.Range(0, TalkLimits.Burst).Count(_ => gate.TryPass()));
    }

    [Fact]
    public void Patience_ends_after_refusals_in_a_row()
    {
        var gate = new RateGate(new FakeTimeProvider());
        for (int i = 0; i < TalkLimits.Burst + TalkLimits.Patience - 1; i++)
        {
            gate.TryPass();
        }

        Assert.False(gate.IsExhausted);
        gate.TryPass();
        Assert.True(gate.IsExhausted);
    }
}
