// Bad peers of every kind against one server, while well-behaved clients talk and may not lose a message.
//   Duologue.Faults run [--plan full|small] [--only NAME,NAME] [--no-memory] [--out DIR] [--docs FILE]
//   Duologue.Faults docs RESULTS.json FILE    writes an earlier run into the document
//   Duologue.Faults serve full|small          the server alone; `run` starts it
// Linux: each attacker has an address of its own in 127.0.0.0/8.

using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Duologue.Faults;
using Spectre.Console;

switch (args)
{
    case ["serve", string plan]:
        await FaultServer.ServeAsync(Plan.Named(plan));
        return 0;
    case ["docs", string json, string document]:
        ResultTable.WriteInto(document, JsonSerializer.Deserialize(File.ReadAllText(json), FaultsJson.Default.RunResult)!);
        return 0;
    case ["run", .. string[] rest]:
        return await RunAsync(rest);
    default:
        Console.Error.WriteLine("usage: Duologue.Faults run [--plan full|small] [--only NAME,NAME] [--no-memory] [--out DIR] [--docs FILE] | docs RESULTS.json FILE | serve full|small");
        return 2;
}

static async Task<int> RunAsync(string[] arguments)
{
    string? Option(string name) => Array.IndexOf(arguments, name) is >= 0 and var i && i + 1 < arguments.Length ? arguments[i + 1] : null;
    Plan plan = Plan.Named(Option("--plan") ?? "full");
    string[] only = Option("--only")?.Split(',') ?? [];
    Fault[] faults = [.. KnownFaults.All(plan).Where(fault => only.Length == 0 || only.Contains(fault.Name))];
    if (only.Except(faults.Select(fault => fault.Name)).FirstOrDefault() is { } unknown)
    {
        Console.Error.WriteLine($"There is no fault \"{unknown}\". There are: {string.Join(", ", KnownFaults.All(plan).Select(fault => fault.Name))}.");
        return 2;
    }

    bool endures = only.Length == 0 && !arguments.Contains("--no-memory");
    await using ServerHandle server = await ServerHandle.StartAsync(plan);
    RunResult results = await AnsiConsole.Progress()
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
        .StartAsync(progress => AttackAsync(server, plan, faults, endures, progress));
    string markdown = ResultTable.Markdown(results);
    Console.WriteLine(markdown);
    if (Option("--out") is { } folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "results.md"), markdown);
        File.WriteAllText(Path.Combine(folder, "results.csv"), ResultTable.Csv(results));
        File.WriteAllText(Path.Combine(folder, "results.json"), JsonSerializer.Serialize(results, FaultsJson.Default.RunResult));
    }

    if (Option("--docs") is { } document)
    {
        ResultTable.WriteInto(document, results);
    }

    return results.IsGood ? 0 : 1;
}

static async Task<RunResult> AttackAsync(ServerHandle server, Plan plan, Fault[] faults, bool endures, ProgressContext progress)
{
    ProgressTask quiet = progress.AddTask("the crowd alone", maxValue: 1);
    var bars = faults.ToDictionary(fault => fault.Name, fault => progress.AddTask(fault.Name, autoStart: false, maxValue: fault.Tries));
    ProgressTask? memory = endures ? progress.AddTask("memory", autoStart: false, maxValue: plan.Connects) : null;
    await using Crowd crowd = await Crowd.StartAsync(server.Url, plan);
    var campaign = new Campaign(server, crowd, plan);
    Latency latency = await campaign.BeQuietAsync();
    quiet.Value = 1;
    var done = new List<FaultResult>();
    foreach ((int index, Fault fault) in faults.Index())
    {
        ProgressTask bar = bars[fault.Name];
        bar.StartTask();

        // Networks 10 and up: the crowd's is 0.
        done.Add(await campaign.RunAsync(fault, 10 + index, count => bar.Value = count));
        bar.StopTask();
    }

    memory?.StartTask();
    EnduranceResult? endurance = memory is null ? null : await new Endurance(server, plan).RunAsync(count => memory.Value = count);
    long lost = await crowd.CatchUpAsync(plan.Patience);
    return new RunResult
    {
        Date = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        Plan = plan.Name,
        Machine = Environment.GetEnvironmentVariable("FAULTS_MACHINE") ?? $"{Environment.ProcessorCount} cores, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}",
        Crowd = plan.Crowd,
        Said = crowd.Said,
        News = crowd.News,
        Lost = lost,
        Ended = crowd.Ended.Count(),
        Quiet = latency,
        Faults = done,
        Endurance = endurance,
    };
}
