namespace Duologue.Faults.Tests;

public sealed class ReportingTests
{
    private static readonly FaultResult Good = new()
    {
        Name = "reset",
        Does = "resets",
        Gets = "nothing",
        Tries = 10,
        Survived = 10,
        Expected = new() { ["close:connection_lost"] = 10 },
        Counted = new() { ["close:connection_lost"] = 10 },
        Surprises = [],
        Lost = 0,
        Latency = new Latency(100, 1, 4, 8),
        Seconds = 2,
    };

    [Fact]
    public void A_fault_is_good_only_if_all_survived_all_is_counted_and_nothing_is_lost()
    {
        Assert.True(Good.IsGood);
        Assert.False((Good with { Survived = 9 }).IsGood);
        Assert.False((Good with { Lost = 1 }).IsGood);
        Assert.False((Good with { Counted = [] }).IsGood);
        Assert.False((Good with { Counted = new() { ["close:connection_lost"] = 10, ["close:aborted"] = 1 } }).IsGood);
    }

    [Fact]
    public void The_table_says_what_went_wrong()
    {
        FaultResult bad = Good with { Survived = 8, Counted = new() { ["close:connection_lost"] = 9 }, Surprises = new() { ["close code 1006 instead of 1008"] = 2 } };
        Assert.Equal("", ResultTable.Note(Good));
        Assert.Equal(
            " (**counted 9 close:connection_lost instead of 10 close:connection_lost; 2 × close code 1006 instead of 1008**)",
            ResultTable.Note(bad));
    }

    [Fact]
    public void The_slope_is_that_of_the_line_through_the_points()
    {
        MemoryPoint[] points = [.. Enumerable.Range(0, 10).Select(i => new MemoryPoint(i * 100, new Memory(5_000 + (i * 300), 0, 7_000)))];
        Assert.Equal(3, Endurance.Slope(points, point => point.Memory.Managed), 6);
        Assert.Equal(0, Endurance.Slope(points, point => point.Memory.Resident), 6);
    }

    [Fact]
    public void A_run_stands_between_the_marks_of_the_document_and_replaces_the_last()
    {
        var run = new RunResult
        {
            Date = "2026-01-02",
            Plan = "small",
            Machine = "a machine",
            Crowd = 5,
            Said = 6,
            News = 7,
            Lost = 0,
            Ended = 0,
            Quiet = new Latency(10, 1, 2, 3),
            Faults = [Good],
        };
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "before\n<!-- begin: written by bench/faults/run --docs -->\nold\n<!-- end -->\nafter\n");
            ResultTable.WriteInto(path, run);
            ResultTable.WriteInto(path, run);
            string document = File.ReadAllText(path);
            Assert.StartsWith("before\n", document, StringComparison.Ordinal);
            Assert.EndsWith("<!-- end -->\nafter\n", document, StringComparison.Ordinal);
            Assert.DoesNotContain("old", document, StringComparison.Ordinal);
            Assert.Equal(2, document.Split("| resets | 10 | 10 | nothing | 0 | 4.0 ms, 2.0 × | `reset` |").Length);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
