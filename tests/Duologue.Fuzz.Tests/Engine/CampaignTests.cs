using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Targets;

namespace Duologue.Fuzz.Tests.Engine;

[Collection(OneAtATime.Name)]
public sealed class CampaignTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public void A_bug_behind_several_steps_is_found_because_each_step_is_kept_and_is_cut_down()
    {
        var campaign = new Campaign(new PlantedBug(), new CampaignOptions(1, 1_000_000, Patience), coverage: null);
        Finding? finding = campaign.Run([]);
        Assert.NotNull(finding);
        Assert.Equal("DUO"u8.ToArray(), finding.Input);
        Assert.Contains("fuzz/run planted-bug --input 44554f", finding.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_seed_makes_the_same_run()
    {
        Campaign[] runs = [.. Enumerable.Range(0, 2).Select(_ =>
        {
            var campaign = new Campaign(new CloseFrameTarget(), new CampaignOptions(42, 5_000, Patience), coverage: null);
            Assert.Null(campaign.Run([]));
            return campaign;
        })];
        Assert.Equal(runs[0].Corpus, runs[1].Corpus);
        Assert.Equal(runs[0].Executions, runs[1].Executions);
    }

    [Fact]
    public void What_is_kept_is_fewer_and_reaches_as_much()
    {
        var campaign = new Campaign(new CloseFrameTarget(), new CampaignOptions(42, 50_000, Patience), coverage: null);
        Assert.Null(campaign.Run([]));
        List<byte[]> kept = campaign.Distill(maxInputs: 1000, maxLength: 1000);
        Assert.Equal(campaign.Signatures, kept.Count);
        Assert.InRange(kept.Count, 1, campaign.Corpus.Count);
    }

    [Fact]
    public void The_input_under_way_outlives_the_process()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            var options = new CampaignOptions(1, 1_000_000, Patience) { JournalPath = path };
            Finding? finding = new Campaign(new PlantedBug(), options, coverage: null).Run([]);
            Assert.NotNull(finding);
            Assert.Throws<InvariantException>(() => new PlantedBug().Run(CrashJournal.Read(path)));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Coverage_is_off_where_Duologue_is_not_instrumented() => Assert.False(CoverageMap.IsAvailable);
}
