using System.Runtime.InteropServices;

namespace Duologue.Cli.Compare;

/// <summary>Says on what machine this is: figures without it mean nothing.</summary>
internal static class MachineInfo
{
    private const string ProcessorFile = "/proc/cpuinfo";
    private const string LimitsFile = "/proc/self/limits";

    public static Machine Get() => new(GetProcessor(), Environment.ProcessorCount, RuntimeInformation.OSDescription, RuntimeInformation.FrameworkDescription);

    /// <summary>How many file descriptors this process and those that it starts may have open; null where that is not known.</summary>
    public static int? FindDescriptorLimit()
    {
        if (!File.Exists(LimitsFile))
        {
            return null;
        }

        // "Max open files            20000                20000                files"; .NET has raised the first, which holds, to the second.
        string? line = File.ReadLines(LimitsFile).FirstOrDefault(line => line.StartsWith("Max open files", StringComparison.Ordinal));
        string[] words = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        return words.Length > 3 && int.TryParse(words[3], out int limit) ? limit : null;
    }

    private static string GetProcessor()
    {
        if (File.Exists(ProcessorFile) && File.ReadLines(ProcessorFile).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) is { } line)
        {
            return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        }

        return RuntimeInformation.ProcessArchitecture.ToString();
    }
}
