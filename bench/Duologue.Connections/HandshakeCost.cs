using System.Globalization;

namespace Duologue.Connections;

/// <summary>Server CPU time per connection from its SYN to its first echo. What ending it costs is not in it.</summary>
internal static class HandshakeCost
{
    // What Linux shows to user space is in hundredths of a second, whatever the kernel's own tick.
    private const double MicrosecondsPerTick = 10_000;

    public static async Task MeasureAsync(int port, int processId, int count, int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            (long user, long system) = CpuOf(processId);
            using var crowd = new Crowd(port);
            await crowd.GrowAsync(count);

            // What comes after the last echo (the rest of its request) belongs to it.
            await Task.Delay(TimeSpan.FromMilliseconds(100));
            (long userAfter, long systemAfter) = CpuOf(processId);
            double perUser = (userAfter - user) * MicrosecondsPerTick / count;
            double perSystem = (systemAfter - system) * MicrosecondsPerTick / count;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{perUser + perSystem:F1} {perUser:F1} {perSystem:F1}"));
            crowd.Dispose();
            await SettleAsync(processId);
        }
    }

    // Until the server has done with the ends.
    private static async Task SettleAsync(int processId)
    {
        (long, long) before;
        (long, long) now = CpuOf(processId);
        do
        {
            before = now;
            await Task.Delay(TimeSpan.FromMilliseconds(400));
            now = CpuOf(processId);
        }
        while (now != before);
    }

    private static (long User, long System) CpuOf(int processId)
    {
        // proc(5): the name, field 2, stands in parentheses and may hold anything; utime and stime are fields 14 and 15.
        string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture), long.Parse(fields[12], CultureInfo.InvariantCulture));
    }
}
