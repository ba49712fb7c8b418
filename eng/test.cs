// Builds everything, brings in what the tests need, runs them one project after the other, and sums up.
// One program for all systems; ./test and test.cmd only start it.
// The last line is "N passed, N failed", and ", N skipped" where some were. Exit code 0 only if all is well.
// A hang, a crash: their dumps are in artifacts/test-results. With --coverage it says how much of each assembly has run.

using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Xml.Linq;

var root = Environment.CurrentDirectory;
var results = Path.Combine(root, "artifacts", "test-results");
var environment = new Dictionary<string, string>(); // what the tests are told of what was found

// Leading words name test projects; the rest belongs to the test runner.
var chosen = args.TakeWhile(arg => !arg.StartsWith('-')).ToArray();
var measuresCoverage = args.Contains("--coverage");
var runnerArguments = args[chosen.Length..].Where(arg => arg != "--coverage").ToArray();

var projects = Directory.GetFiles(Path.Combine(root, "tests"), "*.csproj", SearchOption.AllDirectories)
    .Select(path => Path.GetFileNameWithoutExtension(path))
    .Order(StringComparer.Ordinal)
    .ToArray();
if (chosen.Except(projects).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"test: no project is named '{unknown}'. There are: {string.Join(", ", projects)}.");
    return 2;
}

if (!Build())
{
    Console.Error.WriteLine("test: the build failed; no test was run.");
    return 1;
}

var selected = chosen.Length > 0 ? chosen : projects;
if (selected.Contains("Duologue.Cli.Tests") || selected.Contains("Duologue.Browser.Tests") || selected.Contains("Duologue.Cluster.Tests"))
{
    BringChromium();
}

if (selected.Contains("Duologue.Interop.Tests") || selected.Contains("Duologue.Browser.Tests"))
{
    BringNode();
}

if (selected.Contains("Duologue.Redis.Tests") || selected.Contains("Duologue.Aot.Tests") || selected.Contains("Duologue.Cli.Tests") || selected.Contains("Duologue.Cluster.Tests") || selected.Contains("Duologue.Bench.Tests"))
{
    BringRedis();
}

if ((selected.Contains("Duologue.Interop.Tests") || selected.Contains("Duologue.Cluster.Tests")) && OperatingSystem.IsLinux())
{
    BringProxy("nginx", "nginx-light");
    BringProxy("HAProxy", "haproxy");
}

Directory.CreateDirectory(results);
var lines = new Dictionary<(string Assembly, string File, int Line), bool>(); // whether one has run, of all projects together
int passed = 0, skipped = 0;
var failures = new List<string>();
foreach (var project in selected)
{
    RunTests(project);
}

if (measuresCoverage)
{
    TellCoverage();
}

Console.WriteLine();
foreach (var failure in failures)
{
    Console.WriteLine($"failed: {failure}");
}

if (passed + failures.Count == 0)
{
    Console.WriteLine(runnerArguments.Length > 0 ? "No test matches." : "No test was run.");
}

Console.WriteLine($"{passed} passed, {failures.Count} failed" + (skipped > 0 ? $", {skipped} skipped" : ""));
return failures.Count == 0 && passed > 0 ? 0 : 1;

bool Build()
{
    string[] targets = chosen.Length > 0 ? [.. chosen.Select(project => Path.Combine("tests", project))] : ["Duologue.slnx"];

    // One compiler for all projects, also where the environment says otherwise: it loads itself and its analyzers once rather than some thirty times.
    // It is this script's own, so that it takes no other's with it when it is told to end.
    var compiler = $"duologue-test-{Environment.ProcessId}";
    try
    {
        foreach (var target in targets)
        {
            Heading($"Building {target}");
            // No build node outlives the script: it would hold on to the output of whoever waits for its end.
            if (Run("dotnet", ["build", target, "--configuration", "Release", "--verbosity", "minimal", "-nodeReuse:false", "-clp:NoSummary", "-p:UseSharedCompilation=true", $"-p:SharedCompilationId={compiler}"]) != 0)
            {
                return false;
            }
        }

        return true;
    }
    finally
    {
        EndCompiler(compiler);
    }
}

// Where it is not found it ends by itself, ten minutes later.
void EndCompiler(string name)
{
    var start = new ProcessStartInfo("dotnet", ["--version"]) { WorkingDirectory = root, RedirectStandardOutput = true };
    using var process = Process.Start(start)!;
    var version = process.StandardOutput.ReadToEnd().Trim();
    var sdks = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "sdk"));
    var program = Path.Combine(sdks, version, "Roslyn", "bincore", "VBCSCompiler.dll");
    if (File.Exists(program))
    {
        Run("dotnet", [program, $"-pipename:{name}", "-shutdown"]);
    }
}

void RunTests(string project)
{
    Heading($"Testing {project}");
    var report = Path.Combine(results, $"{project}.trx");
    File.Delete(report);
    string[] Coverage() => Directory.GetFiles(results, $"{project}.coverage.cobertura*.xml");
    Array.ForEach(Coverage(), File.Delete);
    var clock = Stopwatch.StartNew();
    // A run that shows nothing for half a minute says that it lives.
    using var heartbeat = new Timer(
        _ => Console.WriteLine($"  ... {project}: {clock.Elapsed.TotalSeconds:F0} s"), null, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));
    var exitCode = Run(
        "dotnet",
        [
            Path.Combine(root, "artifacts", "bin", project, "release", $"{project}.dll"),
            "--results-directory", results, "--report-trx", "--report-trx-filename", $"{project}.trx",
            "--hangdump", "--hangdump-timeout", "5m", "--hangdump-type", "Mini",
            "--crashdump", "--crashdump-type", "Mini", "--crash-report-if-supported",
            .. measuresCoverage ? ["--coverlet", "--coverlet-output-format", "cobertura", "--coverlet-file-prefix", project] : Array.Empty<string>(),
            "--ignore-exit-code", "8", // no test matched the filter: judged over all projects
            .. Console.IsOutputRedirected ? ["--ansi", "off"] : Array.Empty<string>(),
            .. runnerArguments,
        ]);

    Array.ForEach(Coverage(), ReadCoverage);
    var failedBefore = failures.Count;
    if (File.Exists(report))
    {
        XNamespace ns = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
        var outcomes = XDocument.Load(report).Descendants(ns + "UnitTestResult")
            .Select(result => (Name: (string?)result.Attribute("testName") ?? "?", Outcome: (string?)result.Attribute("outcome"), Why: (string?)result.Descendants(ns + "Message").FirstOrDefault()));
        foreach (var (name, outcome, why) in outcomes)
        {
            switch (outcome)
            {
                case "Passed":
                    passed++;
                    break;
                case "NotExecuted":
                    skipped++;
                    break;
                default:
                    failures.Add(why is null ? name : $"{name}{Environment.NewLine}  {why.Trim().ReplaceLineEndings(Environment.NewLine + "  ")}");
                    break;
            }
        }
    }

    // A crash or a hang leaves no failed test behind, or no report; it must not pass for a success.
    if (exitCode != 0 && failures.Count == failedBefore)
    {
        failures.Add($"{project}: the run ended with exit code {exitCode}");
    }
}

void ReadCoverage(string report)
{
    foreach (var ofClass in XDocument.Load(report).Descendants("class"))
    {
        var assembly = (string)ofClass.Ancestors("package").First().Attribute("name")!;
        var file = (string)ofClass.Attribute("filename")!;
        foreach (var line in ofClass.Elements("lines").Elements("line"))
        {
            var key = (assembly, file, (int)line.Attribute("number")!);
            lines[key] = lines.GetValueOrDefault(key) || (int)line.Attribute("hits")! > 0;
        }
    }
}

void TellCoverage()
{
    Heading("Lines that have run");
    foreach (var assembly in lines.GroupBy(line => line.Key.Assembly).OrderBy(assembly => assembly.Key, StringComparer.Ordinal))
    {
        var run = assembly.Count(line => line.Value);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{assembly.Key}: {100.0 * run / assembly.Count():F1} % of {assembly.Count():N0}"));
    }
}

void BringChromium()
{
    string[] names = OperatingSystem.IsWindows()
        ? ["chrome.exe", "msedge.exe", "chromium.exe"]
        : ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"];
    string[] places = OperatingSystem.IsMacOS()
        ? ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"]
        : [];
    if (OperatingSystem.IsWindows())
    {
        var folders = new[] { Environment.SpecialFolder.ProgramFiles, Environment.SpecialFolder.ProgramFilesX86, Environment.SpecialFolder.LocalApplicationData }
            .Select(Environment.GetFolderPath);
        places = [.. folders.Select(folder => folder + @"\Google\Chrome\Application\chrome.exe"), .. folders.Select(folder => folder + @"\Microsoft\Edge\Application\msedge.exe")];
    }

    string? Find() =>
        Environment.GetEnvironmentVariable("DUOLOGUE_CHROMIUM") is { Length: > 0 } given ? given
        : names.Select(OnPath).OfType<string>().FirstOrDefault() ?? places.FirstOrDefault(File.Exists);

    if (Find() is null)
    {
        Install("Chromium", ["chromium", "fonts-liberation"]);
    }

    if (Find() is { } browser)
    {
        environment["DUOLOGUE_CHROMIUM"] = browser;
    }
    else
    {
        Console.WriteLine("The browser tests are skipped: install Chromium or Chrome, or name one in DUOLOGUE_CHROMIUM.");
    }
}

void BringNode()
{
    var npm = OperatingSystem.IsWindows() ? "npm.cmd" : "npm";
    var node = OperatingSystem.IsWindows() ? "node.exe" : "node";
    if (OnPath(node) is null || OnPath(npm) is null)
    {
        Install("Node.js", ["nodejs", "npm"]);
    }

    if (OnPath(node) is null || OnPath(npm) is not { } npmPath)
    {
        Console.WriteLine("The tests against Node.js are skipped: install Node.js 18 or later, with npm.");
        return;
    }

    var folder = Path.Combine(root, "tests", "Duologue.Interop.Tests", "node");
    var installed = new FileInfo(Path.Combine(folder, "node_modules", ".package-lock.json"));
    if (installed.Exists && installed.LastWriteTimeUtc >= File.GetLastWriteTimeUtc(Path.Combine(folder, "package-lock.json")))
    {
        return;
    }

    Heading("Installing the npm packages of the Node.js peer");
    if (Run(npmPath, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], folder) != 0)
    {
        Console.WriteLine("The tests against Node.js are skipped: `npm ci` failed in tests/Duologue.Interop.Tests/node.");
    }
}

void BringRedis()
{
    if (OnPath("redis-server") is null && !OperatingSystem.IsWindows())
    {
        Install("Redis", ["redis-server"]);
    }

    if (OnPath("redis-server") is null)
    {
        Console.WriteLine("The tests against redis-server and of clusters (Duologue.Cluster.Tests) are skipped, the others run on Garnet: install Redis 7 or later.");
    }
}

void BringProxy(string name, string package)
{
    var program = name.ToLowerInvariant();
    bool IsThere() => OnPath(program) is not null || File.Exists($"/usr/sbin/{program}");
    if (!IsThere())
    {
        Install(name, [package]);
    }

    if (!IsThere())
    {
        Console.WriteLine($"The tests through {name} are skipped: install {name}.");
    }
}

// Debian's packages, where that takes no password.
void Install(string what, string[] packages)
{
    if (!File.Exists("/etc/debian_version") || OnPath("apt-get") is null)
    {
        return;
    }

    string[] prefix = [];
    if (!Environment.IsPrivilegedProcess)
    {
        if (OnPath("sudo") is null || Run("sudo", ["-n", "true"]) != 0)
        {
            return;
        }

        prefix = ["sudo", "-n"];
    }

    Heading($"Installing {what} from Debian's packages");
    string[] update = [.. prefix, "apt-get", "-qq", "update"];
    // At run level 1 a package starts no service: the tests start what they need on ports of their own.
    string[] install = [.. prefix, "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-qq", "install", "-y", "--no-install-recommends", .. packages];
    if (Run(update[0], update[1..]) != 0 || Run(install[0], install[1..]) != 0)
    {
        Console.WriteLine($"{what} could not be installed.");
    }
}

int Run(string program, IEnumerable<string> arguments, string? folder = null)
{
    var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder ?? root };
    foreach (var (name, value) in environment)
    {
        start.Environment[name] = value;
    }

    Console.Out.Flush();
    using var process = Process.Start(start)!;
    process.WaitForExit();
    return process.ExitCode;
}

static string? OnPath(string name) =>
    (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, name))
        .FirstOrDefault(File.Exists);

static void Heading(string text) =>
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\n== {DateTime.Now:HH:mm:ss} {text}"));
