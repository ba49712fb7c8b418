using System.Globalization;

namespace Duologue.LoadGenerator;

/// <summary>CPU time that a process has used, as the kernel counts it: the whole to the nanosecond, user mode and system to a tick.</summary>
/// <param name="UserTicks">Hundredths of a second, sampled.</param>
internal readonly record struct CpuTime(long Nanoseconds, long UserTicks, long SystemTicks)
{
    /// <summary>Zero for process 0.</summary>
    public static CpuTime Of(int processId)
    {
        if (processId == 0)
        {
            return default;
        }

        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat");
        try
        {
            (long user, long system) = Parse(File.ReadAllText(path));
            return new CpuTime(Clock(processId), user, system);
        }
        catch (IOException)
        {
            throw new LoadException($"There is no process {processId}.");
        }
    }

    /// <summary>The part of the whole that the samples give to user mode.</summary>
    public double User => UserTicks + SystemTicks == 0 ? 0 : (double)Nanoseconds * UserTicks / (UserTicks + SystemTicks);

    public double System => Nanoseconds - User;

    public static CpuTime operator -(CpuTime left, CpuTime right) =>
        new(left.Nanoseconds - right.Nanoseconds, left.UserTicks - right.UserTicks, left.SystemTicks - right.SystemTicks);

    public static CpuTime operator +(CpuTime left, CpuTime right) =>
        new(left.Nanoseconds + right.Nanoseconds, left.UserTicks + right.UserTicks, left.SystemTicks + right.SystemTicks);

    /// <summary>utime and stime of a line of /proc/PID/stat.</summary>
    internal static (long User, long System) Parse(string stat)
    {
        // proc(5): the name, field 2, stands in parentheses and may hold anything; utime and stime are fields 14 and 15.
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture), long.Parse(fields[12], CultureInfo.InvariantCulture));
    }

    // clock_getcpuclockid(3): the clock of another process, all its threads, those that have ended included.
    private static unsafe long Clock(int processId)
    {
        const int Scheduler = 2;
        long* time = stackalloc long[2];
        Libc.Check(Libc.GetClock((~processId << 3) | Scheduler, time), "clock_gettime");
        return (time[0] * 1_000_000_000) + time[1];
    }
}
