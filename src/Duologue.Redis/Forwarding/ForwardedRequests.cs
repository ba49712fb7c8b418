using System.Collections.Concurrent;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Duologue.Redis;

/// <summary>
/// Gives a request that another node has forwarded the address and the scheme of its client back, before anything else sees it: limits per address, authentication and the application's own code are
/// to find what they would have found without the forward. A node that stops asks by a request of its own for the answers of the polls that it has forwarded: that is answered here, and no part of the application sees it.
/// </summary>
internal sealed class ForwardedRequests(RedisBroker broker, RedisMetrics metrics, TimeProvider time) : IStartupFilter
{
    private readonly SeenNonces _seen = new(time);

    // Polls that other nodes have forwarded, by the number of their mark.
    private readonly ConcurrentDictionary<long, CancellationTokenSource> _polls = new();

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(next => context => context.Request.Headers.ContainsKey(ForwardMark.Header) ? TakeAsync(context, next) : next(context));
        next(app);
    };

    private Task TakeAsync(HttpContext context, RequestDelegate next)
    {
        if (Restore(context) is not { } client)
        {
            return next(context);
        }

        if (HeldPoll.TryReadEnd(context.Request, out long nonce))
        {
            // It may not be here yet, or not any more.
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            if (_polls.TryGetValue(nonce, out CancellationTokenSource? poll))
            {
                context.Response.StatusCode = StatusCodes.Status204NoContent;
                poll.Cancel();
            }

            return Task.CompletedTask;
        }

        return HttpMethods.IsGet(context.Request.Method) ? HoldAsync(context, next, client.Nonce) : next(context);
    }

    // The source has no timer: there is nothing to dispose, and it may be asked to end when its poll has just ended.
    private async Task HoldAsync(HttpContext context, RequestDelegate next, long nonce)
    {
        var end = new CancellationTokenSource();
        context.Features.Set(new ForwardedPoll(end.Token));
        _polls[nonce] = end;
        try
        {
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            _polls.TryRemove(nonce, out _);
        }
    }

    private ForwardedClient? Restore(HttpContext context)
    {
        string target = context.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        if (ForwardMark.Read(context.Request.Headers[ForwardMark.Header], broker.Registry.Own.Secret, context.Request.Method, target, broker.Registry.StoreTime) is not { } client || !_seen.TryAdd(client.Nonce))
        {
            // Somebody made it up, or has heard and repeats it, or another start of this node was meant: the request is its sender's own.
            metrics.MarkRefused();
            return null;
        }

        context.Connection.RemoteIpAddress = client.Address;
        context.Connection.RemotePort = client.Port;
        context.Request.Scheme = client.Scheme;
        return client;
    }
}
