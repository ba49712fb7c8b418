using System.Diagnostics.CodeAnalysis;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Maps topics to URLs.</summary>
public static class TopicEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Maps topics: each has a URL, where clients read it by polling, long polling, server-sent events or WebSocket, whichever they ask for, and publish to it where
    /// <see cref="TopicEndpointOptions.AllowPublishing"/> lets them. Where the name is left out, a WebSocket has many topics.
    /// </summary>
    /// <param name="endpoints">The application.</param>
    /// <param name="pattern">
    /// The route's pattern, with a parameter <c>name</c>, such as <c>/topics/{**name}</c>. A parameter at its end takes names with slashes (<c>**</c>), or has a constraint, such as <c>{name:required}</c>, which says that
    /// topics whose names have slashes are not meant.
    /// </param>
    /// <exception cref="ArgumentException">The pattern has no parameter <c>name</c>, or one at its end that takes no slashes and has no constraint.</exception>
    /// <exception cref="InvalidOperationException"><c>AddDuologue</c> was not called.</exception>
    public static TopicEndpointBuilder MapTopics(this IEndpointRouteBuilder endpoints, [StringSyntax("Route")] string pattern)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(pattern);
        RoutePattern parsed = RoutePatternFactory.Parse(pattern);
        if (parsed.GetParameter(TopicEndpoint.NameParameter) is not { } name)
        {
            throw new ArgumentException($"MapTopics(\"{pattern}\"): the pattern has no parameter for the topic's name; end it with {{**name}}.", nameof(pattern));
        }

        if (!name.IsCatchAll && name.ParameterPolicies.Count == 0 && parsed.PathSegments[^1] is { IsSimple: true } last && ReferenceEquals(last.Parts[0], name))
        {
            // Nobody would be told: to a client such a topic looks like a URL that is not there.
            throw new ArgumentException(
                $"MapTopics(\"{pattern}\"): {{{name.Name}}} stands for one segment of the URL, so that a topic such as news/today, whose name has a slash, would not be found (404). Write {{**{name.Name}}}; or, if only names without a slash are meant, {{{name.Name}:required}}.",
                nameof(pattern));
        }

        DuologueServer server = endpoints.ServiceProvider.GetService<DuologueServer>()
            ?? throw new InvalidOperationException("MapTopics needs its services: call builder.Services.AddDuologue() before the application is built.");
        var endpoint = new TopicEndpoint(server, pattern);

        // A preflight comes without credentials by design: what is required of the endpoint's users is not required of it.
        endpoints.MapMethods(pattern, ["OPTIONS"], endpoint.PreflightAsync).WithDisplayName($"Duologue topics {pattern} preflight");

        // Any other method: who asks with a wrong one is told what this endpoint is, and counted.
        IEndpointConventionBuilder route = endpoints.Map(parsed, endpoint.HandleAsync);
        route.WithDisplayName($"Duologue topics {pattern}");
        return new TopicEndpointBuilder(route, endpoint);
    }
}
