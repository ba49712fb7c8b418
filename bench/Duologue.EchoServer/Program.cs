// An echo server on Kestrel, stock or on the event loop, by one of two engines; everything but the engine is the same.
//   Duologue.EchoServer duologue|system [--port N] [--style class|delegate] [--inline] [--event-loop auto|io_uring|epoll] [--loops N] [--deflate off|shared|dedicated[:BITS]]
// GET /memory tells what it holds; see MemoryReport.
// It prints "listening PORT PID" once it accepts connections. Both engines check UTF-8, ping after 20 s of silence,
// compress nothing unless told to (shared: no context takeover in either direction), and log nothing.

using System.Globalization;
using System.Net;
using Duologue.EchoServer;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

if (EchoArguments.Parse(args) is not { } echo)
{
    Console.Error.WriteLine("usage: Duologue.EchoServer duologue|system [--port N] [--style class|delegate] [--inline] [--event-loop auto|io_uring|epoll] [--loops N] [--deflate off|shared|dedicated[:BITS]]");
    return 2;
}

WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, echo.Port));
builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = echo.Inline);
if (echo.EventLoop is { } backend)
{
    builder.WebHost.UseEventLoop(loop => (loop.Backend, loop.Loops) = (backend, echo.Loops));
}

if (echo.Engine == EchoEngine.Duologue)
{
    DuologueEcho.AddTo(builder, echo.Deflate);
}

WebApplication application = builder.Build();
if (echo.Engine == EchoEngine.Duologue)
{
    DuologueEcho.MapTo(application, echo.Style);
}
else
{
    SystemEcho.MapTo(application, echo.Deflate);
}

MemoryReport.MapTo(application);
await application.StartAsync();
string address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"listening {new Uri(address).Port} {Environment.ProcessId}"));
await application.WaitForShutdownAsync();
return 0;
