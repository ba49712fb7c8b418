using Duologue.Protocol.Handshake;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Matching;

namespace Duologue.AspNetCore;

/// <summary>
/// Lets a page and a conversation share one URL: among endpoints of the same pattern, WebSocket requests and those of sessions go to Duologue's, all others
/// to the others. Where Duologue is alone it takes both, and says 426 to the others.
/// </summary>
internal sealed class WebSocketMatcherPolicy : MatcherPolicy, IEndpointSelectorPolicy
{
    // After the policies on methods, hosts and content, whose verdicts stand.
    public override int Order => 1000;

    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints)
    {
        bool own = false;
        bool other = false;
        foreach (Endpoint endpoint in endpoints)
        {
            bool isOwn = IsOwn(endpoint);
            own |= isOwn;
            other |= !isOwn;
        }

        return own && other;
    }

    public Task ApplyAsync(HttpContext httpContext, CandidateSet candidates)
    {
        bool isWebSocket = IsWebSocket(httpContext) || IsForSession(httpContext.Request, candidates);
        for (int i = 0; i < candidates.Count; i++)
        {
            if (candidates.IsValidCandidate(i) && IsOwn(candidates[i].Endpoint) != isWebSocket && HasRival(candidates, i, isWebSocket))
            {
                candidates.SetValidity(i, false);
            }
        }

        return Task.CompletedTask;
    }

    // Whether an endpoint of the other kind stands at the same pattern. One that matches less exactly is no rival.
    private static bool HasRival(CandidateSet candidates, int index, bool own)
    {
        if (candidates[index].Endpoint is not RouteEndpoint subject)
        {
            return false;
        }

        for (int i = 0; i < candidates.Count; i++)
        {
            if (candidates.IsValidCandidate(i)
                && candidates[i].Endpoint is RouteEndpoint rival
                && IsOwn(rival) == own
                && rival.Order == subject.Order
                && rival.RoutePattern.InboundPrecedence == subject.RoutePattern.InboundPrecedence)
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsOwn(Endpoint endpoint) => endpoint.Metadata.GetMetadata<DuologueEndpoint>() is not null;

    private static bool IsForSession(HttpRequest request, CandidateSet candidates)
    {
        for (int i = 0; i < candidates.Count; i++)
        {
            if (candidates.IsValidCandidate(i) && candidates[i].Endpoint.Metadata.GetMetadata<DuologueEndpoint>()?.TakesSession(request) == true)
            {
                return true;
            }
        }

        return false;
    }

    internal static bool IsWebSocket(HttpContext context) =>
        HeaderList.ContainsIgnoreCase(context.Request.Headers.Upgrade, HandshakeHeaders.WebSocket)
        || context.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true };
}
