using System.Globalization;
using Duologue.Comparison;

namespace Duologue.Backplane;

/// <summary>
/// Fits the parts of a cost to runs under a full load: one crowd with ever more messages that leave together, and small rooms, where none do. Then tries them on runs that they were not fitted to, which lie between; how many segments
/// a delivery takes is predicted as well.
/// </summary>
internal sealed class ScaleTrial(IReadOnlyList<Measurement> measurements, string contender)
{
    // The nodes of a run share one processor.
    private const int NodeCores = 1;

    private static readonly string[] _fitted = ["scale-crowd-1", "scale-crowd-2", "crowd-full", "scale-crowd-32", "rooms-full"];
    private static readonly string[] _tried = ["halls-full", "scale-rows"];
    private static readonly string _alone = "scale-halls"; // at a fixed rate: publishes travel alone

    public ScaleModel Fit(ScaleModel model) => model.Fit([.. _fitted.Select(name => Of(Shape(name)))]).FitAlone(Of(Shape(_alone))) with
    {
        JoinCpu = Median(Shape("rooms-full"), "join_ns") / 1000,
    };

    /// <summary>The table of docs/scale.md.</summary>
    public void Write(ScaleModel fitted, TextWriter output)
    {
        output.WriteLine("| | | segments per delivery: predicted, measured | error | publishers' node, µs per publish: predicted, measured | error | the other: predicted, measured | error |\n|---|---|---|---|---|---|---|---|");
        foreach ((string[] names, string use) in new[] { (_tried, "tried"), (_fitted, "fitted"), ([_alone], "segments tried") })
        {
            foreach (LoadShape shape in names.Select(Shape))
            {
                TwoNodeRun measured = Of(shape);
                double segments = fitted.SegmentsPerDelivery(shape.Topics, measured.Rate, shape.Receivers, NodeCores, shape.Rate > 0 ? double.PositiveInfinity : shape.Depth);

                // Where the parts are tried, all of the prediction is; they were fitted to segments as measured.
                ScaleModel model = shape.Rate > 0 ? fitted with { PublishTogetherCpu = fitted.PublishCpu, HearTogetherCpu = fitted.HearCpu } : fitted;
                (double first, double second) = model.PublishOnTwoNodes(names == _tried ? measured with { Segments = segments } : measured);
                output.WriteLine($"| `{shape.Name}`: {shape.Title} | {use} | {Pair(segments, measured.Segments, "0.000")} | {Pair(first, measured.First, "N0")} | {Pair(second, measured.Second, "N0")} |");
            }
        }
    }

    private static string Pair(double predicted, double measured, string format) => string.Create(
        CultureInfo.InvariantCulture,
        $"{predicted.ToString(format, CultureInfo.InvariantCulture)}, {measured.ToString(format, CultureInfo.InvariantCulture)} | {Math.Round((predicted / measured) - 1, 3):+0.0 %;−0.0 %;0 %}");

    private static LoadShape Shape(string name) => LoadShape.All.Single(shape => shape.Name == name);

    // The answer to a publish is a segment of its own, and no delivery's.
    private TwoNodeRun Of(LoadShape shape) => new(
        shape.Receivers,
        Median(shape, "publishes"),
        Median(shape, "segments") - (1.0 / (shape.Receivers * LoadShape.Nodes)),
        Median(shape, "first_ns") / 1000,
        Median(shape, "second_ns") / 1000);

    private double Median(LoadShape shape, string figure) =>
        (Spread.Of(measurements.Where(one => one.Case == shape.Name && one.Server == contender).Select(one => one.Figures[figure])) ?? throw new RunException($"The results have no {shape.Name} of {contender}.")).Median;
}
