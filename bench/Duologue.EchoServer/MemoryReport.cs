using System.Globalization;

namespace Duologue.EchoServer;

/// <summary>GET /memory: what the process holds, after a collection of everything if so asked (?collect=1).</summary>
internal static class MemoryReport
{
    public static void MapTo(WebApplication application) => application.MapGet("/memory", static (HttpContext context) =>
    {
        if (context.Request.Query["collect"] == "1")
        {
            for (int i = 0; i < 2; i++)
            {
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                GC.WaitForPendingFinalizers();
            }
        }

        long live = GC.GetTotalMemory(forceFullCollection: false);
        string json = string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"live":{{live}},"committed":{{GC.GetGCMemoryInfo(GCKind.Any).TotalCommittedBytes}},"rss":{{Read("Rss:")}},"pss":{{Read("Pss:")}}}""");
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(json);
    });

    private static long Read(string name)
    {
        foreach (string line in File.ReadLines("/proc/self/smaps_rollup"))
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
            {
                return long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
            }
        }

        return 0;
    }
}
