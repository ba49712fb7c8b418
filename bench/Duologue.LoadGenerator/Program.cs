// Loads on WebSocket servers of this machine, from one thread and raw sockets; see LoadOptions.Usage, and bench/README.md for what is measured how.
// The server's CPU time and memory are the operating system's own count, from /proc/PID: Linux only.

using Duologue.LoadGenerator;

if (LoadOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine(LoadOptions.Usage);
    return 2;
}

try
{
    LoadResult result = Load.Run(options);
    Console.WriteLine(options.Json ? result.ToJson() : result.ToText());
    return 0;
}
catch (Exception exception) when (exception is LoadException or IOException)
{
    Console.Error.WriteLine($"{options.Host}:{options.Port}{options.Path}: {exception.Message}");
    return 1;
}
