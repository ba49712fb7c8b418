using System.Diagnostics;
using Duologue.Fuzz.Engine;

namespace Duologue.Fuzz.Tests.Engine;

[Collection(OneAtATime.Name)]
public sealed class InstrumentationTests
{
    [Fact]
    public async Task A_search_in_an_instrumented_copy_is_guided_by_coverage()
    {
        string folder = Directory.CreateTempSubdirectory("duologue-fuzz-").FullName;
        try
        {
            string copy = Path.Combine(folder, "copy");
            Assert.InRange(Instrumentation.Create(copy), 50, 10_000);
            var start = new ProcessStartInfo("dotnet", [Path.Combine(copy, "Duologue.Fuzz.dll"), "run", "close-frame", "--minutes", "0.02", "--seed", "1"])
            {
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
            };
            using Process process = Process.Start(start)!;
            string said = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, process.ExitCode);
            Assert.Contains("guided by coverage", said, StringComparison.Ordinal);
            Assert.Matches(@"[1-9]\d* edges", said);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
