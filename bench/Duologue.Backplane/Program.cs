// Duologue with Redis beside SignalR with its Redis backplane: what a delivery costs, how long it takes from node to node, and what is lost over faults.
// How it is measured: bench/README.md.

using Duologue.Backplane;
using Duologue.Comparison;
using Duologue.LoadGenerator;

if (args is ["node", ..] && NodeArguments.Parse(args.AsSpan(1)) is { } node)
{
    WebApplication application = NodeApplication.Build(node);
    await application.StartAsync();
    Console.WriteLine(FormattableString.Invariant($"listening {NodeApplication.PortOf(application)} {Environment.ProcessId}"));
    await application.WaitForShutdownAsync();
    return 0;
}

if (args is ["scale", ..])
{
    return ScaleCommand.Run(args[1..], Console.Out);
}

bool faults = args is ["faults", ..];
if (args is ["node", ..] || BackplaneOptions.Parse(args.AsSpan(faults ? 1 : 0)) is not { } options)
{
    Console.Error.WriteLine(BackplaneOptions.Usage);
    return 2;
}

string about = Machine.Describe(Environment.GetEnvironmentVariable("BENCH_ROOT") ?? ".");
try
{
    if (faults)
    {
        string table = await FaultCampaign.RunAsync(options);
        return Write("faults.md", about + "\n\n" + table);
    }

    ResultFile results = new(Path.Combine(options.Out, "results.csv"), PairCampaign.Figures);
    using PairCampaign campaign = new(options, results);
    bool isComplete = campaign.Run();
    Write("results.md", PairTable.Render(results.Measurements, options.Shapes, options.Contenders, about));
    return isComplete ? 0 : 3;
}
catch (Exception exception) when (exception is RunException or LoadException or IOException)
{
    Console.Error.WriteLine("bench/backplane/run: " + exception.Message);
    return 1;
}

int Write(string name, string text)
{
    Directory.CreateDirectory(options.Out);
    File.WriteAllText(Path.Combine(options.Out, name), text);
    Console.WriteLine(text);
    return 0;
}
