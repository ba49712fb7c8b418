using System.Globalization;

namespace Duologue.LoadGenerator;

/// <summary>A process's memory as the kernel counts it, in KiB.</summary>
/// <param name="Resident">All pages that are in memory.</param>
/// <param name="Proportional">The same, with pages that several processes share counted by their share.</param>
internal readonly record struct ProcessMemory(double Resident, double Proportional)
{
    public static ProcessMemory Of(int processId)
    {
        string folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/");
        try
        {
            return new ProcessMemory(Read(File.ReadLines(folder + "status"), "VmRSS:"), Read(File.ReadLines(folder + "smaps_rollup"), "Pss:"));
        }
        catch (IOException)
        {
            throw new LoadException($"The process {processId} shows no memory; name the server's by --pid.");
        }
    }

    internal static double Read(IEnumerable<string> lines, string name)
    {
        string line = lines.FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) ?? throw new LoadException($"The kernel tells no {name}");
        return double.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
