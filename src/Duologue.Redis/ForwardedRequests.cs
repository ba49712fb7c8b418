using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Duologue.Redis;

/// <summary>
/// Gives a request that another node has forwarded the address and the scheme of its client back, before anything else sees it: limits per address, authentication and the application's own code are
/// to find what they would have found without the forward.
/// </summary>
internal sealed class ForwardedRequests(RedisBroker broker, RedisMetrics metrics, TimeProvider time) : IStartupFilter
{
    private readonly SeenNonces _seen = new(time);

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(next => context =>
        {
            if (context.Request.Headers.ContainsKey(ForwardMark.Header))
            {
                Restore(context);
            }

            return next(context);
        });
        next(app);
    };

    private void Restore(HttpContext context)
    {
        string target = context.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        if (ForwardMark.Read(context.Request.Headers[ForwardMark.Header], broker.Registry.Own.Secret, context.Request.Method, target, broker.Registry.StoreTime) is not { } client || !_seen.TryAdd(client.Nonce))
        {
            // Somebody made it up, or has heard and repeats it, or another start of this node was meant: the request is its sender's own.
            metrics.MarkRefused();
            return;
        }

        context.Connection.RemoteIpAddress = client.Address;
        context.Connection.RemotePort = client.Port;
        context.Request.Scheme = client.Scheme;
    }
}
