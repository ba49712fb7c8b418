using System.Xml.Linq;
using Duologue.Comparison;

namespace Duologue.Bench.Tests;

/// <summary>What bench/run chooses, runs in which order, keeps and tells.</summary>
public sealed class ComparisonTests
{
    private static readonly BenchCase Case = KnownCases.Select(["echo-20x64"]).Single();

    [Fact]
    public void Cases_and_servers_are_chosen_by_patterns()
    {
        Assert.Equal(["echo-20x1", "echo-20x64", "echo-20x1000"], KnownCases.Select(["echo-20x*"]).Select(one => one.Name));
        Assert.Equal(KnownCases.All.Count, KnownCases.Select(["*"]).Count);
        Assert.Equal(KnownCases.All.Count, KnownCases.All.Select(one => one.Name).Distinct().Count());
        Assert.Equal(["uring", "uring-native", "uring-delegate", "uring-1of2", "uring-2"], KnownServers.Select(["uring*"]).Select(server => server.Name));
        Assert.Empty(KnownServers.Select(["nobody"]));
    }

    [Fact]
    public void A_case_has_no_more_connections_than_may_be_open()
    {
        Assert.Equal(20_000, Machine.ParseDescriptors(["Limit  Soft Limit  Hard Limit  Units", "Max open files            1024                 20000                files     "]));
        BenchCase idle = KnownCases.Fit(KnownCases.Select(["idle"]), 20_000).Single();
        Assert.Equal((19_500, 9_750), (idle.Connections, idle.From));
        Assert.StartsWith("at rest, from 9,750 to 19,500 connections (", idle.Title, StringComparison.Ordinal);
        Assert.Same(Case, KnownCases.Fit([Case], 20_000).Single());
    }

    [Fact]
    public void Arguments_make_a_run()
    {
        RunOptions options = RunOptions.Parse(["--cases", "echo-*,idle", "--servers", "uring", "--peer", "other=/opt/other {port} {options}", "--rounds", "10", "--seconds", "2.5", "--budget", "230"])!;
        Assert.Equal(["echo-*", "idle"], options.Cases);
        Assert.Equal(["uring", "other"], options.SelectServers().Select(server => server.Name));
        Assert.Equal((10, 2.5, 230, "other"), (options.Rounds, options.Seconds, options.Budget, options.BaselineName));
        Assert.Equal("system", RunOptions.Parse([])!.BaselineName);
        Assert.Null(RunOptions.Parse(["--rounds", "many"]));
        Assert.Null(RunOptions.Parse(["--peer", "no command"]));
    }

    [Fact]
    public void A_peer_that_takes_no_options_runs_plain_cases_only()
    {
        BenchCase tls = KnownCases.Select(["tls-20x64"]).Single();
        Assert.False(KnownServers.Parse("other=/opt/other {port}")!.Supports(tls));
        Assert.True(KnownServers.Parse("other=/opt/other {port} {options}")!.Supports(tls));
        Assert.True(KnownServers.Parse("other=/opt/other {port}")!.Supports(Case));
    }

    [Fact]
    public void An_independent_generator_is_told_of_compression_in_its_own_words()
    {
        BenchCase deflate = KnownCases.Select(["deflate-shared-1kx64"]).Single();
        Assert.Equal(
            "127.0.0.1 8080 /echo 64 1024 1 3 --pid 7 --warmup 1 --jsonout --deflate shared",
            string.Join(' ', Generator.Arguments(deflate, 8080, 7, 1, 3, independent: false)));
        Assert.Equal(
            "127.0.0.1 8080 /echo 64 1024 1 3 --pid 7 --warmup 1 --jsonout --json --deflate-nct",
            string.Join(' ', Generator.Arguments(deflate, 8080, 7, 1, 3, independent: true)));
    }

    [Fact]
    public void All_figures_of_a_generator_are_read()
    {
        Dictionary<string, double> figures = Generator.Parse("""{"label":"x","mps":12,"cpu_ns":5.5}""");
        Assert.Equal([("mps", 12), ("cpu_ns", 5.5)], figures.Select(figure => (figure.Key, figure.Value)));
    }

    [Fact]
    public void No_server_always_follows_the_same_one()
    {
        string[] servers = ["a", "b", "c"];
        var followers = Enumerable.Range(1, 6).Select(round => Campaign.Order(servers, round).ToArray()).ToArray();
        Assert.All(followers, order => Assert.Equal(servers, order.Order()));
        Assert.Equal(3, followers.Select(order => order[0]).Distinct().Count());
        Assert.True(followers.Select(order => order[(Array.IndexOf(order, "b") + 2) % 3]).Distinct().Count() > 1);
    }

    [Fact]
    public void Results_are_gone_on_with()
    {
        string folder = Directory.CreateTempSubdirectory("duologue-bench-").FullName;
        try
        {
            string path = Path.Combine(folder, "new", "results.csv");
            ResultFile first = new(path);
            first.Add(new Measurement("echo-20x64", "uring", 1, new Dictionary<string, double> { ["cpu_ns"] = 5000.5, ["p99_us"] = 800, ["unknown"] = 1 }));
            ResultFile second = new(path);
            Assert.True(second.Has("echo-20x64", "uring", 1));
            Assert.False(second.Has("echo-20x64", "uring", 2));
            Assert.Equal((5000.5, 800), (second.Measurements[0].Figures["cpu_ns"], second.Measurements[0].Figures["p99_us"]));
            Assert.Equal(2, second.Measurements[0].Figures.Count);

            File.WriteAllText(path, "something,else\n");
            Assert.Throws<RunException>(() => new ResultFile(path));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Ratios_are_of_medians_and_within_rounds()
    {
        CaseResults results = Results(("ours", [50, 100, 60]), ("theirs", [100, 120, 110, 900]));
        Assert.Equal(new Spread(50, 60, 100, 3), results.Of("ours", "cpu_ns"));
        Assert.Equal(115, results.Of("theirs", "cpu_ns")!.Value.Median);
        Assert.Equal(115.0 / 60, results.RatioOfMedians("ours", "theirs"));
        Assert.Equal(new Spread(1.2, 110.0 / 60, 2, 3), results.RatioWithinRounds("ours", "theirs"));
        Assert.Null(results.RatioOfMedians("ours", "nobody"));
    }

    [Fact]
    public void The_table_has_medians_ratios_and_spread()
    {
        string table = MarkdownTable.Render([Results(("ours", [5000, 6000, 5500]), ("theirs", [11000, 11000, 11000]))], "theirs", "About.");
        Assert.StartsWith("About.", table, StringComparison.Ordinal);
        Assert.Contains("| 20 B × 64, ns of server CPU per message | 5,500 (2.00) | 11,000 |", table, StringComparison.Ordinal);
        Assert.Contains("| ours | 3 | 5,500 (5,000 to 6,000) | 2.00 | 2.00 (1.83 to 2.20) |", table, StringComparison.Ordinal);
    }

    [Fact]
    public void The_chart_is_a_picture_by_itself()
    {
        XElement chart = XElement.Parse(Chart.Render([Results(("ours", [5000, 6000, 5500]), ("theirs", [11000, 12000, 11000]))], "theirs", server => server == "ours"));
        Assert.Equal("svg", chart.Name.LocalName);
        Assert.Equal(2, chart.Elements().Count(element => element.Name.LocalName == "rect"));
        Assert.Contains(chart.Elements(), element => element.Value.Contains("2.00 × less than theirs", StringComparison.Ordinal));
        Assert.DoesNotContain(chart.Elements(), element => element.Name.LocalName is "script" or "image");
    }

    private static CaseResults Results(params (string Server, double[] Values)[] servers) => new(
        Case,
        [.. servers.SelectMany(server => server.Values.Select((value, i) => new Measurement(Case.Name, server.Server, i + 1, new Dictionary<string, double> { ["cpu_ns"] = value })))]);
}
