using Duologue.Backplane;
using Duologue.Comparison;

namespace Duologue.Bench.Tests;

/// <summary>The parts of bench/backplane/run that need no cluster.</summary>
public sealed class BackplaneTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1_000)]
    public void Numbers_are_found_however_the_bytes_are_cut(int piece)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes($$"""{"a":"^^12^","b":"{{NumberScanner.Text(7, 20)}}"}^{{NumberScanner.Text(12_345_678, 128)}}""");
        List<int> found = [];
        NumberScanner scanner = default;
        for (int i = 0; i < bytes.Length; i += piece)
        {
            scanner.Feed(bytes.AsSpan(i, Math.Min(piece, bytes.Length - i)), new Collect(found));
        }

        Assert.Equal([7, 12_345_678], found);
    }

    [Fact]
    public void Arguments_make_a_node_and_a_run()
    {
        NodeArguments node = NodeArguments.Parse(["duologue", "127.0.0.1:6379", "--port", "8080", "--event-loop"])!;
        Assert.Equal(new NodeArguments(Engine.Duologue, "127.0.0.1:6379", 8080, EventLoop: true), node);
        Assert.Equal(node, NodeArguments.Parse([.. node.ToArguments()]));
        Assert.Null(NodeArguments.Parse(["somebody", "127.0.0.1:6379"]));
        BackplaneOptions options = BackplaneOptions.Parse(["--shapes", "*-full", "--contenders", "signalr", "--rounds", "3", "--aof"])!;
        Assert.Equal(["crowd-full", "halls-full", "rooms-full"], options.Shapes.Select(shape => shape.Name));
        Assert.Equal(LoadShape.ForScale, BackplaneOptions.Parse(["--shapes", "scale-*"])!.Shapes);
        Assert.Equal(LoadShape.Deep, BackplaneOptions.Parse(["--shapes", "*-deep"])!.Shapes);
        Assert.Equal((Contender.SignalR, 3, true), (options.Contenders.Single(), options.Rounds, options.AppendOnly));
        Assert.Null(BackplaneOptions.Parse(["--shapes", "nothing"]));
    }

    [Fact]
    public void A_ratio_above_one_says_that_Duologue_is_the_better_whichever_way_the_figure_goes()
    {
        LoadShape shape = LoadShape.Known.Single(one => one.Name == "crowd-full");
        string table = PairTable.Render([Of("signalr", 6_000, 100_000), Of("duologue", 2_000, 300_000)], [shape], [.. Contender.All.Take(2)], "About.");
        Assert.Contains("| node CPU per delivery, µs | 6.00 (6.00 to 6.00) | 2.00 (2.00 to 2.00) | 3.00 | 3.00 (3.00 to 3.00) |", table, StringComparison.Ordinal);
        Assert.Contains("| deliveries per second | 100,000 (100,000 to 100,000) | 300,000 (300,000 to 300,000) | 3.00 |", table, StringComparison.Ordinal);

        Measurement Of(string server, double cpu, double rate) =>
            new(shape.Name, server, 1, PairCampaign.Figures.ToDictionary(figure => figure, figure => figure switch { "cpu_ns" => cpu, "mps" => rate, _ => 0 }));
    }

    [Fact]
    public void The_parts_of_a_cost_are_found_again_in_runs_that_differ()
    {
        ScaleModel known = new() { PublishTogetherCpu = 40, HearTogetherCpu = 12, DeliveryCpu = 3, SegmentCpu = 5, BusyCores = 0.2, PublishingCores = 0.1 };
        ScaleModel fitted = new ScaleModel().Fit([Run(500, 200, 1), Run(500, 700, 0.15), Run(500, 1_700, 0.06), Run(5, 12_000, 1)]);
        Assert.Equal(
            (40, 12, 3, 5, 0.2, 0.1),
            (Math.Round(fitted.PublishTogetherCpu, 6), Math.Round(fitted.HearTogetherCpu, 6), Math.Round(fitted.DeliveryCpu, 6), Math.Round(fitted.SegmentCpu, 6), Math.Round(fitted.BusyCores, 6), Math.Round(fitted.PublishingCores, 6)));
        Assert.Throws<RunException>(() => new ScaleModel().Fit([Run(500, 200, 1), Run(500, 200, 1)]));

        // What a publish at a fixed rate costs more is the publish's that travels alone.
        TwoNodeRun alone = Run(50, 2_000, 0.5);
        ScaleModel both = fitted.FitAlone(alone with { First = alone.First + 70, Second = alone.Second + 30 });
        Assert.Equal((42, 80), (Math.Round(both.HearCpu, 6), Math.Round(both.PublishCpu, 6)));

        TwoNodeRun Run(double receivers, double rate, double segments)
        {
            TwoNodeRun run = new(receivers, rate, segments, 0, 0);
            (double first, double second) = known.PublishOnTwoNodes(run);
            return run with { First = first, Second = second };
        }
    }

    [Theory]
    [InlineData(1, 20, 500, 1)] // far apart: none waits
    [InlineData(10, 900, 50, 1)] // the node delivers too little to wait
    [InlineData(10, 2_000, 50, 0.4545)] // 2.2 of each topic in 11 ms
    [InlineData(1, 2_000, 500, 0.125)] // 22, of which publishers have 8 under way
    [InlineData(100, 12_000, 5, 1)] // of 100 topics, 64 messages leave at a time
    public void Messages_leave_together_as_their_rate_the_wait_and_the_limits_say(int topics, int rate, int receivers, double segments) =>
        Assert.Equal(segments, new ScaleModel { GatherTime = 10 }.SegmentsPerDelivery(topics, rate, receivers, cores: 1, depth: 8), 0.0001);

    [Fact]
    public void More_connections_need_more_nodes_until_hearing_of_all_publishes_takes_a_node()
    {
        ScaleModel model = new();
        Assert.True(model.Plan(10_000_000).Nodes > model.Plan(1_000_000).Nodes);
        Assert.Equal("processors", (model with { HearCpu = 500 }).Plan(10_000_000).Why);
        Assert.Equal(double.PositiveInfinity, (model with { HearCpu = 500 }).Plan(10_000_000).Nodes);
    }

    [Fact]
    public void A_longer_spread_lowers_the_peak_of_a_return_and_everybody_is_back()
    {
        ReturnResult close = Return.Simulate(10_000, capacity: 10_000, initial: 0.5, most: 30, seed: 1);
        ReturnResult spread = Return.Simulate(10_000, capacity: 10_000, initial: 5, most: 30, seed: 1);
        Assert.True(spread.Peak < close.Peak);
        Assert.True(spread.Attempts < close.Attempts);
        Assert.InRange(close.All, 0.5, 60);
        Assert.InRange(spread.All, 1, 60);
    }

    private readonly record struct Collect(List<int> Found) : INumberHandler
    {
        public void OnNumber(int number) => Found.Add(number);
    }
}
