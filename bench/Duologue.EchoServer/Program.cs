// An echo server on Kestrel, stock or on the event loop, by one of two engines; everything but the engine is the same.
// GET /memory tells what it holds; see MemoryReport.
// It prints "listening PORT PID" once it accepts connections. Both engines check UTF-8, ping (Duologue every 20 s,
// System.Net.WebSockets after 20 s of silence), compress nothing unless told to (shared: no context takeover in either direction), and log nothing.
//   /echo             each message back as it came
//   /fanout           receives all that is sent to /fanout/publish
//   /collect          collects the garbage, by GET

using System.Globalization;
using Duologue.EchoServer;

if (EchoArguments.Parse(args) is not { } arguments)
{
    Console.Error.WriteLine("usage: Duologue.EchoServer " + EchoArguments.Usage);
    return 2;
}

await using WebApplication application = EchoApplication.Build(arguments);
await application.StartAsync();
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"listening {EchoApplication.Port(application)} {Environment.ProcessId}"));
await application.WaitForShutdownAsync();
return 0;
