using System.Globalization;
using StackExchange.Redis;

namespace Duologue.RedisCost;

/// <summary>What a Redis server counts about itself.</summary>
internal sealed record ServerCounters(Dictionary<string, long> Calls, long BytesIn, long BytesOut, double CpuSeconds)
{
    public static async Task<ServerCounters> ReadAsync(IConnectionMultiplexer link)
    {
        Dictionary<string, string> values = [];
        foreach (string section in new[] { "commandstats", "stats", "cpu" })
        {
            string text = (string)(await link.GetDatabase().ExecuteAsync("INFO", section))!;
            foreach (string line in text.Split("\r\n"))
            {
                if (line.Split(':', 2) is [var name, var value])
                {
                    values[name] = value;
                }
            }
        }

        return new ServerCounters(
            values.Where(pair => pair.Key.StartsWith("cmdstat_", StringComparison.Ordinal)).ToDictionary(pair => pair.Key["cmdstat_".Length..], pair => long.Parse(pair.Value.Split(',')[0]["calls=".Length..], CultureInfo.InvariantCulture)),
            long.Parse(values["total_net_input_bytes"], CultureInfo.InvariantCulture),
            long.Parse(values["total_net_output_bytes"], CultureInfo.InvariantCulture),
            double.Parse(values["used_cpu_user"], CultureInfo.InvariantCulture) + double.Parse(values["used_cpu_sys"], CultureInfo.InvariantCulture));
    }

    /// <summary>What came since, per publish.</summary>
    public Cost Since(ServerCounters before, int publishes)
    {
        // Of what is called less than once in a hundred publishes the measuring itself is a part, and the heartbeat.
        IEnumerable<string> calls = Calls.Select(pair => (pair.Key, Count: (double)(pair.Value - before.Calls.GetValueOrDefault(pair.Key)) / publishes))
            .Where(pair => pair.Count >= 0.01).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Key} {pair.Count:0.##}"));
        return new Cost(string.Join(", ", calls), (double)(BytesIn - before.BytesIn) / publishes, (double)(BytesOut - before.BytesOut) / publishes, (CpuSeconds - before.CpuSeconds) / publishes * 1e6);
    }
}

internal sealed record Cost(string Calls, double BytesIn, double BytesOut, double CpuMicroseconds);
