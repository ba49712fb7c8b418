using System.Xml.Linq;
using Duologue.Cli.Compare;
using Duologue.Cli.Compare.Reporting;

namespace Duologue.Cli.Tests.Compare;

/// <summary>The reports, of figures that are made up.</summary>
public sealed class ReportingTests
{
    [Fact]
    public void The_chart_that_stands_alone_is_an_svg_with_every_way_and_figure()
    {
        XElement svg = XElement.Parse(SummaryChart.Render(Create(), standsAlone: true));
        Assert.Equal("svg", svg.Name.LocalName);
        string text = svg.Value;
        foreach (Way way in Ways.All)
        {
            Assert.Contains(way.Title(), text, StringComparison.Ordinal);
        }

        Assert.Contains("prefers-color-scheme: dark", text, StringComparison.Ordinal);
        Assert.Contains("AJAX polling 1 s", svg.Attribute("aria-label")!.Value, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", svg.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_report_needs_nothing_from_elsewhere_and_its_charts_are_named()
    {
        string html = HtmlReport.Render(Create());
        Assert.StartsWith("<!doctype html>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("src=", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<link", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme: dark", html, StringComparison.Ordinal);
        Assert.Contains("Some &lt;processor&gt;", html, StringComparison.Ordinal);
        string[] pictures = [.. html.Split("<svg").Skip(1).Select(rest => "<svg" + rest[..(rest.IndexOf("</svg>", StringComparison.Ordinal) + 6)])];
        Assert.Equal(6, pictures.Length);
        Assert.All(pictures, picture => Assert.Equal("img", XElement.Parse(picture).Attribute("role")?.Value));
    }

    [Fact]
    public void A_report_of_an_interrupted_run_says_so_and_has_what_there_is()
    {
        CompareResult whole = Create();
        string html = HtmlReport.Render(whole with { WasInterrupted = true, Ways = [whole.Ways[0]], OtherRates = [], SmallerCrowds = [] });
        Assert.Contains("interrupted", html, StringComparison.Ordinal);
        Assert.Contains("AJAX polling", html, StringComparison.Ordinal);
    }

    [Fact]
    public void The_rate_from_which_on_one_way_is_cheaper_lies_between_those_measured()
    {
        // 1,000 / rate and 100: equal at 10.
        Measurement[] rates = [.. new[] { 1.0, 4, 16, 64 }.SelectMany(rate => new[] { Cost(Way.Polling, rate, 1000 / rate), Cost(Way.WebSocket, rate, 100) })];
        Assert.Equal(10, Findings.FindCrossing(rates, Way.Polling, Way.WebSocket)!.Value, 3);
        Assert.Null(Findings.FindCrossing(rates, Way.WebSocket, Way.Polling));
        Assert.Null(Findings.FindCrossing(rates, Way.Polling, Way.LongPolling));
    }

    [Theory]
    [InlineData(0.00001, "0 ms")]
    [InlineData(0.1234, "0.123 ms")]
    [InlineData(1.234, "1.23 ms")]
    [InlineData(56.78, "56.8 ms")]
    [InlineData(999.4, "999 ms")]
    [InlineData(1234, "1.23 s")]
    public void Figures_have_three_digits_and_a_unit(double milliseconds, string text) => Assert.Equal(text, Figure.Milliseconds(milliseconds));

    [Theory]
    [InlineData(1, "1 client", "1 core,", "1 request and", "1 message was lost and 1 came twice.", "1 request a second of 1 client.")]
    [InlineData(1_200, "1,200 clients", "2 cores,", "2 requests and", "3 messages were lost and 0 came twice.", "1,200 requests a second of 1,200 clients.")]
    public void One_of_something_was_told_as_many(int clients, params string[] expected)
    {
        bool isOne = clients == 1;
        CompareResult made = Create();
        CompareResult result = made with
        {
            Machine = made.Machine with { Cores = isOne ? 1 : 2 },
            Settings = made.Settings with { Clients = clients },
            Ways = [.. made.Ways.Select(way => way with
            {
                Clients = clients,
                RequestsPerMessage = isOne ? 1 : 2,
                Lost = way.Way != Way.Polling ? 0 : isOne ? 1 : 3,
                Duplicated = way.Way == Way.Polling && isOne ? 1 : 0,
                Waiting = way.Waiting! with { RequestsPerSecond = clients },
            })],
            OtherRates = [],
            SmallerCrowds = [],
        };
        string all = HtmlReport.Render(result);
        Assert.All(expected, text => Assert.Contains(text, all, StringComparison.Ordinal));
        if (isOne)
        {
            Assert.DoesNotMatch(@"(?<![\d.,])1 (clients|requests|messages|cores|bytes)\b", all);
        }
    }

    [Fact]
    public void The_plan_says_how_long_it_takes_and_a_full_one_takes_longer()
    {
        var plan = new ComparePlan(1000, 1, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(30), IsFull: false, "auto");
        Assert.Single(plan.Spans);
        Assert.Equal(30, plan.Spans[0].Messages);
        Assert.InRange(plan.Estimate, TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(5));
        ComparePlan full = plan with { IsFull = true };
        Assert.Equal([1, 0.5, 4, 16], full.Spans.Select(span => span.Rate));
        Assert.All(full.Spans, span => Assert.True(span.Messages > 1));
        Assert.True(full.Spans.Count <= Ledger.MaxWindows);
        Assert.Equal([250, 500], full.SmallerCrowds);
        Assert.True(full.Estimate > plan.Estimate);
        Assert.Empty((full with { Clients = 1 }).SmallerCrowds);
    }

    private static Measurement Cost(Way way, double rate, double cpu) => Create(way, 100, rate) with { CpuMicrosecondsPerMessage = cpu };

    private static CompareResult Create() => new(
        new DateTimeOffset(2026, 11, 28, 12, 0, 0, TimeSpan.Zero), new Machine("Some <processor>", 2, "Some system", ".NET"), new Settings(100, 1, 2, 30, "auto"), false,
        [.. Ways.All.Select(way => Create(way, 100, 1) with { Waiting = new Waiting(1.5, way == Way.Polling ? 50 : 0, 12_000, 100, 11_000, 12_000) })],
        [.. Ways.All.SelectMany(way => new[] { Create(way, 100, 4), Create(way, 100, 16) })],
        [.. Ways.All.Select(way => Create(way, 50, 1))]);

    private static Measurement Create(Way way, int clients, double rate) => new(way, clients, rate)
    {
        Published = 30,
        Delivered = 30 * clients,
        Delay = way == Way.Polling ? new(1000, 1980, 2010, [new(0, 10), new(0.5, 1000), new(1, 2010)]) : new(1, 3, 9, [new(0, 0.4), new(0.5, 1), new(1, 9)]),
        RequestsPerMessage = way switch { Way.Polling => 0.5, Way.LongPolling => 1, _ => 0 },
        BytesPerMessage = 400,
        CpuMicrosecondsPerMessage = 20 / rate,
    };
}
