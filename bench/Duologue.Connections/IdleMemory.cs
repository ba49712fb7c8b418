using System.Globalization;
using System.Text.Json;

namespace Duologue.Connections;

/// <summary>Memory of the server as it tells itself, in bytes.</summary>
/// <param name="Live">What the garbage collector found alive.</param>
/// <param name="Committed">What the garbage collector has of the system.</param>
/// <param name="Rss">Resident, from /proc/self/smaps_rollup, as is <paramref name="Pss"/>.</param>
/// <param name="Pss">Resident, pages shared with other processes by their part.</param>
internal sealed record ServerMemory(long Live, long Committed, long Rss, long Pss)
{
    public static async Task<ServerMemory> OfAsync(int port, bool collect)
    {
        // One request, one connection: none stays open beside those that are counted.
        using var client = new HttpClient();
        client.DefaultRequestHeaders.ConnectionClose = true;
        string json = await client.GetStringAsync(new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/memory?collect={(collect ? 1 : 0)}")));
        return JsonSerializer.Deserialize<ServerMemory>(json, JsonSerializerOptions.Web)!;
    }
}

internal static class IdleMemory
{
    // Enough for the server's code to be what it stays: what the compiler takes is not the connections'.
    private const int WarmUp = 2_000;
    private const int WarmUps = 8;

    private static readonly TimeSpan AnswerPeriod = TimeSpan.FromMilliseconds(100);

    /// <summary>Memory at each count, and per connection more than at the first.</summary>
    public static async Task MeasureSlopeAsync(int port, int[] counts)
    {
        await WarmUpAsync(port);
        using var crowd = new Crowd(port);
        ServerMemory? first = null;
        Console.WriteLine("connections,live_bytes,committed_bytes,rss_bytes,pss_bytes,live_per_connection,rss_per_connection,pss_per_connection");
        foreach (int count in counts)
        {
            await crowd.GrowAsync(count);
            await RestAsync(crowd, TimeSpan.FromSeconds(3));
            ServerMemory now = await ServerMemory.OfAsync(port, collect: true);
            crowd.AnswerPings();
            first ??= now;
            double more = Math.Max(1, count - counts[0]);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{count},{now.Live},{now.Committed},{now.Rss},{now.Pss},{(now.Live - first.Live) / more:F0},{(now.Rss - first.Rss) / more:F0},{(now.Pss - first.Pss) / more:F0}"));
        }
    }

    /// <summary>Memory before the crowd, with it, and after it. Nothing is collected but what the server collects itself.</summary>
    public static async Task MeasureBurstAsync(int port, int count, int seconds)
    {
        await WarmUpAsync(port);
        await Task.Delay(TimeSpan.FromSeconds(5));
        Console.WriteLine("when,live_bytes,committed_bytes,rss_bytes,pss_bytes,rss_more_mb");
        ServerMemory before = await ServerMemory.OfAsync(port, collect: true);
        Tell("before", before);
        using (var crowd = new Crowd(port))
        {
            await crowd.GrowAsync(count);
            Tell("open", await ServerMemory.OfAsync(port, collect: false));
        }

        for (int passed = 0; passed < seconds; passed += 10)
        {
            await Task.Delay(TimeSpan.FromSeconds(Math.Min(10, seconds - passed)));
            Tell($"+{Math.Min(passed + 10, seconds)} s", await ServerMemory.OfAsync(port, collect: false));
        }

        Tell("collected", await ServerMemory.OfAsync(port, collect: true));

        void Tell(string when, ServerMemory now) => Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{when},{now.Live},{now.Committed},{now.Rss},{now.Pss},{(now.Rss - before.Rss) / 1e6:F1}"));
    }

    // A ping that is not answered at once keeps something in the server that one of a peer at rest does not.
    private static async Task RestAsync(Crowd crowd, TimeSpan time)
    {
        for (TimeSpan passed = TimeSpan.Zero; passed < time; passed += AnswerPeriod)
        {
            crowd.AnswerPings();
            await Task.Delay(AnswerPeriod);
        }
    }

    private static async Task WarmUpAsync(int port)
    {
        for (byte i = 1; i <= WarmUps; i++)
        {
            using var crowd = new Crowd(port, network: i);
            await crowd.GrowAsync(WarmUp);
        }

        await Task.Delay(TimeSpan.FromSeconds(2));
    }
}
