using System.Globalization;
using Duologue.Fuzz;
using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Targets;

const string JournalFolder = "artifacts/fuzz/journals";

Arguments arguments;
try
{
    arguments = Arguments.Parse(args);
}
catch (FormatException error)
{
    Console.Error.WriteLine(error.Message);
    return 2;
}

// Before anything of Duologue runs: instrumented code writes to the map from its first branch on.
CoverageMap? coverage = CoverageMap.IsAvailable && arguments.Command != "afl-target" ? new CoverageMap() : null;
if (CoverageMap.IsAvailable && arguments.Input is null)
{
    // The map takes a step from what one thread does to what another does for an edge: so the pool, on which the code under test does what it does not do at once, has one.
    // Races need more: one input is played with all threads, and so is each where nothing is instrumented, as in ./test.
    ThreadPool.SetMinThreads(1, 1);
    ThreadPool.SetMaxThreads(1, 1);
}

switch (arguments.Command)
{
    case "list":
        foreach (FuzzTarget target in AllTargets.List)
        {
            Console.WriteLine($"{target.Name,-18} {target.Invariant}");
        }

        return 0;
    case "instrument" when arguments.Path is { } folder:
        Console.WriteLine($"Instrumented {Instrumentation.Create(folder)} types.");
        return 0;
    case "run" when arguments.Input is { } input:
        return RunOne(arguments.Targets[0], input, arguments.Times);
    case "run":
        int failed = 0;
        foreach (FuzzTarget target in arguments.Targets)
        {
            failed += Search(target) ? 0 : 1;
        }

        return failed == 0 ? 0 : 1;
    case "last":
        Console.WriteLine(Convert.ToHexStringLower(CrashJournal.Read(JournalPath(arguments.Targets[0]))));
        return 0;
    case "afl-seeds" when arguments.Path is { } folder:
        return WriteSeeds(arguments.Targets[0], folder);
    case "afl-target":
        FuzzTarget fuzzed = arguments.Targets[0];
        SharpFuzz.Fuzzer.OutOfProcess.Run(stream =>
        {
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            RunForAfl(fuzzed, copy.ToArray());
        });
        return 0;
    default:
        Console.Error.WriteLine(Arguments.Usage);
        return 2;
}

static string JournalPath(FuzzTarget target) => Path.Combine(JournalFolder, target.Name);

static int RunOne(FuzzTarget target, byte[] input, int times)
{
    try
    {
        ulong signature = 0;
        for (int i = 0; i < times; i++)
        {
            signature = target.Run(input);
        }

        Console.WriteLine($"{target.Name}: the invariant holds; signature {signature:x}.");
        return 0;
    }
    catch (Exception error)
    {
        // To show it is what was asked for.
        Console.WriteLine(error);
        return 1;
    }
}

static void RunForAfl(FuzzTarget target, byte[] input)
{
    try
    {
        target.Run(input);
    }
    catch (Exception error)
    {
        // afl-fuzz learns only that it failed: what failed is written down here.
        File.AppendAllText($"artifacts/fuzz/afl/{target.Name}/failures.txt", $"{Convert.ToHexStringLower(input)}\n{error}\n\n");
        throw;
    }
}

static int WriteSeeds(FuzzTarget target, string folder)
{
    Directory.CreateDirectory(folder);
    int number = 0;
    foreach (byte[] input in target.Seeds.Concat(InputFile.Read(InputFile.CorpusPath(target))).Where(input => input.Length is > 0 and < 4096))
    {
        File.WriteAllBytes(Path.Combine(folder, $"seed-{number++:d4}"), input);
    }

    File.WriteAllLines(
        Path.Combine(Path.GetDirectoryName(folder.TrimEnd('/'))!, "dictionary"),
        target.Dictionary.Where(word => word.Length is > 0 and <= 32).Select((word, i) => $"word{i}=\"{string.Concat(word.Select(b => $"\\x{b:x2}"))}\""));
    return 0;
}

bool Search(FuzzTarget target)
{
    var options = new CampaignOptions(arguments.Seed, long.MaxValue, TimeSpan.FromMinutes(arguments.Minutes))
    {
        JournalPath = JournalPath(target),
        Progress = Report,
    };
    Console.WriteLine($"{target.Name}: seed {arguments.Seed}, {(coverage is null ? "guided by signatures: this Duologue is not instrumented" : "guided by coverage")}.");
    var campaign = new Campaign(target, options, coverage is null ? null : new CoverageMap());
    Finding? finding = campaign.Run(InputFile.Read(InputFile.CorpusPath(target)).Concat(InputFile.Read(InputFile.FindingsPath(target))));
    Report(campaign);
    if (finding is not null)
    {
        Console.WriteLine(finding);
        return false;
    }

    if (arguments.Save)
    {
        List<byte[]> kept = campaign.Distill(maxInputs: 300, maxLength: 512);
        InputFile.Write(InputFile.CorpusPath(target), $"What a search found to reach much of the code of '{target.Name}': one input a line, in hex.", kept);
        Console.WriteLine($"{target.Name}: {kept.Count} inputs kept.");
    }

    return true;
}

static void Report(Campaign campaign) => Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"{campaign.Target.Name}: {campaign.Elapsed.TotalSeconds:F0} s, {campaign.Executions} executions, {campaign.ExecutionsPerSecond:F0} per second, {campaign.Corpus.Count} inputs, {(campaign.Edges is { } edges ? $"{edges} edges, " : "")}{campaign.Signatures} signatures"));
