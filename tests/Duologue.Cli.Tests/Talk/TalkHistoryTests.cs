using Duologue.Cli.Talk;

namespace Duologue.Cli.Tests.Talk;

public sealed class TalkHistoryTests
{
    private static readonly Person Ada = new(1, "Ada", Person.Browser);

    [Fact]
    public void The_oldest_are_forgotten_first()
    {
        var history = new TalkHistory(100);
        for (int i = 0; i < TalkLimits.History + 5; i++)
        {
            history.Add(i, new Said($"{i}") { Seq = i, Time = 0, From = Ada }, null);
        }

        Assert.Equal(TalkLimits.History, history.Entries.Count());
        Assert.Equal("5", Assert.IsType<Said>(history.Entries.First().Utterance).Text);
    }

    [Fact]
    public void The_contents_of_files_stay_within_the_budget()
    {
        var history = new TalkHistory(100);
        Add(history, 60);
        Add(history, 30);
        Add(history, 50);
        Assert.Equal([null, 30, 50], history.Entries.Select(entry => entry.File?.Length));
    }

    [Fact]
    public void A_file_beyond_the_budget_costs_the_others_nothing()
    {
        var history = new TalkHistory(100);
        Add(history, 60);
        Add(history, 101);
        Assert.Equal([60, null], history.Entries.Select(entry => entry.File?.Length));
    }

    private static void Add(TalkHistory history, int size) =>
        history.Add(0, new FileSent("f", "a/b", size, null) { Seq = 0, Time = 0, From = Ada }, new byte[size]);
}
