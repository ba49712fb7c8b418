using System.Net;
using System.Runtime;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Duologue.EchoServer;

/// <summary>What both engines have in common.</summary>
internal static class EchoApplication
{
    public static WebApplication Build(EchoArguments arguments)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, arguments.Port, listen =>
        {
            if (arguments.Tls is { } files)
            {
                listen.UseHttps(X509Certificate2.CreateFromPemFile(files.Certificate, files.Key));
            }
        }));
        builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = arguments.Inline);
        if (arguments.EventLoop is { } backend)
        {
            builder.WebHost.UseEventLoop(loop => (loop.Backend, loop.Loops) = (backend, arguments.Loops));
        }

        if (arguments.Engine == EchoEngine.Duologue)
        {
            DuologueEcho.AddTo(builder, arguments.Deflate);
        }

        WebApplication application = builder.Build();
        application.Map("/collect", (HttpContext context) =>
        {
            Collect();
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return Task.CompletedTask;
        });
        MemoryReport.MapTo(application);
        if (arguments.Engine == EchoEngine.Duologue)
        {
            DuologueEcho.MapTo(application, arguments.Style);
        }
        else
        {
            SystemEcho.MapTo(application, arguments.Deflate);
        }

        return application;
    }

    public static int Port(WebApplication application)
    {
        string address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return new Uri(address).Port;
    }

    /// <summary>So that what is in memory afterwards is in use.</summary>
    private static void Collect()
    {
        for (int i = 0; i < 2; i++)
        {
            GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
    }
}
