// What it costs to wait for news: memory of the server per held request, and the time of one publish to all of them.
//   Duologue.HeldRequests [--low 1000] [--high 8000] [--ways bare,long_polling,server_sent_events,websocket] [--transport kestrel|auto|epoll|io_uring]
// A way such as long_polling+websocket is several by turns. The transport is Kestrel's own, or UseEventLoop() with that backend.
// The server is a process of its own; it runs this program as "serve". Memory is what is resident after a forced collection, at the higher number less that at the
// lower, by their difference.

using System.Globalization;
using Duologue.HeldRequests;

if (args is ["serve", var serverTransport])
{
    await HeldServer.RunAsync(serverTransport);
    return 0;
}

int low = ValueOf("--low", 1_000);
int high = ValueOf("--high", 8_000);
string transport = TextOf("--transport") ?? "kestrel";
string[] ways = (TextOf("--ways") ?? "bare,long_polling,server_sent_events,websocket").Split(',');
if (low < 1 || high <= low)
{
    Console.Error.WriteLine("--low must be at least 1 and less than --high.");
    return 2;
}

Console.WriteLine("| way | KiB resident per client | KiB live on the managed heap per client | publish to all: first, median, last |");
Console.WriteLine("|---|---|---|---|");
foreach (string way in ways)
{
    await MeasureAsync(way);
}

return 0;

async Task MeasureAsync(string way)
{
    using var server = await ServerProcess.StartAsync(transport);
    await using var crowd = new Crowd(server.Port, way.Split('+'));

    // What is made once, whoever comes.
    await crowd.GrowToAsync(100);
    await crowd.PublishAsync();
    await crowd.GrowToAsync(low);
    (long lowResident, long lowLive) = await server.MemoryAsync();
    await crowd.GrowToAsync(high);
    (long highResident, long highLive) = await server.MemoryAsync();
    double[] delays = await crowd.PublishAsync();
    int clients = high - low;
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {way} | {(highResident - lowResident) / 1024.0 / clients:0.0} | {(highLive - lowLive) / 1024.0 / clients:0.0} | {delays[0]:0} ms, {delays[delays.Length / 2]:0} ms, {delays[^1]:0} ms |"));
}

int ValueOf(string name, int fallback) => TextOf(name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;

string? TextOf(string name) => Array.IndexOf(args, name) is >= 0 and int index && index + 1 < args.Length ? args[index + 1] : null;
