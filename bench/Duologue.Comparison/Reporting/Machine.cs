using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Duologue.Comparison;

/// <summary>Where it was measured, and how busy that is.</summary>
internal static class Machine
{
    public static double Load { get; } = File.Exists("/proc/loadavg")
        ? double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture)
        : 0;

    /// <summary>What a process that this one starts may have open.</summary>
    public static long Descriptors { get; } = File.Exists("/proc/self/limits") ? ParseDescriptors(File.ReadLines("/proc/self/limits")) : long.MaxValue;

    /// <summary>The hard limit of open files, in the lines of /proc/PID/limits.</summary>
    internal static long ParseDescriptors(IEnumerable<string> limits)
    {
        string[]? words = limits.FirstOrDefault(line => line.StartsWith("Max open files", StringComparison.Ordinal))?.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words is not null && long.TryParse(words[4], NumberStyles.None, CultureInfo.InvariantCulture, out long hard) ? hard : long.MaxValue;
    }

    public static string Describe(string root) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Processor()}, {Environment.ProcessorCount} cores, load {Load} before, {RuntimeInformation.OSDescription}, .NET {Environment.Version}, commit {Commit(root)}");

    private static string Processor() => File.Exists("/proc/cpuinfo")
        ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[^1] ?? RuntimeInformation.ProcessArchitecture.ToString()
        : RuntimeInformation.ProcessArchitecture.ToString();

    private static string Commit(string root)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("git", ["-C", root, "rev-parse", "--short", "HEAD"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            return process.StandardOutput.ReadToEnd().Trim();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "unknown";
        }
    }
}
