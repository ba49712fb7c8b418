using System.CommandLine;
using Duologue.Cli.Terminal;
using Duologue.EventLoop;

namespace Duologue.Cli.Serve;

/// <summary><c>--event-loop</c>: what carries the connections of a server of this tool.</summary>
internal static class EventLoopChoice
{
    private const string Off = "off";

    public static Option<string> Create() =>
        CliOption.Word("--event-loop", "What carries the connections: an event loop on io_uring or epoll (Linux), auto for the best that runs here, off for Kestrel's own sockets.", "auto", "auto", "io_uring", "epoll", Off);

    /// <summary>Puts the server on event loops, unless the choice is off; 0 loops for one per core.</summary>
    public static void Apply(string choice, int loops, IWebHostBuilder host)
    {
        if (choice != Off)
        {
            host.UseEventLoop(options =>
            {
                options.Backend = choice switch { "io_uring" => EventLoopBackend.IoUring, "epoll" => EventLoopBackend.Epoll, _ => EventLoopBackend.Auto };
                options.Loops = loops == 0 ? options.Loops : loops;
            });
        }
    }
}
