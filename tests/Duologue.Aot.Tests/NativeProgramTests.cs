using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Duologue.Aot.Tests;

/// <summary>A client and a server, compiled ahead of time, really run: what the analyzers promise, seen.</summary>
public sealed class NativeProgramTests(NativeProgramTests.Published program) : IClassFixture<NativeProgramTests.Published>
{
    [Fact(Timeout = 240_000)]
    public async Task A_native_server_and_client_talk()
    {
        Assert.SkipWhen(program.Missing is not null, program.Missing ?? "");
        string said = await RunAsync(program.Path, [], TestContext.Current.CancellationToken);
        Assert.Contains("/echo: a word -> a word", said, StringComparison.Ordinal);
        Assert.Contains("/shout: a word -> A WORD", said, StringComparison.Ordinal);
        // The runtime's zlib is linked into the program.
        Assert.Contains("closed with 1000, permessage-deflate", said, StringComparison.Ordinal);
        Assert.Contains("closed with 1000", said, StringComparison.Ordinal);
    }

    [Fact(Timeout = 240_000)]
    public async Task Two_native_nodes_share_a_topic_over_Redis()
    {
        Assert.SkipWhen(program.Missing is not null, program.Missing ?? "");
        Assert.SkipUnless(OnPath("redis-server"), "redis-server is not installed (Debian: redis-server).");
        DirectoryInfo folder = Directory.CreateTempSubdirectory("duologue-aot-redis-");
        using Process redis = await StartRedisAsync(folder.FullName);
        try
        {
            // By its socket nobody else can have taken what it listens on.
            string said = await RunAsync(program.Path, ["!" + Path.Combine(folder.FullName, "redis.sock")], TestContext.Current.CancellationToken);
            Assert.Contains("talk: a word -> a word, over Redis", said, StringComparison.Ordinal);
        }
        finally
        {
            redis.Kill();
            await redis.WaitForExitAsync(CancellationToken.None);
            folder.Delete(recursive: true);
        }
    }

    private static async Task<Process> StartRedisAsync(string folder)
    {
        ProcessStartInfo start = new("redis-server", ["--port", "0", "--unixsocket", Path.Combine(folder, "redis.sock"), "--save", "", "--dir", folder]) { RedirectStandardOutput = true };
        Process redis = Process.Start(start)!;
        string? line;
        do
        {
            line = await redis.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
            Assert.False(line is null, "redis-server does not start.");
        }
        while (!line.Contains("ready to accept connections", StringComparison.OrdinalIgnoreCase));
        _ = redis.StandardOutput.ReadToEndAsync(CancellationToken.None);
        return redis;
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
    private static string? FindWhyNoLinker()
    {
        if (OperatingSystem.IsLinux() && !OnPath("clang") && !OnPath("gcc"))
        {
            return "No linker: install clang or gcc (https://aka.ms/nativeaot-prerequisites).";
        }

        if (OperatingSystem.IsMacOS() && !OnPath("clang"))
        {
            return "No linker: install the Xcode command line tools (https://aka.ms/nativeaot-prerequisites).";
        }

        string installer = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFilesX86), "Microsoft Visual Studio", "Installer", "vswhere.exe");
        return OperatingSystem.IsWindows() && !File.Exists(installer) ? "No linker: install Visual Studio's C++ tools (https://aka.ms/nativeaot-prerequisites)." : null;
    }

    private static bool OnPath(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, name)));

    /// <summary>The sample, published once for all tests.</summary>
    public sealed class Published : IAsyncLifetime
    {
        private static readonly string _sample = typeof(NativeProgramTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(attribute => attribute.Key == "Sample").Value!;

        private readonly DirectoryInfo _output = Directory.CreateTempSubdirectory("duologue-aot-");

        /// <summary>Why there is none, if so.</summary>
        public string? Missing { get; } = FindWhyNoLinker();

        public string Path => System.IO.Path.Combine(_output.FullName, OperatingSystem.IsWindows() ? "AotEcho.exe" : "AotEcho");

        public async ValueTask InitializeAsync()
        {
            if (Missing is null)
            {
                // Trimming and AOT warnings are errors here as everywhere.
                await RunAsync("dotnet", ["publish", _sample, "--configuration", "Release", "--runtime", RuntimeInformation.RuntimeIdentifier, "--output", _output.FullName, "-nodeReuse:false", "--verbosity", "quiet"], TestContext.Current.CancellationToken);
            }
        }

        public ValueTask DisposeAsync()
        {
            _output.Delete(recursive: true);
            return ValueTask.CompletedTask;
        }
    }
}
