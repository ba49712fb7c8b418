using Microsoft.Playwright;

namespace Duologue.Cli.Tests.Page;

/// <summary>Finds and starts the Chromium, Chrome or Edge of this machine. It brings none along.</summary>
public static class Chromium
{
    /// <summary>What a test that needs one is skipped with.</summary>
    public const string Missing = "No Chromium found: put chromium on the PATH or name it by DUOLOGUE_CHROMIUM.";

    private static readonly string[] Names = OperatingSystem.IsWindows()
        ? ["chrome.exe", "msedge.exe"]
        : ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

    /// <summary>The path of its program, or null.</summary>
    public static string? Find() =>
        Environment.GetEnvironmentVariable("DUOLOGUE_CHROMIUM") is { Length: > 0 } named
            ? named
            : (Environment.GetEnvironmentVariable("PATH") ?? "")
                .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
                .SelectMany(static folder => Names.Select(name => Path.Combine(folder, name)))
                .FirstOrDefault(File.Exists);

    /// <summary>Starts it, headless.</summary>
    public static Task<IBrowser> LaunchAsync(IPlaywright playwright, string executable, params string[] arguments) => playwright.Chromium.LaunchAsync(new()
    {
        ExecutablePath = executable,
        Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", .. arguments],
    });
}
