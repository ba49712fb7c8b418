using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Duologue.Aot.Tests;

/// <summary>A client and a server, compiled ahead of time, really run: what the analyzers promise, seen.</summary>
public sealed class NativeProgramTests
{
    private static readonly string _sample = typeof(NativeProgramTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "Sample").Value!;

    [Fact(Timeout = 240_000)]
    public async Task A_native_server_and_client_talk()
    {
        SkipWithoutLinker();
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        DirectoryInfo output = Directory.CreateTempSubdirectory("duologue-aot-");
        try
        {
            // Trimming and AOT warnings are errors here as everywhere.
            await RunAsync("dotnet", ["publish", _sample, "--configuration", "Release", "--runtime", RuntimeInformation.RuntimeIdentifier, "--output", output.FullName, "-nodeReuse:false", "--verbosity", "quiet"], cancellation);

            string program = Path.Combine(output.FullName, OperatingSystem.IsWindows() ? "AotEcho.exe" : "AotEcho");
            string said = await RunAsync(program, [], cancellation);
            Assert.Contains("/echo: a word -> a word", said, StringComparison.Ordinal);
            Assert.Contains("/shout: a word -> A WORD", said, StringComparison.Ordinal);
            // The runtime's zlib is linked into the program.
            Assert.Contains("closed with 1000, permessage-deflate", said, StringComparison.Ordinal);
            Assert.Contains("closed with 1000", said, StringComparison.Ordinal);
        }
        finally
        {
            output.Delete(recursive: true);
        }
    }

    private static async Task<string> RunAsync(string program, string[] arguments, CancellationToken cancellation)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellation);
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellation);
        try
        {
            await process.WaitForExitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        string said = await output + await errors;
        Assert.True(process.ExitCode == 0, $"{Path.GetFileName(program)} ended with exit code {process.ExitCode}:\n{said}");
        return said;
    }

    // https://aka.ms/nativeaot-prerequisites
    private static void SkipWithoutLinker()
    {
        if (OperatingSystem.IsLinux() && !OnPath("clang") && !OnPath("gcc"))
        {
            Assert.Skip("No linker: install clang or gcc (https://aka.ms/nativeaot-prerequisites).");
        }

        if (OperatingSystem.IsMacOS() && !OnPath("clang"))
        {
            Assert.Skip("No linker: install the Xcode command line tools (https://aka.ms/nativeaot-prerequisites).");
        }

        string installer = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFilesX86), "Microsoft Visual Studio", "Installer", "vswhere.exe");
        if (OperatingSystem.IsWindows() && !File.Exists(installer))
        {
            Assert.Skip("No linker: install Visual Studio's C++ tools (https://aka.ms/nativeaot-prerequisites).");
        }
    }

    private static bool OnPath(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, name)));
}
