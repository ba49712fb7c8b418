using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Targets;

namespace Duologue.Fuzz.Tests.Targets;

/// <summary>
/// Every target: what was found once, what reaches much of the code, and a short search from a seed that differs each time.
/// DUOLOGUE_FUZZ_SEED repeats one.
/// </summary>
[Collection(OneAtATime.Name)]
public sealed class AllTargetsTests
{
    private static readonly TimeSpan SearchTime = TimeSpan.FromSeconds(2);

    public static TheoryData<string> Names { get; } = [.. AllTargets.List.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void What_was_found_once_is_not_found_again(string name)
    {
        FuzzTarget target = AllTargets.Find(name)!;
        foreach (byte[] input in InputFile.Read(InputFile.FindingsPath(target)))
        {
            // Some showed only now and then.
            for (int i = 0; i < 50; i++)
            {
                Run(target, input);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_invariant_holds_for_the_seeds_and_the_corpus(string name)
    {
        FuzzTarget target = AllTargets.Find(name)!;
        List<byte[]> corpus = InputFile.Read(InputFile.CorpusPath(target));
        Assert.NotEmpty(corpus);
        foreach (byte[] input in target.Seeds.Concat(corpus))
        {
            Run(target, input);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_short_search_finds_nothing(string name)
    {
        FuzzTarget target = AllTargets.Find(name)!;
        int seed = int.TryParse(Environment.GetEnvironmentVariable("DUOLOGUE_FUZZ_SEED"), out int given) ? given : Random.Shared.Next();
        var campaign = new Campaign(target, new CampaignOptions(seed, long.MaxValue, SearchTime), coverage: null);
        Finding? finding = campaign.Run(InputFile.Read(InputFile.CorpusPath(target)));
        Assert.True(finding is null, finding?.ToString());
        Assert.True(campaign.Executions > 100, $"{campaign.Executions} executions");
        Assert.True(campaign.Signatures > 3, $"{campaign.Signatures} ways through the code: the target does not reach it.");
    }

    private static void Run(FuzzTarget target, byte[] input)
    {
        try
        {
            target.Run(input);
        }
        catch (Exception error)
        {
            Assert.Fail(new Finding(target, 0, input, error).ToString());
        }
    }
}
