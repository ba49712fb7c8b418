using System.Net;
using Duologue.Cli.Talk;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Duologue.Cli.Serve;

/// <summary>Who may read <c>/metrics</c>.</summary>
internal enum MetricsAccess
{
    /// <summary>Programs on this machine.</summary>
    Local,

    /// <summary>Everybody who reaches the server.</summary>
    All,

    /// <summary>Nobody: nothing is measured.</summary>
    Off,
}

/// <summary>
/// <c>/metrics</c>, in Prometheus' text format: what Duologue, Kestrel, ASP.NET Core and the runtime count. It tells a stranger how
/// busy the server is and what it refuses, so by default only this machine may read it.
/// </summary>
internal static class MetricsEndpoint
{
    public const string Path = "/metrics";

    private static readonly string[] Meters =
    [
        "Duologue", "Duologue.AspNetCore", "Duologue.EventLoop", "Duologue.Redis", TalkWatch.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "Microsoft.AspNetCore.Routing", "System.Runtime",
    ];

    public static void AddMetricsEndpoint(this IServiceCollection services, MetricsAccess access)
    {
        if (access != MetricsAccess.Off)
        {
            services.AddOpenTelemetry()
                .ConfigureResource(resource => resource.AddService("duologue"))
                .WithMetrics(metrics => metrics.AddMeter(Meters).AddPrometheusExporter());
        }
    }

    public static void MapMetricsEndpoint(this WebApplication application, MetricsAccess access)
    {
        if (access == MetricsAccess.Off)
        {
            return;
        }

        // Middleware and no endpoint: one of the exporter's takes no filter.
        application.UseWhen(
            context => context.Request.Path.Equals(Path, StringComparison.OrdinalIgnoreCase) && access == MetricsAccess.Local && !IsLocal(context),
            refused => refused.Run(RefuseAsync));
        application.UseOpenTelemetryPrometheusScrapingEndpoint(Path);
    }

    /// <summary>
    /// Whether the request comes from a program on this machine that meant this machine: not through a proxy here, which speaks for
    /// others, and not from a page whose name was made to point here (DNS rebinding).
    /// </summary>
    internal static bool IsLocal(HttpContext context)
    {
        IPAddress? remote = context.Connection.RemoteIpAddress;
        bool ownAddress = remote is not null && (IPAddress.IsLoopback(remote) || remote.Equals(context.Connection.LocalIpAddress));
        IHeaderDictionary headers = context.Request.Headers;
        bool forwarded = headers.ContainsKey("Forwarded") || headers.ContainsKey("X-Forwarded-For") || headers.ContainsKey("X-Real-IP") || headers.ContainsKey("Via");
        string host = context.Request.Host.Host;
        bool ownName = host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || IPAddress.TryParse(host, out _);
        return ownAddress && !forwarded && ownName;
    }

    private static Task RefuseAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status403Forbidden;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync("The metrics are for programs on the server's machine, as http://localhost/metrics; start the server with --metrics All to show them to everybody.\n", context.RequestAborted);
    }
}
