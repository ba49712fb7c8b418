using System.Globalization;

namespace Duologue.LoadGenerator;

/// <summary>CPU time that a process has used, as the kernel counts it.</summary>
internal readonly record struct CpuTime(TimeSpan User, TimeSpan System)
{
    // What Linux shows to user space is in hundredths of a second, whatever the kernel's own tick.
    private const int TicksPerSecond = 100;

    public TimeSpan Total => User + System;

    /// <summary>Zero for process 0.</summary>
    public static CpuTime Of(int processId)
    {
        if (processId == 0)
        {
            return default;
        }

        // proc(5): the name, field 2, stands in parentheses and may hold anything; utime and stime are fields 14 and 15.
        string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return new CpuTime(Parse(fields[11]), Parse(fields[12]));
    }

    public static CpuTime operator -(CpuTime left, CpuTime right) => new(left.User - right.User, left.System - right.System);

    private static TimeSpan Parse(string ticks) => TimeSpan.FromSeconds(long.Parse(ticks, CultureInfo.InvariantCulture) / (double)TicksPerSecond);
}
