using System.Net;
using Duologue.Conformance.Carriers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Conformance.Subjects;

/// <summary>Hostile servers behind Kestrel's HTTP/2: it frames the streams, the bytes in them are the player's (RFC 8441).</summary>
internal sealed class HostileHttp2Server : HostileServer
{
    private readonly WebApplication _app;
    private readonly Func<string, Meeting> _meet;

    private HostileHttp2Server(WebApplication app, Func<string, Meeting> meet)
    {
        _app = app;
        _meet = meet;
    }

    public override int Port => new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;

    public static async Task<HostileHttp2Server> StartAsync(Carrier carrier, Func<string, Meeting> meet)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            if (carrier.IsTls())
            {
                listen.UseHttps(TlsIdentity.Certificate);
            }
        }));
        WebApplication app = builder.Build();
        var server = new HostileHttp2Server(app, meet);
        app.Run(server.ServeAsync);
        await app.StartAsync();
        return server;
    }

    public override ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task ServeAsync(HttpContext context)
    {
        Meeting meeting = _meet(context.Request.Path.Value ?? "");
        meeting.Offered = context.Request.Headers.SecWebSocketExtensions.Count > 0 ? context.Request.Headers.SecWebSocketExtensions.ToString() : null;
        if (meeting.Answer is not null)
        {
            context.Response.Headers.SecWebSocketExtensions = meeting.Answer;
        }

        Stream stream = await context.Features.GetRequiredFeature<IHttpExtendedConnectFeature>().AcceptAsync();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var wire = new HttpStreamWire(
            stream,
            context.Response.CompleteAsync,
            () =>
            {
                done.TrySetResult();
                return ValueTask.CompletedTask;
            })
        {
            Extensions = meeting.Offered,
        };
        meeting.Wire.TrySetResult(wire);
        await done.Task;
    }
}
