// A cluster of three `duologue serve --redis` behind a balancer, numbered messages, clients of all ways and in Engine.IO sessions, and everything that fails meanwhile.
//   Duologue.Soak [--seed N] [--duration SECONDS] [--clients N] [--topics N] [--rate N] [--pause SECONDS] [--faults A,B] [--balancer FILE] [--forgetful]
//   Duologue.Soak roll [--balancer FILE] [--clients N]    all nodes are restarted by SIGTERM under load: the curve of reconnects
//   Duologue.Soak serve …                                 a node of it: duologue serve, and /sessions
// Exit code 0 only if every client had every number of its topics once and in order. Needs redis-server, and haproxy or nginx.

using System.Globalization;
using Duologue.Soak;

if (args is ["serve", ..])
{
    return await NodeProgram.RunAsync(args);
}

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
try
{
    if (args is ["roll", .. string[] rest])
    {
        RollResult curve = await new Rolling(SoakPlan.Parse(rest), Console.Out).RunAsync(stop.Token);
        Console.WriteLine(curve);
        return curve.IsGood ? 0 : 1;
    }

    SoakPlan plan = SoakPlan.Parse(args);
    Console.WriteLine(plan.Command);
    SoakResult result = await new Soaking(plan, Console.Out).RunAsync(stop.Token);
    Console.WriteLine(result);
    return result.IsGood ? 0 : 1;
}
catch (SoakException e)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 2;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("Stopped.");
    return 130;
}
