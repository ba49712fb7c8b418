using System.Diagnostics;
using Duologue.Comparison;

namespace Duologue.Backplane;

/// <summary>
/// Measures what is missing in the results: the clusters run side by side and are measured in turn, a round of all of them at a time, so that what changes on the machine changes for all.
/// Each measurement opens its connections anew.
/// </summary>
internal sealed class PairCampaign(BackplaneOptions options, ResultFile results) : IDisposable
{
    private static readonly TimeSpan LeadIn = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan WarmUpDrive = TimeSpan.FromSeconds(3);
    private const double Overhead = 3; // seconds that a measurement may take beside its own: connections, what is on its way

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly List<Cluster> _clusters = [];

    // The driver is on the first processor: the script starts it there.
    private readonly bool _pins = Environment.GetEnvironmentVariable("BACKPLANE_PINNED") == "1";

    public static IReadOnlyList<string> Figures { get; } =
    [
        "mps", "publishes", "cpu_ns", "user_ns", "sys_ns", "srv_util", "first_ns", "second_ns", "join_ns", "segments", "redis_ns", "gen_util", "p50_us", "p99_us", "beside_p50_us", "beside_p99_us", "missing",
    ];

    /// <summary>False if the budget did not suffice: run again to go on.</summary>
    public bool Run()
    {
        (LoadShape Shape, int Round)[] missing =
        [
            .. from round in Enumerable.Range(1, options.Rounds)
               from shape in options.Shapes
               where options.Contenders.Any(contender => !results.Has(shape.Name, contender.Name, round))
               select (shape, round),
        ];
        if (missing.Length == 0)
        {
            return true;
        }

        foreach (Contender contender in options.Contenders)
        {
            Say($"{contender.Title} starts, and is warmed up");
            Cluster cluster = new(contender, options, _pins ? 1 : null, _pins ? 0 : null);
            _clusters.Add(cluster);
            WarmUp(cluster);
        }

        foreach ((LoadShape shape, int round) in missing)
        {
            if (_clock.Elapsed.TotalSeconds + (_clusters.Count * (LeadIn.TotalSeconds + options.Seconds + Overhead)) > options.Budget)
            {
                return false;
            }

            foreach (Cluster cluster in Comparison.Campaign.Order(_clusters, round))
            {
                if (!results.Has(shape.Name, cluster.Contender.Name, round))
                {
                    Measure(shape, round, cluster);
                }
            }
        }

        return true;
    }

    public void Dispose() => _clusters.ForEach(cluster => cluster.Dispose());

    private static void Say(string text) => Console.Error.WriteLine(text);

    // All shapes, so that what each of them needs is compiled in its final form. With connections anew each time, as the rounds have them: what opens a connection runs once for each, so that the first rounds
    // would else pay for compiling it, beside what they measure.
    private void WarmUp(Cluster cluster)
    {
        double seconds = options.Warmup / options.Shapes.Count;
        int times = Math.Max(1, (int)(seconds / WarmUpDrive.TotalSeconds));
        foreach (LoadShape shape in options.Shapes)
        {
            for (int i = 0; i < times; i++)
            {
                Drive(shape, cluster, TimeSpan.FromSeconds(seconds / times), TimeSpan.FromSeconds(0.1));
            }
        }
    }

    private void Measure(LoadShape shape, int round, Cluster cluster)
    {
        Dictionary<string, double> figures = Drive(shape, cluster, LeadIn, TimeSpan.FromSeconds(options.Seconds));
        results.Add(new Measurement(shape.Name, cluster.Contender.Name, round, figures));
        Say(FormattableString.Invariant(
            $"{shape.Name} {round} {cluster.Contender.Name}: {figures["mps"]:N0}/s, {figures["cpu_ns"]:N0} ns each (user {figures["user_ns"]:N0}), {figures["segments"]:N2} segments, nodes {figures["srv_util"]:P0}, clients {figures["gen_util"]:P0}, redis {figures["redis_ns"]:N0} ns per publish, p50 {figures["p50_us"]:N0}, p99 {figures["p99_us"]:N0} us, missing {figures["missing"]}"));
    }

    private static Dictionary<string, double> Drive(LoadShape shape, Cluster cluster, TimeSpan warmup, TimeSpan duration)
    {
        using BackplaneLoad load = new(shape, cluster.Contender.Engine, [.. cluster.Nodes.Select(node => node.Port)], [.. cluster.Nodes.Select(node => node.Id)], cluster.Redis.Id);
        return load.Run(warmup, duration);
    }
}
