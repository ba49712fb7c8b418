namespace Duologue.Browser.Tests.Comparison;

/// <summary>
/// <c>DUOLOGUE_RECORD=1 ./test Duologue.Browser.Tests</c> writes the .log files anew, and the .ours.log files that are there:
/// read the difference as a reviewer would, and build again.
/// </summary>
internal static class Recording
{
    public static bool IsOn { get; } = Environment.GetEnvironmentVariable("DUOLOGUE_RECORD") == "1";

    public static async Task WriteAsync(string name, string ending, string log)
    {
        string path = Path.Combine(Scenario.Folder, name + ending);
        if (ending == ".log" || File.Exists(path))
        {
            await File.WriteAllTextAsync(path, log, TestContext.Current.CancellationToken);
        }
    }
}
