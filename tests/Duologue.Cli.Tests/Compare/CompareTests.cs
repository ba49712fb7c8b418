using System.Text.Json;
using Duologue.Cli.Compare;
using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Compare;

/// <summary><c>duologue compare</c> as a user runs it, with few clients and for a short time.</summary>
public sealed class CompareTests : IDisposable
{
    private const int Clients = 8;

    // Its steps take their time on any machine; only one that hangs takes so long.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("duologue-compare-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task All_ways_are_measured_and_no_message_is_lost_or_doubled()
    {
        string report = Path.Combine(_folder.FullName, "report.html");
        string chart = Path.Combine(_folder.FullName, "chart.svg");
        string json = Path.Combine(_folder.FullName, "result.json");
        await using Tool tool = Tool.Start("compare", "--clients", $"{Clients}", "--rate", "5", "--interval", "100ms", "--duration", "600ms", "--report", report, "--chart", chart, "--json", json);
        (int exitCode, string output, string error) = await tool.WaitAsync(Patience);
        Assert.True(exitCode == 0, error);
        Assert.Contains("It takes about", error, StringComparison.Ordinal);
        Assert.Contains("No message was lost", error, StringComparison.Ordinal);
        Assert.Contains("server CPU per message", output, StringComparison.Ordinal);
        string html = await File.ReadAllTextAsync(report, TestContext.Current.CancellationToken);
        Assert.Equal(6, html.Split("<svg").Length - 1);
        Assert.StartsWith("<svg", await File.ReadAllTextAsync(chart, TestContext.Current.CancellationToken), StringComparison.Ordinal);

        using JsonDocument document = JsonDocument.Parse(await File.ReadAllTextAsync(json, TestContext.Current.CancellationToken));
        JsonElement root = document.RootElement;
        Assert.False(root.GetProperty("wasInterrupted").GetBoolean());
        Assert.Equal(Clients, root.GetProperty("settings").GetProperty("clients").GetInt32());
        Assert.Equal(0.6, root.GetProperty("settings").GetProperty("durationSeconds").GetDouble());
        Assert.Equal(Environment.ProcessorCount, root.GetProperty("machine").GetProperty("cores").GetInt32());
        JsonElement[] ways = [.. root.GetProperty("ways").EnumerateArray()];
        Assert.Equal(["polling", "longPolling", "serverSentEvents", "webSocket"], ways.Select(way => way.GetProperty("way").GetString()));
        Assert.Equal(12, root.GetProperty("otherRates").GetArrayLength());
        Assert.Equal(8, root.GetProperty("smallerCrowds").GetArrayLength());
        foreach (JsonElement measured in ways.Concat(root.GetProperty("otherRates").EnumerateArray()).Concat(root.GetProperty("smallerCrowds").EnumerateArray()))
        {
            Assert.Equal((0, 0), (measured.GetProperty("lost").GetInt64(), measured.GetProperty("duplicated").GetInt64()));
            Assert.True(measured.GetProperty("published").GetInt64() > 0);
            Assert.Equal(measured.GetProperty("published").GetInt64() * measured.GetProperty("clients").GetInt32(), measured.GetProperty("delivered").GetInt64());
            JsonElement delay = measured.GetProperty("delay");
            Assert.InRange(delay.GetProperty("p50").GetDouble(), 0.001, delay.GetProperty("p99").GetDouble());
            Assert.True(delay.GetProperty("p99").GetDouble() <= delay.GetProperty("max").GetDouble());
            Assert.Equal(54, delay.GetProperty("distribution").GetArrayLength());
            Assert.True(measured.GetProperty("way").GetString() == "polling" || measured.GetProperty("bytesPerMessage").GetDouble() > 100, "The words of a message are on the wire.");
            Assert.True(measured.GetProperty("cpuMicrosecondsPerMessage").GetDouble() > 0);
        }

        JsonElement[] waiting = [.. ways.Select(way => way.GetProperty("waiting"))];
        Assert.All(waiting, each => Assert.Equal(Clients, each.GetProperty("connections").GetInt32()));
        Assert.True(waiting[0].GetProperty("requestsPerSecond").GetDouble() > 0, "Pollers ask while nothing happens.");
        Assert.All(waiting[1..], each => Assert.Equal(0, each.GetProperty("requestsPerSecond").GetDouble()));
        Assert.All(waiting[2..], each => Assert.True(each.TryGetProperty("heapBytesPerClient", out _)));

        // A held request brings one page; what is pushed asks for nothing.
        Assert.InRange(ways[1].GetProperty("requestsPerMessage").GetDouble(), 0.01, 1);
        Assert.Equal(0, ways[2].GetProperty("requestsPerMessage").GetDouble());
        Assert.Equal(0, ways[3].GetProperty("requestsPerMessage").GetDouble());
        Assert.True(ways[3].GetProperty("bytesPerMessage").GetDouble() < ways[1].GetProperty("bytesPerMessage").GetDouble());
    }

    [Fact]
    public async Task Interrupted_it_shows_what_was_measured()
    {
        string report = Path.Combine(_folder.FullName, "report.html");
        await using Tool tool = Tool.Start("compare", "--clients", "2", "--rate", "2", "--interval", "100ms", "--duration", "3s", "--report", report);
        await tool.WaitForErrorAsync(line => line.StartsWith("AJAX polling: 2 clients, 2/s: delay", StringComparison.Ordinal));
        tool.Interrupt();
        (int exitCode, string output, string error) = await tool.WaitAsync(Patience);
        Assert.True(exitCode == 0, error);
        Assert.Contains("AJAX polling", output, StringComparison.Ordinal);
        Assert.Contains("interrupted", await File.ReadAllTextAsync(report, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_figures_go_to_standard_output_alone_when_asked()
    {
        await using Tool tool = Tool.Start("compare", "--clients", "2", "--rate", "10", "--interval", "50ms", "--duration", "500ms", "--json", "-", "--event-loop", "off");
        (int exitCode, string output, string error) = await tool.WaitAsync(Patience);
        Assert.True(exitCode == 0, error);
        CompareResult result = JsonSerializer.Deserialize(output, CompareJson.Default.CompareResult)!;
        Assert.Equal(Ways.All, result.Ways.Select(each => each.Way));
        Assert.Equal("off", result.Settings.EventLoop);
        Assert.Empty(result.OtherRates);
        Assert.Equal((0, 0), (result.Lost, result.Duplicated));
    }

    [Theory]
    [InlineData("--clients", "0")]
    [InlineData("--clients", "20001")]
    [InlineData("--clients", "many")]
    [InlineData("--rate", "0")]
    [InlineData("--rate", "1001")]
    [InlineData("--rate", "often")]
    [InlineData("--interval", "1ms")]
    [InlineData("--interval", "2m")]
    [InlineData("--duration", "0s")]
    [InlineData("--duration", "1h")]
    [InlineData("--duration", "none")]
    [InlineData("--report", "/no/such/folder/report.html")]
    [InlineData("--event-loop", "round")]
    public async Task A_bad_argument_is_named(string option, string value)
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", "compare", option, value);
        Assert.Equal(2, exitCode);
        Assert.Contains(option, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_time_in_which_no_message_would_be_published_is_refused()
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", "compare", "--rate", "0.1", "--duration", "5s");
        Assert.Equal(2, exitCode);
        Assert.Contains("at least 10s", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Too_few_descriptors_are_named_with_what_to_do()
    {
        await using Tool tool = Tool.StartLimited(500, "compare", "--clients", "1000");
        (int exitCode, _, string error) = await tool.WaitAsync();
        Assert.Equal(2, exitCode);
        Assert.Contains("ulimit -n 1300", error, StringComparison.Ordinal);
        Assert.Contains("--clients 200", error, StringComparison.Ordinal);
    }
}
