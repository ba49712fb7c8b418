// Measures Duologue's servers and others on this machine, interleaved, and writes what came out: see bench/run and bench/README.md.
// Exit code 0: all that was asked for is in the results; 1: something failed; 2: bad arguments; 3: the budget did not suffice, run again.

using System.Globalization;
using System.Runtime.InteropServices;
using Duologue.Comparison;

string root = Environment.GetEnvironmentVariable("BENCH_ROOT") ?? Environment.CurrentDirectory;
if (RunOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine(RunOptions.Usage);
    return 2;
}

if (options.List)
{
    foreach (BenchCase one in KnownCases.All)
    {
        Console.WriteLine($"{one.Name,-24} {one.Title}: {one.FigureTitle}");
    }

    Console.WriteLine($"\nservers: {string.Join(", ", KnownServers.Standard.Select(server => server.Name))}\nby name: {string.Join(", ", KnownServers.Others.Select(server => server.Name))}");
    return 0;
}

IReadOnlyList<BenchCase> cases = KnownCases.Fit(KnownCases.Select(options.Cases), Machine.Descriptors);
IReadOnlyList<ServerKind> servers = options.SelectServers();
if (cases.Count == 0 || servers.Count == 0)
{
    Console.Error.WriteLine("bench/run: no case or no server has such a name; --list names them.");
    return 2;
}

try
{
    Places places = new(root, Path.GetFullPath(options.Out ?? Path.Combine(root, "artifacts", "bench", "run")));
    if (!options.NoBuild)
    {
        places.Build(servers);
    }

    if (options.BuildOnly)
    {
        return 0;
    }

    foreach (ServerKind server in servers)
    {
        if (places.Missing(server.Need) is { } reason)
        {
            Console.Error.WriteLine($"bench/run: {server.Name} is left out: {reason}.");
        }
    }

    servers = [.. servers.Where(server => places.Missing(server.Need) is null)];
    if (Machine.Load > 0.5)
    {
        Console.Error.WriteLine($"bench/run: the machine is busy (load {Machine.Load}); wait, or do not believe the numbers.");
    }

    places.MakeCertificate();
    string? independent = Environment.GetEnvironmentVariable("WSLOAD") is { Length: > 0 } named ? named : null;
    Generator generator = new(places.Generator, independent, Cores.IsPinned ? options.GeneratorCore : null);
    ResultFile results = new(places.Results);
    using Campaign campaign = new(options, servers, places, generator, results);
    void End(PosixSignalContext context) => campaign.Dispose();
    using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
    using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
    campaign.Run(cases);

    string about = string.Create(
        CultureInfo.InvariantCulture,
        $"""
        `bench/run`, {DateTime.UtcNow:yyyy-MM-dd}: windows of {options.Seconds} s, interleaved; {(Cores.IsPinned ? $"servers on core {options.ServerCore}, generator on core {options.GeneratorCore}" : "not pinned")}.
        Generator: {(independent is null ? "bench/Duologue.LoadGenerator" : "the one named by WSLOAD for echo and fan-out, else bench/Duologue.LoadGenerator")}. Medians, in parentheses the least and the most; a ratio above 1 says how many times less than {options.BaselineName} a server needs.
        {Machine.Describe(root)}.
        """);
    CaseResults[] all =
    [
        .. KnownCases.Fit(KnownCases.All, Machine.Descriptors).Select(one => new CaseResults(one, [.. results.Measurements.Where(measurement => measurement.Case == one.Name)])).Where(one => one.Servers.Count > 0),
    ];
    string[] others = ["system", "system-inline", "ws", "bun"];
    await File.WriteAllTextAsync(Path.Combine(places.Out, "results.md"), MarkdownTable.Render(all, options.BaselineName, about));
    await File.WriteAllTextAsync(
        Path.Combine(places.Out, "results.svg"),
        Chart.Render(all, options.BaselineName, server => KnownServers.Select([server]).Count > 0 && !others.Contains(server)));
    Console.WriteLine($"results.csv, results.md and results.svg are in {places.Out}");
    return campaign.IsCutShort ? 3 : campaign.HasFailures ? 1 : 0;
}
catch (RunException exception)
{
    Console.Error.WriteLine($"bench/run: {exception.Message}");
    return 1;
}
