using System.Diagnostics;
using System.Globalization;

namespace Duologue.Backplane;

/// <summary>Starts programs on one processor: the nodes share one, Redis and the clients have another, so that the clients' cost is not the nodes'.</summary>
internal static class Pinning
{
    /// <param name="core">Null for any.</param>
    public static ProcessStartInfo Start(int? core, string program, IEnumerable<string> arguments)
    {
        // taskset replaces itself by the program: the process's number is the program's.
        ProcessStartInfo start = core is null
            ? new ProcessStartInfo(program, arguments)
            : new ProcessStartInfo("taskset", ["-c", core.Value.ToString(CultureInfo.InvariantCulture), program, .. arguments]);
        start.RedirectStandardOutput = true;
        return start;
    }
}
