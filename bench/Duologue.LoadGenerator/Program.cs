// A closed-loop load for echo servers on this machine, by raw sockets: one message in flight per connection.
//   Duologue.LoadGenerator HOST PORT PATH CONNECTIONS PAYLOAD 1 SECONDS [--pid PID] [--warmup SECONDS] [--deflate off|shared|dedicated[:BITS]] [--jsonout]
//   Duologue.LoadGenerator memory HOST PORT PATH CONNECTIONS PAYLOAD 1 0 --pid PID [--deflate MODE]      KiB per connection
//   Duologue.LoadGenerator table RESULTS.csv        the results of bench/echo/run as Markdown
// The server's CPU time is the operating system's own count, from /proc/PID/stat: Linux only.

using System.Net.Sockets;
using Duologue.LoadGenerator;

if (args is ["table", var file])
{
    Console.Write(ResultTable.Render(await File.ReadAllLinesAsync(file)));
    return 0;
}

bool memory = args is ["memory", ..];
if (LoadOptions.Parse(memory ? args[1..] : args) is not { } options)
{
    Console.Error.WriteLine("usage: Duologue.LoadGenerator HOST PORT PATH CONNECTIONS PAYLOAD 1 SECONDS [--pid PID] [--warmup SECONDS] [--deflate off|shared|dedicated[:BITS]] [--jsonout]");
    Console.Error.WriteLine("       Duologue.LoadGenerator memory HOST PORT PATH CONNECTIONS PAYLOAD 1 0 --pid PID [--deflate MODE]");
    Console.Error.WriteLine("       Duologue.LoadGenerator table RESULTS.csv");
    return 2;
}

try
{
    if (memory)
    {
        Console.WriteLine(await MemoryPerConnection.RunAsync(options));
        return 0;
    }

    LoadResult result = await Load.RunAsync(options);
    Console.WriteLine(options.Json ? result.ToJson() : result.ToText());
    return 0;
}
catch (Exception exception) when (exception is SocketException or InvalidOperationException)
{
    Console.Error.WriteLine($"{options.Host}:{options.Port}{options.Path}: {exception.Message}");
    return 1;
}
