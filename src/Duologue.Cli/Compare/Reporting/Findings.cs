using System.Globalization;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Compare.Reporting;

/// <summary>What the figures say, in sentences; and the figures that tables and charts show, by their names.</summary>
internal static class Findings
{
    /// <summary>One figure of a way, with its name, how it is written and what it means.</summary>
    internal sealed record Row(string Name, string Note, Func<Measurement, double?> Value, Func<double, string> Show)
    {
        public string Text(Measurement measured) => Value(measured) is { } value ? Show(value) : "–";
    }

    public static readonly Row Median = new("delay, median", "from publishing until the client has it", each => each.Delay.P50, Figure.Milliseconds);
    public static readonly Row Late = new("delay, 99 of 100", "of all messages, 99 of 100 were there by then", each => each.Delay.P99, Figure.Milliseconds);
    public static readonly Row Worst = new("delay, longest", "", each => each.Delay.Max, Figure.Milliseconds);
    public static readonly Row Requests = new("requests per message", "sent by the clients, per message that one of them got", each => each.RequestsPerMessage, Figure.Number);
    public static readonly Row Bytes = new("bytes per message", "both directions, heads counted, per message that one client got", each => each.BytesPerMessage, Figure.Bytes);
    public static readonly Row Cpu = new("server CPU per message", "per message that one client got", each => each.CpuMicrosecondsPerMessage, Figure.Microseconds);
    public static readonly Row IdleCpu = new("server CPU, no news", "of one core, while all clients wait and nothing happens", each => each.Waiting?.CpuPercent, value => $"{Figure.Number(value)} %");
    public static readonly Row IdleRequests = new("requests, no news", "per second, of all clients together", each => each.Waiting?.RequestsPerSecond, value => $"{Figure.Number(value)}/s");
    public static readonly Row Heap = new("memory per client, heap", "alive on the managed heap while the client waits", each => each.Waiting?.HeapBytesPerClient, Figure.Bytes);
    public static readonly Row Resident = new("memory per client, resident", "as the system counts it", each => each.Waiting?.ResidentBytesPerClient, Figure.Bytes);
    public static readonly Row Connections = new("open connections", "", each => each.Waiting?.Connections, Figure.Number);
    public static readonly Row Delivered = new("messages delivered", "", each => each.Delivered, Figure.Number);
    public static readonly Row Lost = new("lost", "must be 0", each => each.Lost, Figure.Number);
    public static readonly Row Duplicated = new("doubled", "must be 0", each => each.Duplicated, Figure.Number);

    public static IReadOnlyList<Row> Rows { get; } = [Median, Late, Worst, Requests, Bytes, Cpu, IdleCpu, IdleRequests, Heap, Resident, Connections, Delivered, Lost, Duplicated];

    /// <summary>What a reader should take away, made of the figures of this run.</summary>
    public static IEnumerable<string> Tell(CompareResult result)
    {
        Dictionary<Way, Measurement> ways = result.Ways.ToDictionary(each => each.Way);
        if (ways.TryGetValue(Way.Polling, out Measurement? polling))
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"AJAX polling brings a message after {Median.Text(polling)} in the median; half its interval of {Figure.Number(result.Settings.IntervalSeconds)} s is what a server that takes no time would need. While nothing happens, asking takes {IdleCpu.Text(polling)} of a core: {Figure.Count(polling.Waiting?.RequestsPerSecond ?? 0, "request")} a second of {Plural.Of(polling.Clients, "client")}.");
        }

        if (ways.TryGetValue(Way.LongPolling, out Measurement? held))
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"Long polling brings it after {Median.Text(held)}, for {Plural.Of(Requests.Text(held), "request")} and {Bytes.Text(held)} per message. While nothing happens it takes {IdleCpu.Text(held)} of a core, but {Heap.Text(held)} of memory for each client that is held.");
        }

        if (ways.TryGetValue(Way.WebSocket, out Measurement? socket))
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"A WebSocket brings it after {Median.Text(socket)} for {Bytes.Text(socket)} on the wire and {Cpu.Text(socket)} of the server's CPU, and takes {Heap.Text(socket)} of memory for each client.");
        }

        Measurement[] rates = [.. result.Ways, .. result.OtherRates];
        if (result.OtherRates.Count > 0)
        {
            foreach ((Way cheaper, Way than) in new[] { (Way.Polling, Way.LongPolling), (Way.Polling, Way.WebSocket), (Way.LongPolling, Way.WebSocket) })
            {
                yield return Compare(rates, cheaper, than);
            }
        }

        yield return result.Lost + result.Duplicated == 0
            ? "No message was lost and none came twice."
            : TellFaults(result) + ".";
    }

    /// <summary>What went wrong, as the beginning of a sentence.</summary>
    public static string TellFaults(CompareResult result) =>
        string.Create(CultureInfo.InvariantCulture, $"{Plural.Of(result.Lost, "message")} {Plural.Was(result.Lost)} lost and {result.Duplicated:N0} came twice");

    /// <summary>The rate from which on one way costs less server CPU per message than another, between the rates that were measured; null if there is none.</summary>
    public static double? FindCrossing(IEnumerable<Measurement> rates, Way cheaper, Way than)
    {
        (double Rate, double Ratio)[] points = [.. Pair(rates, cheaper, than)];
        for (int i = 1; i < points.Length; i++)
        {
            ((double fromRate, double from), (double toRate, double to)) = (points[i - 1], points[i]);
            if (from >= 1 && to < 1)
            {
                // Straight between the points on logarithmic scales, as the chart draws it.
                double share = Math.Log(from) / (Math.Log(from) - Math.Log(to));
                return fromRate * Math.Pow(toRate / fromRate, share);
            }
        }

        return null;
    }

    private static string Compare(Measurement[] rates, Way one, Way other)
    {
        (double Rate, double Ratio)[] points = [.. Pair(rates, one, other)];
        string sentence = $"Server CPU per message, {one.Title()} beside {other.Title()}: ";
        if (points.Length == 0)
        {
            return sentence + "not measured.";
        }

        string range = string.Create(CultureInfo.InvariantCulture, $"from {Figure.Number(points[0].Ratio)} times at {Figure.Rate(points[0].Rate)} to {Figure.Number(points[^1].Ratio)} times at {points[^1].Rate:0.###}");
        return FindCrossing(rates, one, other) is { } crossing
            ? string.Create(CultureInfo.InvariantCulture, $"{sentence}{range}; it is less from about {Figure.Count(crossing, "message")} a second on.")
            : $"{sentence}{range}.";
    }

    private static IEnumerable<(double Rate, double Ratio)> Pair(IEnumerable<Measurement> rates, Way one, Way other)
    {
        ILookup<double, Measurement> byRate = rates.ToLookup(each => each.Rate);
        foreach (IGrouping<double, Measurement> rate in byRate.OrderBy(group => group.Key))
        {
            if (rate.FirstOrDefault(each => each.Way == one) is { CpuMicrosecondsPerMessage: > 0 } first && rate.FirstOrDefault(each => each.Way == other) is { CpuMicrosecondsPerMessage: > 0 } second)
            {
                yield return (rate.Key, first.CpuMicrosecondsPerMessage / second.CpuMicrosecondsPerMessage);
            }
        }
    }
}
